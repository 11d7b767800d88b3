//! Running a router as a Lambda function behind an API Gateway REST API.

use std::cell::OnceCell;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::CONTENT_ENCODING;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use lambda_extension::{Extension, LambdaEvent, NextEvent, service_fn};
use lambda_http::lambda_runtime::Runtime;
use lambda_http::lambda_runtime::layers::TracingLayer;
use lambda_http::request::RequestContext;
use lambda_http::tower::util::MapFutureLayer;
use lambda_http::{Adapter, Error};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::clock::SystemClock;
use crate::http::{ClientAddress, RequestId};

/// How long before the function's timeout it is left alone, to ask for the next event.
const MARGIN: Duration = Duration::from_secs(1);

/// How often others have their turn before a request that was begun has left.
const SENDING_TURNS: usize = 4;

/// Serves `router` until the instance is taken away.
///
/// # Errors
/// When the runtime cannot be reached.
pub async fn serve(router: Router) -> Result<(), Error> {
    lambda_http::run(router.layer(from_fn(note_gateway))).await
}

/// As [`serve`] what `start` makes: a router, and what is done after each answer, before the instance is frozen. The answer
/// does not wait for that; it has until shortly before the function's own timeout.
///
/// It takes an extension within the process: an instance is frozen when both its function and its extensions ask
/// for the next event
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-invoke>). It is
/// registered while `start` is under way.
///
/// # Errors
/// When the runtime cannot be reached, or `start` fails.
pub async fn serve_then<A: AsyncFn()>(start: impl Future<Output = Result<(Router, A), Error>>) -> Result<(), Error> {
    let (answered, started) = (Notify::new(), OnceCell::<A>::new());
    let after_answer = service_fn(async |event: LambdaEvent| {
        let all = async {
            answered.notified().await;
            if let Some(after) = started.get() {
                after().await;
            }
        };
        if timeout(time_left(&event.next), all).await.is_err() {
            tracing::warn!("what follows an answer was not done in time");
        }
        Ok::<(), Error>(())
    });
    // The name tells extensions apart; this one is alone.
    let extension = Extension::new()
        .with_extension_name("after-answer")
        .with_events(&["INVOKE"])
        .with_events_processor(after_answer);
    let start = async {
        // So that the request to register is on its way first: connecting and sending take a turn each.
        for _ in 0..SENDING_TURNS {
            tokio::task::yield_now().await;
        }
        start.await
    };
    let (extension, (router, after)) = tokio::try_join!(extension.register(), start)?;
    started.set(after).ok();
    // Around the runtime rather than the router: an event that is no request, too, is answered.
    let ring = MapFutureLayer::new(|answer| async {
        let posted = answer.await;
        answered.notify_one();
        posted
    });
    let router = router.layer(from_fn(note_gateway));
    let runtime = Runtime::new(Adapter::from(router)).layer(TracingLayer::new()).layer(ring);
    tokio::try_join!(runtime.run(), extension.run())?;
    Ok(())
}

/// How long there is until shortly before the function times out.
fn time_left(event: &NextEvent) -> Duration {
    let NextEvent::Invoke(event) = event else { return Duration::ZERO };
    SystemClock.until_ms(event.deadline_ms).saturating_sub(MARGIN)
}

/// The client's address, and the request's id, are those that API Gateway knows. What it hands over it has inflated, though
/// the header may still tell how it came.
async fn note_gateway(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(CONTENT_ENCODING);
    let context = request.extensions().get::<RequestContext>();
    if let Some(RequestContext::ApiGatewayV1(context)) = context.cloned() {
        let noted = request.extensions_mut();
        context.identity.source_ip.map(|address| noted.insert(ClientAddress(address)));
        context.request_id.map(|id| noted.insert(RequestId(id)));
    }
    next.run(request).await
}
