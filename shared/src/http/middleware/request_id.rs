use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

use crate::clock::{Random, random_uuid};
use crate::http::request_context::RequestContext;

/// Id that API Gateway gave a request, under which its own log knows it. The Lambda adapter sets it.
///
/// tower-http's `SetRequestIdLayer` is not used, because it would trust a header of the client.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Id of `request`: that of API Gateway, or a new one.
pub(super) fn request_id(request: &Request, random: &dyn Random) -> String {
    let given = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    given.unwrap_or_else(|| random_uuid(random).to_string())
}

/// Adds `X-Request-Id` to responses.
pub(super) async fn add_header(request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.extensions());
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(context.request_id()) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    response
}
