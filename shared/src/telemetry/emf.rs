//! Metrics as CloudWatch reads them from standard output, by the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::io::Write;
use std::sync::OnceLock;

use metrics_cloudwatch_embedded::{Builder, Collector};

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Collects the metrics of this process, which is the function `function`, for the namespace that `METRICS_NAMESPACE` names.
pub(crate) fn start(function: &'static str) {
    let namespace = std::env::var("METRICS_NAMESPACE").ok().filter(|name| !name.is_empty());
    let namespace = namespace.unwrap_or_else(|| "SqlStudioSync".to_owned());
    match Builder::new().cloudwatch_namespace(namespace).with_dimension("function", function).init() {
        Ok(collector) => {
            COLLECTOR.set(collector).ok();
            super::describe();
        }
        Err(error) => tracing::error!(%error, "there will be no metrics"),
    }
}

/// Writes what was measured since the last time.
pub(super) fn flush() {
    let Some(collector) = COLLECTOR.get() else { return };
    let mut lines = Vec::new();
    // At once, or lines of the log might come between.
    let written = collector.flush(&mut lines).and_then(|()| std::io::stdout().write_all(&lines));
    if let Err(error) = written {
        tracing::warn!(%error, "metrics were lost");
    }
}
