//! Middleware for tasks that API Gateway does for the functions.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{Stream, StreamExt};
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use shared::models::limits;
use tokio::time::timeout;

/// Bounds of draining an unread body.
const MAX_DRAINED_BYTES: usize = 5 * limits::UPLOAD_BYTES;
const LONGEST_DRAIN: Duration = Duration::from_secs(10);
/// Pause after which a client no longer sends, and a connection can be closed without being reset.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Reduces `Accept-Encoding` to `gzip`, the only supported encoding, or removes it. A client that accepts neither gzip nor
/// identity gets identity, rather than an error in place of the response to a completed request.
pub(crate) async fn offer_gzip_alone(mut request: Request, next: Next) -> Response {
    let accepted =
        request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(accepts_gzip);
    if accepted {
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    } else {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    next.run(request).await
}

fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|entry| {
        let (coding, quality) = entry.split_once(";q=").unwrap_or((entry, "1"));
        let refused = quality.trim().parse().is_ok_and(|quality: f32| quality <= 0.0);
        matches!(coding.trim(), "gzip" | "x-gzip" | "*") && !refused
    })
}

/// Reads a request body to its end even after the response. Closing a connection with unread bytes resets it, and the client
/// that is still sending never sees the response.
pub(crate) async fn drain_bodies(request: Request, next: Next) -> Response {
    let draining = |body: Body| Body::from_stream(Draining(Some(body.into_data_stream())));
    next.run(request.map(draining)).await
}

struct Draining(Option<BodyDataStream>);

impl Stream for Draining {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let polled = body.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some(rest) = self.0.take() {
            tokio::spawn(timeout(LONGEST_DRAIN, drain(rest)));
        }
    }
}

async fn drain(mut rest: BodyDataStream) {
    let mut drained = 0;
    while let Ok(Some(Ok(bytes))) = timeout(LONGEST_PAUSE, rest.next()).await {
        drained += bytes.len();
        if drained > MAX_DRAINED_BYTES {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_where_it_is_not_refused() {
        for header in ["gzip", "br, gzip;q=0.5", "*", "deflate, X-gzip;q=1, x-gzip"] {
            assert!(accepts_gzip(header), "{header}");
        }
        for header in ["", "br", "gzip;q=0", "identity;q=0, *;q=0.0"] {
            assert!(!accepts_gzip(header), "{header}");
        }
    }
}
