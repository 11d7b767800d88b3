//! Bodies of errors: every response with an error status has the same JSON shape.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONNECTION, RETRY_AFTER, VARY};
use http::{HeaderValue, StatusCode};

use crate::http::request_context::RequestContext;
use crate::http::{ApiError, Code};

/// Writes the body of a response that is an error. The error stays in its extensions, for the access log.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.extensions());
    let response = next.run(request).await;
    let Some(error) = error_of(&response) else { return response };
    let mut rendered = (error.code.status(), axum::Json(error.body(context.request_id()))).into_response();
    for (name, value) in response.headers() {
        if name == ALLOW || name == VARY || name.as_str().starts_with("access-control-") {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    if let Some(seconds) = error.retry_after {
        rendered.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if error.code == Code::RequestTimeout {
        // The rest of the body may still arrive, and is not read.
        rendered.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    rendered.extensions_mut().insert(error);
    rendered
}

/// Error of a response, whether a handler returned it, or the router or a layer answered with a bare status.
fn error_of(response: &Response) -> Option<Arc<ApiError>> {
    if let Some(error) = response.extensions().get::<Arc<ApiError>>() {
        return Some(Arc::clone(error));
    }
    let error = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::new(Code::MethodNotAllowed, "this route does not take this method; see the Allow header")
        }
        StatusCode::SERVICE_UNAVAILABLE => ApiError::unavailable("request deadline exceeded"),
        status if status.is_client_error() => ApiError::new(Code::InvalidRequest, "the request is malformed"),
        status if status.is_server_error() => ApiError::internal(format!("unexpected bare status {status}")),
        _ => return None,
    };
    Some(Arc::new(error))
}
