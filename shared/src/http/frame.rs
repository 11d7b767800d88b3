//! What stands around every endpoint: the request's id, one log line, errors in their shape, security headers, rate
//! limits told, panics caught, a deadline.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument, Span, error_span, field};

use super::{ApiError, Code, Origins, cors};
use crate::clock::{Random, SystemRandom, random_uuid};
use crate::config::Settings;
use crate::models::UserId;
use crate::storage::{RateLimitPolicy, RateLimitStatus};
use crate::telemetry::{self, SPANS, SecurityEvent};

/// How long a request may take: well under the 29 s after which API Gateway gives up on a function.
const DEADLINE: Duration = Duration::from_secs(25);

/// What is said of a path that is no route's.
const UNMATCHED: &str = "unmatched";

/// The bytes of a request and of its answer, where they are known.
type Sizes = (Option<u64>, Option<u64>);

/// What the frame needs.
#[derive(Clone)]
pub struct Frame {
    /// Makes request ids.
    pub random: Arc<dyn Random>,
    /// Which web pages may call.
    pub origins: Origins,
}

impl Frame {
    /// The frame of `settings`, with the system's randomness.
    pub fn of(settings: &Settings) -> Self {
        Self { random: Arc::new(SystemRandom), origins: settings.origins.clone() }
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

fn panicked(_: Box<dyn Any + Send>) -> Response {
    ApiError::panicked().into_response()
}

/// What extractors and endpoints tell the frame about the request at hand.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    span: Span,
    bucket: Arc<Mutex<Option<RateLimitStatus>>>,
}

impl Default for Notes {
    fn default() -> Self {
        Self { span: Span::none(), bucket: Arc::default() }
    }
}

impl Notes {
    /// Those of the request at hand; outside a frame, some that nobody reads.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_default()
    }

    /// Says who asks.
    pub(super) fn user(&self, user: UserId) {
        self.span.record("user", telemetry::pseudonym(user));
    }

    /// Says by which device.
    pub(super) fn device(&self, id: &str) {
        self.span.record("device", telemetry::device(id));
    }

    fn bucket(&self) -> MutexGuard<'_, Option<RateLimitStatus>> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the route is limited by `policy`, even if the answer comes before any token is taken.
pub(super) fn announce(parts: &Parts, policy: RateLimitPolicy) {
    let limit = policy.per_minute;
    let full = RateLimitStatus { taken: true, limit, remaining: limit, full_in: 0, next_in: 0 };
    *Notes::of(parts).bucket() = Some(full);
}

/// Says how the caller's bucket stands; of several, the emptiest is told.
///
/// # Errors
/// When it is empty.
pub(super) fn note(notes: &Notes, bucket: RateLimitStatus) -> Result<(), ApiError> {
    let mut noted = notes.bucket();
    if noted.is_none_or(|noted| bucket.remaining < noted.remaining || !bucket.taken) {
        *noted = Some(bucket);
    }
    over_limit(bucket)
}

/// The error of a bucket that had no token.
fn over_limit(bucket: RateLimitStatus) -> Result<(), ApiError> {
    if bucket.taken {
        return Ok(());
    }
    let message = format!("too many calls; the next one is possible in {} seconds", bucket.next_in);
    Err(ApiError { retry_after: Some(bucket.next_in), ..ApiError::new(Code::RateLimitExceeded, message) })
}

async fn serve(State(frame): State<Frame>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    let request_id = given.unwrap_or_else(|| random_uuid(&*frame.random).to_string());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (method, request_bytes) = (request.method().clone(), size(request.body()).or_else(|| announced(&request)));
    let span = span(&request, &request_id, route.as_deref());
    let notes = Notes { span: span.clone(), bucket: Arc::default() };
    request.extensions_mut().insert(notes.clone());

    let mut response = if method == Method::OPTIONS && route.is_none() {
        // CORS would answer a preflight of anything.
        ApiError::not_found("route").into_response()
    } else {
        let answered = tokio::time::timeout(DEADLINE, next.run(request)).instrument(span.clone()).await;
        answered.unwrap_or_else(|_| ApiError::unavailable("the request took too long").into_response())
    };
    let error = error_of(&response);
    if let Some(error) = &error {
        response = render(response, error, &request_id);
    }
    let bucket = *notes.bucket();
    add_headers(&mut response, &request_id, bucket);

    let took = started.elapsed();
    let sizes = (request_bytes, size(response.body()));
    span.in_scope(|| log(response.status(), took, sizes, error.as_deref()));
    telemetry::finish(&span, response.status().as_u16());
    telemetry::request(route.as_deref().unwrap_or(UNMATCHED), response.status().as_u16(), took);
    response
}

/// How many bytes a body has, if that is known before it is read.
fn size(body: &Body) -> Option<u64> {
    body.size_hint().exact()
}

/// How many bytes a client says that it sends.
fn announced(request: &Request) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What every log line within a request tells of it.
fn span(request: &Request, request_id: &str, route: Option<&str>) -> Span {
    let (method, route) = (request.method().as_str(), route.unwrap_or(UNMATCHED));
    let span = error_span!(
        target: SPANS, "request", request_id, method, route,
        trace_id = field::Empty, user = field::Empty, device = field::Empty,
    );
    if let Some(trace_id) = telemetry::continue_trace(&span, request.headers()) {
        span.record("trace_id", trace_id);
    }
    span
}

/// The one line about a request.
fn log(status: StatusCode, took: Duration, (request_bytes, response_bytes): Sizes, error: Option<&ApiError>) {
    let (status, duration_ms) = (status.as_u16(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let cause = error.and_then(|error| error.cause.as_deref());
    let code = error.map(|error| field::display(error.code));
    match error.map(|error| error.code) {
        Some(Code::InvalidCredentials) => SecurityEvent::LoginFailed.log(),
        Some(Code::RefreshTokenReused) => SecurityEvent::RefreshTokenReused.log(),
        Some(Code::RateLimitExceeded) => SecurityEvent::RateLimited.log(),
        _ => {}
    }
    if status >= 500 {
        let backtrace = cause.and_then(|cause| cause.backtrace.as_ref()).map(field::display);
        let cause = cause.map(|cause| cause.text.as_str());
        tracing::error!(status, duration_ms, request_bytes, response_bytes, code, cause, backtrace, "request failed");
    } else {
        tracing::info!(status, duration_ms, request_bytes, response_bytes, code, "request");
    }
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

fn add_headers(response: &mut Response, request_id: &str, bucket: Option<RateLimitStatus>) {
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
