use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use tests::{Answer, Api, Call};
use tokio::time::{sleep, timeout};

use crate::monitor::{Attempt, Monitor};

/// Timeout of a response. The service itself gives up after 25 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(700);
/// Time after which a request fails: every store is restarted by then.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// Returns an API that repeats each request with the same bytes until the status is neither 429 nor 503, and reports
/// every attempt to `monitor`. It is a router, so every client of the service can use it.
pub(crate) fn with_retries(server: &Api, monitor: &Arc<Monitor>) -> Api {
    let (server, monitor) = (server.clone(), monitor.clone());
    Api::Router(Router::new().fallback(move |request: Request| send_with_retries(server, monitor, request)))
}

async fn send_with_retries(server: Api, monitor: Arc<Monitor>, request: Request) -> Response {
    let call = to_call(request).await;
    let mut attempt = Attempt { call: &call, start: Instant::now(), is_repeat: false };
    let first = attempt.start;
    loop {
        match timeout(RESPONSE_TIMEOUT, server.try_send(call.clone())).await {
            Ok(Some(response)) if matches!(response.status, 429 | 503) => monitor.refused(&attempt, &response),
            Ok(Some(response)) => {
                monitor.answered(&attempt, &response);
                return to_response(response);
            }
            // The service itself is never restarted, so a broken connection is a failure.
            Ok(None) => monitor.unanswered(&attempt, "the connection broke"),
            Err(_) => monitor.unanswered(&attempt, "timeout"),
        }
        assert!(first.elapsed() < GIVE_UP_AFTER, "{} {} does not succeed", call.method, call.path);
        sleep(PAUSE).await;
        attempt = Attempt { call: &call, start: Instant::now(), is_repeat: true };
    }
}

async fn to_call(request: Request) -> Call {
    let (parts, body) = request.into_parts();
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("headers are valid text").to_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = to_bytes(body, usize::MAX).await.expect("the body is in memory").to_vec();
    Call { method: parts.method, path: parts.uri.to_string(), headers, body }
}

fn to_response(received: Answer) -> Response {
    let mut response = Response::new(Body::from(received.body));
    *response.status_mut() = StatusCode::from_u16(received.status).expect("the status is valid");
    *response.headers_mut() = received.headers;
    response
}
