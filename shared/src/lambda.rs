//! Running a router as a Lambda function behind an API Gateway REST API.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use lambda_http::request::RequestContext;

use crate::http::ClientAddress;

/// Serves `router` until the instance is taken away.
///
/// # Errors
/// When the runtime cannot be reached.
pub async fn serve(router: Router) -> Result<(), lambda_http::Error> {
    lambda_http::run(router.layer(from_fn(note_address))).await
}

/// The client's address is the one that API Gateway saw.
async fn note_address(mut request: Request, next: Next) -> Response {
    let address = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.clone(),
        _ => None,
    };
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}
