//! Running a router as a Lambda function behind an API Gateway REST API.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use lambda_extension::{Extension, LambdaEvent, service_fn};
use lambda_http::request::RequestContext;
use tokio::sync::Notify;

use crate::http::ClientAddress;

/// Serves `router` until the instance is taken away.
///
/// # Errors
/// When the runtime cannot be reached.
pub async fn serve(router: Router) -> Result<(), lambda_http::Error> {
    lambda_http::run(router.layer(from_fn(note_address))).await
}

/// As [`serve`], and does `after` after each answer, before the instance is frozen. The answer does not wait for it.
///
/// It takes an extension within the process for that: an instance is frozen when both its function and its extensions ask
/// for the next event
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-invoke>).
///
/// # Errors
/// When the runtime cannot be reached.
pub async fn serve_then<F: Future<Output = ()>>(
    router: Router,
    after: impl Fn() -> F,
) -> Result<(), lambda_http::Error> {
    let answered = Arc::new(Notify::new());
    let bell = answered.clone();
    let router = router.layer(from_fn(move |request: Request, next: Next| {
        let bell = bell.clone();
        async move {
            let response = next.run(request).await;
            bell.notify_one();
            response
        }
    }));
    let after_answer = service_fn(async |_: LambdaEvent| {
        answered.notified().await;
        after().await;
        Ok::<(), lambda_extension::Error>(())
    });
    // The name tells extensions apart; this one is alone.
    let extension = Extension::new()
        .with_extension_name("after-answer")
        .with_events(&["INVOKE"])
        .with_events_processor(after_answer);
    let extension = extension.register().await?;
    tokio::try_join!(serve(router), extension.run())?;
    Ok(())
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
