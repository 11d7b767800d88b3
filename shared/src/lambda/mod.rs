//! The Lambda runtime: serves a router behind an API Gateway REST API, or handles events.

pub mod custom_resource;
#[cfg(feature = "secrets")]
mod settings;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::CONTENT_ENCODING;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use lambda_http::lambda_runtime::{LambdaInvocation, Runtime};
use lambda_http::request::RequestContext;
use lambda_http::tower::{Service, layer::layer_fn};
use lambda_http::{Adapter, Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;
use tracing::{Instrument, Span, error_span, field};

#[cfg(feature = "secrets")]
pub use settings::env;
#[cfg(feature = "parameters")]
pub use settings::env_with_public_url;

use crate::clock::SystemClock;
use crate::http::{ClientAddress, RequestId};
use crate::telemetry::{self, SPANS};

/// Time before the function's timeout at which work after a response is abandoned, to request the next event.
const MARGIN: Duration = Duration::from_secs(1);

/// Whether this process has not handled an event yet.
static COLD: AtomicBool = AtomicBool::new(true);

/// Starts logs, traces and metrics of the function `name`.
pub fn start(name: &'static str) {
    telemetry::start(name);
    telemetry::emf::start(name);
}

/// Serves `router` until Lambda ends the instance.
///
/// # Errors
/// When the runtime cannot be reached.
pub async fn serve(router: Router) -> Result<(), Error> {
    serve_then(router, async || {}).await
}

/// Serves `router`, and runs `after` after each response. The client does not wait for it: Lambda forwards a response when it is
/// posted (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-response>), and freezes the instance when
/// it requests the next event. `after` is abandoned shortly before the function's timeout.
///
/// # Errors
/// When the runtime cannot be reached.
pub async fn serve_then(router: Router, after: impl AsyncFn() + 'static) -> Result<(), Error> {
    run(Runtime::new(Adapter::from(router.layer(from_fn(record_gateway_context)))), after).await
}

/// Handles events until Lambda ends the instance.
///
/// # Errors
/// When the runtime cannot be reached.
pub async fn handle<T: Serialize + 'static>(
    handle: impl AsyncFn(LambdaEvent<Value>) -> Result<T, Error> + 'static,
) -> Result<(), Error> {
    let handle = Rc::new(handle);
    let service = service_fn(move |event| {
        let handle = Rc::clone(&handle);
        async move { handle(event).await }
    });
    run(Runtime::new(service), async || {}).await
}

async fn run<S>(runtime: Runtime<S>, after: impl AsyncFn() + 'static) -> Result<(), Error>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: 'static,
{
    let after = Rc::new(after);
    runtime.layer(layer_fn(|inner| InvocationService { inner, after: Rc::clone(&after) })).run().await
}

/// The runtime's service, which posts a response, followed by the function's own work and the export of telemetry. The instance
/// is frozen after that, perhaps for ever.
struct InvocationService<S, A> {
    inner: S,
    after: Rc<A>,
}

impl<S, A> Service<LambdaInvocation> for InvocationService<S, A>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: 'static,
    A: AsyncFn() + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let (span, deadline) = (span(&invocation), invocation.context.deadline);
        let response = span.in_scope(|| self.inner.call(invocation));
        let after = Rc::clone(&self.after);
        Box::pin(async move {
            let posted = async {
                let posted = response.await;
                let left = SystemClock.until_ms(deadline).saturating_sub(MARGIN);
                if timeout(left, after()).await.is_err() {
                    tracing::warn!("work after the response timed out");
                }
                posted
            };
            let posted = posted.instrument(span).await;
            telemetry::flush().await;
            posted
        })
    }
}

/// Span of an invocation. Its fields are on every log line, with the names of Powertools for AWS Lambda.
fn span(invocation: &LambdaInvocation) -> Span {
    let context = &invocation.context;
    let cold_start = COLD.swap(false, Ordering::Relaxed);
    if cold_start {
        telemetry::count("cold_starts", 1);
    }
    let span = error_span!(
        target: SPANS, "invocation", function_request_id = context.request_id, cold_start,
        xray_trace_id = field::Empty, trace_id = field::Empty,
    );
    if let Some(header) = &context.xray_trace_id {
        let root = header.split(';').find_map(|part| part.strip_prefix("Root="));
        span.record("xray_trace_id", root);
        span.record("trace_id", telemetry::continue_xray(&span, header));
    }
    span
}

/// Takes the client's address and the request id from API Gateway's context. Removes `Content-Encoding`, because API Gateway has
/// decompressed the body.
async fn record_gateway_context(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(CONTENT_ENCODING);
    let context = request.extensions().get::<RequestContext>();
    if let Some(RequestContext::ApiGatewayV1(context)) = context.cloned() {
        let extensions = request.extensions_mut();
        context.identity.source_ip.map(|address| extensions.insert(ClientAddress(address)));
        context.request_id.map(|id| extensions.insert(RequestId(id)));
    }
    next.run(request).await
}
