//! What the service tells of itself: log lines, metrics, traces, and errors to Sentry.
//!
//! All of it is handed over by [`flush`], which a Lambda function calls after each answer, before it is frozen, and the local
//! server every few seconds. None of it holds a secret, a mail address, the text of a query or where a database is; users
//! are named by [`pseudonym`].

mod call;
#[cfg(feature = "lambda")]
pub(crate) mod emf;
mod log;
mod metrics;
mod pseudonym;
mod security;
mod sentry;
mod traces;

use std::time::Duration;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use call::decision_span;
pub(crate) use call::{CallError, Dependency, instrumented};
pub use log::LogOutput;
pub use metrics::{Kind, METRICS, Metric, UploadMetrics, describe, purge, upload};
pub(crate) use metrics::{active_user, count, request};
pub use pseudonym::{device, pseudonym, set_pseudonym_key};
pub use security::SecurityEvent;
pub use sentry::{SentryError, report_errors_to};
#[cfg(feature = "lambda")]
pub(crate) use traces::continue_xray;
pub(crate) use traces::{continue_trace, finish};

/// The target of the spans that make traces, and whose fields stand on every log line within them.
pub const SPANS: &str = "sql_studio_sync";

/// How long handing over may take: what a slow collector costs a Lambda function, after the answer.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// Starts logging to standard error, and tracing where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to. `function` is what this
/// process is called.
pub fn start(function: &'static str) {
    let spans = filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS);
    let traces = traces::layer(function).map(|layer| layer.with_filter(spans));
    tracing_subscriber::registry()
        .with(traces)
        .with(sentry::layer(function))
        .with(LogOutput::of(function).layer())
        .init();
    log::log_panics();
}

/// Hands over what waits to be: metrics, spans, reports of errors. It takes two seconds at most; what cannot be handed over in
/// that time is lost.
pub async fn flush() {
    flush_metrics();
    tokio::join!(traces::flush(), sentry::flush());
    // What of these was lost.
    flush_metrics();
}

/// Writes the metrics, where they are written.
fn flush_metrics() {
    #[cfg(feature = "lambda")]
    emf::flush();
}
