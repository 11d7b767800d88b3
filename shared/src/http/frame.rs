//! What stands around every endpoint: the request's id, one log line, errors in their shape, security headers, rate
//! limits told, panics caught, a deadline.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;

use super::{ApiError, Code, Origins, cors};
use crate::clock::{Clock, Random, SystemClock, SystemRandom, random_uuid};
use crate::config::Settings;
use crate::storage::{BucketState, Policy};

/// How long a request may take: well under the 29 s after which API Gateway gives up on a function.
const DEADLINE: Duration = Duration::from_secs(25);

/// What the frame needs.
#[derive(Clone)]
pub struct Frame {
    /// Measures how long requests take.
    pub clock: Arc<dyn Clock>,
    /// Makes request ids.
    pub random: Arc<dyn Random>,
    /// Which web pages may call.
    pub origins: Origins,
}

impl Frame {
    /// The frame of `settings`, with the system's clock and randomness.
    pub fn of(settings: &Settings) -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), origins: settings.origins.clone() }
    }
}

/// The id that a request has already, from whoever handed it over: API Gateway, whose own log knows it by that.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Puts the frame around `router`.
pub fn framed(router: Router, frame: Frame) -> Router {
    let cors = cors(&frame.origins);
    router
        .fallback(async || ApiError::not_found("route"))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors)
        .layer(from_fn_with_state(frame, serve))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::internal(format!("panic: {}", what.unwrap_or("of unknown kind"))).into_response()
}

/// What extractors tell the frame about the request at hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Clone, Copy, Default)]
struct Noted {
    bucket: Option<BucketState>,
}

impl Notes {
    /// Those of the request at hand; outside a frame, some that nobody reads.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_default()
    }

    fn update(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read(&self) -> Noted {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the route is limited by `policy`, even if the answer comes before any token is taken.
pub(super) fn announce(parts: &Parts, policy: Policy) {
    let limit = policy.per_minute;
    let full = BucketState { taken: true, limit, remaining: limit, full_in: 0, next_in: 0 };
    Notes::of(parts).update(|noted| noted.bucket = Some(full));
}

/// Says how the caller's bucket stands; of several, the emptiest is told.
///
/// # Errors
/// When it is empty.
pub(super) fn note(notes: &Notes, bucket: BucketState) -> Result<(), ApiError> {
    notes.update(|noted| {
        let emptier = noted.bucket.is_none_or(|noted| bucket.remaining < noted.remaining || !bucket.taken);
        if emptier {
            noted.bucket = Some(bucket);
        }
    });
    over_limit(bucket)
}

/// The error of a bucket that had no token.
fn over_limit(bucket: BucketState) -> Result<(), ApiError> {
    if bucket.taken {
        return Ok(());
    }
    let message = format!("too many calls; the next one is possible in {} seconds", bucket.next_in);
    Err(ApiError { retry_after: Some(bucket.next_in), ..ApiError::new(Code::RateLimitExceeded, message) })
}

async fn serve(State(frame): State<Frame>, mut request: Request, next: Next) -> Response {
    let started = frame.clock.now();
    let given = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    let request_id = given.unwrap_or_else(|| random_uuid(&*frame.random).to_string());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let is_route = request.extensions().get::<MatchedPath>().is_some();
    let notes = Notes::default();
    request.extensions_mut().insert(notes.clone());

    let mut response = if method == Method::OPTIONS && !is_route {
        // CORS would answer a preflight of anything.
        ApiError::not_found("route").into_response()
    } else {
        let answered = tokio::time::timeout(DEADLINE, next.run(request)).await;
        answered.unwrap_or_else(|_| ApiError::unavailable("the request took too long").into_response())
    };
    let noted = notes.read();
    let error = error_of(&response);
    if let Some(error) = &error {
        response = render(response, error, &request_id);
    }
    add_headers(&mut response, &request_id, noted.bucket);

    let duration_ms = (frame.clock.now().micros() - started.micros()) / 1_000;
    let status = response.status().as_u16();
    let cause = error.as_ref().and_then(|error| error.cause.as_deref());
    if status >= 500 {
        tracing::error!(%method, route, status, duration_ms, request_id, cause, "request failed");
    } else {
        tracing::info!(%method, route, status, duration_ms, request_id, "request");
    }
    response
}

/// The error that a response is, whether a handler made it or the router itself.
fn error_of(response: &Response) -> Option<Arc<ApiError>> {
    if let Some(error) = response.extensions().get::<Arc<ApiError>>() {
        return Some(Arc::clone(error));
    }
    let error = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::new(Code::MethodNotAllowed, "this route does not take this method; see the Allow header")
        }
        status if status.is_client_error() => {
            ApiError::new(Code::InvalidRequest, "the request could not be understood")
        }
        status if status.is_server_error() => ApiError::internal(format!("a bare {status}")),
        _ => return None,
    };
    Some(Arc::new(error))
}

fn render(response: Response, error: &ApiError, request_id: &str) -> Response {
    let mut rendered = (error.code.status(), axum::Json(error.body(request_id))).into_response();
    // CORS marks and the like are already there.
    for (name, value) in response.headers() {
        if name == ALLOW || name.as_str().starts_with("access-control-") || name == http::header::VARY {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    if let Some(seconds) = error.retry_after {
        rendered.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    rendered
}

fn add_headers(response: &mut Response, request_id: &str, bucket: Option<BucketState>) {
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    if let Some(bucket) = bucket {
        headers.insert(HeaderName::from_static("ratelimit-limit"), bucket.limit.into());
        headers.insert(HeaderName::from_static("ratelimit-remaining"), bucket.remaining.into());
        headers.insert(HeaderName::from_static("ratelimit-reset"), bucket.full_in.into());
    }
}
