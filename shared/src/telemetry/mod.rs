//! Telemetry: log lines, metrics, traces, and error reports to Sentry.
//!
//! [`flush`] exports all of it but the log. A Lambda function calls it after each response, before it is frozen; the
//! local server calls it every few seconds. Telemetry contains no secrets, email addresses, query texts or database
//! addresses. Users appear as [`pseudonym`]s.

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
pub use metrics::{METRICS, Metric, MetricKind, UploadMetrics, describe, purge, upload};
pub(crate) use metrics::{active_user, count, request};
pub use pseudonym::{address, device, pseudonym, set_pseudonym_key};
pub use security::{SecurityEvent, credentials_refused};
pub use sentry::{SentryError, report_errors_to};
#[cfg(feature = "lambda")]
pub(crate) use traces::continue_xray;
pub(crate) use traces::{continue_trace, finish};

/// Target of the spans that become trace spans, and whose fields are added to every log line within them.
pub const SPANS: &str = "sql_studio_sync";

/// Deadline of an export. Bounds the time that a slow collector costs a Lambda function after each response.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// Starts logging to standard error, and exporting traces if `OTEL_EXPORTER_OTLP_ENDPOINT` is set. `function` is the
/// name of this process in telemetry.
pub fn start(function: &'static str) {
    let spans = filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS);
    let traces = traces::layer(function).map(|layer| layer.with_filter(spans));
    let (log, invalid_filter) = LogOutput::of(function);
    tracing_subscriber::registry().with(traces).with(sentry::layer(function)).with(log.layer()).init();
    log::log_panics();
    if let Some(value) = invalid_filter {
        tracing::warn!("RUST_LOG is {value:?}, but must be a level or target=level, separated by commas; using info");
    }
}

/// Returns the release that runs in this process: `RELEASE`, which a deployment sets; `None` if it is not set.
fn release() -> Option<String> {
    std::env::var("RELEASE").ok().filter(|release| !release.is_empty())
}

/// As [`release`], but the version of the code where none is set.
fn release_or_version() -> String {
    release().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned())
}

/// Exports pending metrics, spans and error reports. Takes two seconds at most; data that cannot be exported by then is
/// lost.
pub async fn flush() {
    flush_metrics();
    tokio::join!(traces::flush(), sentry::flush());
    // Counts the spans that were lost just now.
    flush_metrics();
}

/// Writes pending metrics. Does nothing in the local server, whose metrics are scraped.
fn flush_metrics() {
    #[cfg(feature = "lambda")]
    emf::flush();
}
