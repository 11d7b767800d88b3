//! Metrics for CloudWatch, written to standard output in the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::io::Write;
use std::sync::OnceLock;

use metrics_cloudwatch_embedded::{Builder, Collector};

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Starts to collect the metrics of this process, the function `function`, in the namespace `METRICS_NAMESPACE`.
pub(crate) fn start(function: &'static str) {
    let namespace = std::env::var("METRICS_NAMESPACE").ok().filter(|name| !name.is_empty());
    let namespace = namespace.unwrap_or_else(|| "SqlStudioSync".to_owned());
    match Builder::new().cloudwatch_namespace(namespace).with_dimension("function", function).init() {
        Ok(collector) => {
            COLLECTOR.set(collector).ok();
            super::describe();
        }
        Err(error) => tracing::error!(%error, "metrics disabled"),
    }
}

/// Writes the values recorded since the last call.
pub(super) fn flush() {
    let Some(collector) = COLLECTOR.get() else { return };
    let mut lines = Vec::new();
    // A single write, so that log lines cannot interleave.
    let written = collector.flush(&mut lines).and_then(|()| std::io::stdout().write_all(&lines));
    if let Err(error) = written {
        tracing::warn!(%error, "metrics lost");
    }
}
