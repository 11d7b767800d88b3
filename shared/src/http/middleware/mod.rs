//! Middleware that wraps every route of every function.

mod access_log;
mod cors;
mod error_body;
mod request_id;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use super::{ApiError, rate_limit};
use crate::clock::Random;
use crate::config::HttpConfig;

pub use request_id::RequestId;

/// Deadline of a request: well below the 29 s after which API Gateway abandons a function.
const DEADLINE: Duration = Duration::from_secs(25);

/// Browsers use HTTPS alone for two years (RFC 6797).
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// Wraps `router` in the middleware. The last layer runs first.
pub fn with_middleware(router: Router, config: &HttpConfig, random: Arc<dyn Random>) -> Router {
    let json = HeaderValue::from_static("application/json");
    let transport_security = config.https.then_some(TRANSPORT_SECURITY);
    router
        .fallback(async || ApiError::not_found("route"))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, DEADLINE))
        .layer(cors::layer(&config.allowed_origins))
        .layer(from_fn(cors::refuse_preflight_of_unknown_route))
        .layer(from_fn(error_body::render))
        .layer(SetResponseHeaderLayer::if_not_present(CONTENT_TYPE, json))
        .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(SetResponseHeaderLayer::overriding(STRICT_TRANSPORT_SECURITY, move |_: &Response| {
            transport_security.clone()
        }))
        .layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(from_fn(rate_limit::add_headers))
        .layer(from_fn(request_id::add_header))
        .layer(from_fn_with_state(random, access_log::log_request))
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    ApiError::panicked().into_response()
}
