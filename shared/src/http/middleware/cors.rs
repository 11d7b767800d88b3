use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::AllowedOrigins;
use crate::http::ApiError;

/// Time for which browsers may cache the response to a preflight.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// Answers preflights, and adds the CORS headers to responses.
pub(super) fn layer(origins: &AllowedOrigins) -> CorsLayer {
    let allowed = match origins {
        AllowedOrigins::Localhost => AllowOrigin::predicate(|origin, _| origin.to_str().is_ok_and(is_localhost)),
        AllowedOrigins::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("x-client-version"),
        ])
        .expose_headers([
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("ratelimit-limit"),
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
            header::RETRY_AFTER,
        ])
        .max_age(MAX_AGE)
}

/// Refuses a preflight of a route that does not exist: [`CorsLayer`] would accept it.
pub(super) async fn refuse_preflight_of_unknown_route(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS && request.extensions().get::<MatchedPath>().is_none() {
        return ApiError::not_found("route").into_response();
    }
    next.run(request).await
}

fn is_localhost(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else { return false };
    let host = match host.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_this_machine_only() {
        for origin in [
            "http://localhost",
            "http://localhost:3000",
            "https://127.0.0.1:8443",
            "http://[::1]:5173",
            "http://app.localhost:80",
        ] {
            assert!(is_localhost(origin), "{origin}");
        }
        for origin in [
            "null",
            "http://example.com",
            "http://localhost.example.com",
            "http://evil-localhost:80",
            "file://localhost",
        ] {
            assert!(!is_localhost(origin), "{origin}");
        }
    }
}
