use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use tests::{Answer, Api, Call};
use tokio::time::{sleep, timeout};

use crate::watch::{Attempt, Watch};

/// How long an answer may take. The service gives up after 25 s.
const LONGEST: Duration = Duration::from_secs(30);
/// What lies between two attempts.
const PAUSE: Duration = Duration::from_millis(700);
/// After how long somebody gives up: any store is back by then.
const PATIENCE: Duration = Duration::from_secs(120);

/// A way to `server` that asks again, with the same bytes, until it is answered by something else than 429 or 503, and
/// tells `watch` of every attempt. It is a router, so that whatever talks to the service can go this way.
pub(crate) fn patient(server: &Api, watch: &Arc<Watch>) -> Api {
    let (server, watch) = (server.clone(), watch.clone());
    Api::Router(Router::new().fallback(move |request: Request| insist(server, watch, request)))
}

async fn insist(server: Api, watch: Arc<Watch>, request: Request) -> Response {
    let call = to_call(request).await;
    let mut attempt = Attempt { call: &call, begun: Instant::now(), is_repeat: false };
    let first = attempt.begun;
    loop {
        match timeout(LONGEST, server.try_send(call.clone())).await {
            Ok(Some(answer)) if matches!(answer.status, 429 | 503) => watch.refused(&attempt, &answer),
            Ok(Some(answer)) => {
                watch.answered(&attempt, &answer);
                return to_response(answer);
            }
            // The service was never ended, so nobody has broken a connection by right.
            Ok(None) => watch.unanswered(&attempt, "the connection broke"),
            Err(_) => watch.unanswered(&attempt, "no answer in time"),
        }
        assert!(first.elapsed() < PATIENCE, "{} {} is never answered", call.method, call.path);
        sleep(PAUSE).await;
        attempt = Attempt { call: &call, begun: Instant::now(), is_repeat: true };
    }
}

async fn to_call(request: Request) -> Call {
    let (parts, body) = request.into_parts();
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("headers are texts").to_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = to_bytes(body, usize::MAX).await.expect("a body in memory does not break").to_vec();
    Call { method: parts.method, path: parts.uri.to_string(), headers, body }
}

fn to_response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("it was a status");
    *response.headers_mut() = answer.headers;
    response
}
