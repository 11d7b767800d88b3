//! The access log: one line per request, and its metrics and trace span.
//!
//! tower-http's `TraceLayer` is not used: it logs before errors have a body, and cannot record fields that extractors find.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use tokio::time::Instant;
use tracing::{Instrument, Span, error_span, field};

use super::request_id::request_id;
use crate::clock::Random;
use crate::http::request_context::RequestContext;
use crate::http::{ApiError, ClientAddress, Code};
use crate::telemetry::{self, SPANS, SecurityEvent};

/// Route of a request that matches none.
const UNMATCHED: &str = "unmatched";

/// Bytes of a request body and of its response, where they are known.
type BodySizes = (Option<u64>, Option<u64>);

/// Gives the request its id, span and context, and logs it once it is answered.
pub(super) async fn log_request(State(random): State<Arc<dyn Random>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request, &*random);
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let request_bytes = size(request.body()).or_else(|| content_length(&request));
    let span = span(&request, &id, &route);
    RequestContext::new(&id, span.clone()).attach_to(&mut request);

    let response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), started.elapsed());
    let error = response.extensions().get::<Arc<ApiError>>();
    let sizes = (request_bytes, size(response.body()));
    span.in_scope(|| log(status, took, sizes, error.map(|error| &**error)));
    telemetry::finish(&span, status.as_u16());
    telemetry::request(&route, status.as_u16(), took);
    response
}

fn size(body: &Body) -> Option<u64> {
    body.size_hint().exact()
}

fn content_length(request: &Request) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Span whose fields every log line within the request carries.
fn span(request: &Request, request_id: &str, route: &str) -> Span {
    let method = request.method().as_str();
    let address = request.extensions().get::<ClientAddress>().map(|address| telemetry::address(&address.0));
    let span = error_span!(
        target: SPANS, "request", request_id, method, route, address,
        trace_id = field::Empty, user = field::Empty, device = field::Empty,
    );
    if let Some(trace_id) = telemetry::continue_trace(&span, request.headers()) {
        span.record("trace_id", trace_id);
    }
    span
}

fn log(status: StatusCode, took: Duration, (request_bytes, response_bytes): BodySizes, error: Option<&ApiError>) {
    let (status, duration_ms) = (status.as_u16(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let code = error.map(|error| field::display(error.code));
    match error.map(|error| error.code) {
        Some(Code::InvalidCredentials) => SecurityEvent::LoginFailed.log(),
        Some(Code::RefreshTokenReused) => SecurityEvent::RefreshTokenReused.log(),
        Some(Code::RateLimitExceeded) => SecurityEvent::RateLimited.log(),
        _ => {}
    }
    if status >= 500 {
        let cause = error.and_then(|error| error.cause.as_deref());
        let backtrace = cause.and_then(|cause| cause.backtrace.as_ref()).map(field::display);
        let cause = cause.map(|cause| cause.text.as_str());
        tracing::error!(status, duration_ms, request_bytes, response_bytes, code, cause, backtrace, "request failed");
    } else {
        tracing::info!(status, duration_ms, request_bytes, response_bytes, code, "request");
    }
}
