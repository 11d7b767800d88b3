//! The list of all metrics, and the only functions that record them.
//!
//! On AWS each is a CloudWatch metric with the dimension `function`; the local server exposes them to Prometheus.
//! CloudWatch charges per combination of dimension values, so there are three dimensions (`function`, `route`,
//! `outcome`) with few values each. No dimension identifies a user.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::sync::RejectionCode;

/// Type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum.
    Counter,
    /// A histogram, for percentiles.
    Distribution,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Name of the metric.
    pub name: &'static str,
    /// Type of the metric.
    pub kind: MetricKind,
    /// Unit of its values.
    pub unit: Unit,
    /// Meaning of its values, and dimensions other than `function`.
    pub description: &'static str,
}

const fn counter(name: &'static str, description: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, unit: Unit::Count, description }
}

const fn distribution(name: &'static str, unit: Unit, description: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Distribution, unit, description }
}

/// All metrics.
pub const METRICS: [Metric; 29] = [
    counter("requests", "requests, by route and outcome: success, refused (4xx) or failure (5xx)"),
    distribution("request_ms", Unit::Milliseconds, "duration of requests, by route and outcome"),
    counter("rate_limited", "requests refused with 429"),
    counter("failed_requests", "requests that failed with 5xx, of all routes of a function"),
    counter("cold_starts", "function instances started"),
    counter("active_users", "first requests of a user on a day (UTC); summed over a day, the daily active users"),
    distribution("upload_bytes", Unit::Bytes, "size of the JSON of an upload, decompressed"),
    distribution("upload_changes", Unit::Count, "changes per upload"),
    distribution("upload_conflicts", Unit::Count, "conflicts first detected by an upload, per upload"),
    counter("conflicts", "conflicts first detected by an upload, by strategy (as outcome)"),
    counter("rejected_changes", "rejected changes, by rejection code (as outcome)"),
    distribution("postgres_ms", Unit::Milliseconds, "duration of calls to PostgreSQL (accounts)"),
    counter("postgres_errors", "failed calls to PostgreSQL (accounts)"),
    distribution("libsql_ms", Unit::Milliseconds, "duration of calls to libSQL (sync data)"),
    counter("libsql_errors", "failed calls to libSQL (sync data)"),
    distribution("redis_ms", Unit::Milliseconds, "duration of calls to Redis (sessions)"),
    counter("redis_errors", "failed calls to Redis (sessions)"),
    distribution("mail_ms", Unit::Milliseconds, "duration of calls to the email provider"),
    counter("mails_sent", "emails accepted by the email provider"),
    counter("mails_postponed", "failed attempts to send an email that will be retried"),
    counter("mails_given_up", "emails that could not be sent and will not be retried"),
    counter("mails_dropped", "emails not sent: no longer needed, or too many for the mailbox"),
    counter("breach_check_failures", "new passwords that could not be looked up in the list of breached ones"),
    counter("purges", "completed purges"),
    counter("purged_tombstones", "tombstones removed by purges"),
    counter("purged_conflicts", "resolved conflicts removed by purges"),
    counter("purged_expired", "expired sessions and tokens removed by purges"),
    counter("purged_accounts", "interrupted account deletions completed by purges"),
    counter("spans_lost", "trace spans that could not be exported"),
];

/// Number of values after which the metrics are flushed. The embedded metric format allows 100 values per metric.
const MAX_PENDING_VALUES: u32 = 64;
static PENDING_VALUES: AtomicU32 = AtomicU32::new(0);

/// Describes the metrics to the recorder of the process, which must be installed already.
pub fn describe() {
    for Metric { name, kind, unit, description } in METRICS {
        match kind {
            MetricKind::Counter => describe_counter!(name, unit, description),
            MetricKind::Distribution => describe_histogram!(name, unit, description),
        }
    }
}

/// Adds `amount` to the counter `name`.
pub(crate) fn count(name: &'static str, amount: u64) {
    counter!(name).increment(amount);
}

/// Records a value of the distribution `name`.
fn record(name: &'static str, value: f64) {
    histogram!(name).record(value);
    flush_if_full();
}

/// Counts a pending value, and flushes the metrics when there are [`MAX_PENDING_VALUES`].
fn flush_if_full() {
    if PENDING_VALUES.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_PENDING_VALUES {
        PENDING_VALUES.store(0, Ordering::Relaxed);
        super::flush_metrics();
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Records a completed request.
pub(crate) fn request(route: &str, status: u16, duration: Duration) {
    let outcome = match status {
        ..400 => "success",
        400..500 => "refused",
        _ => "failure",
    };
    let labels = [("route", route.to_owned()), ("outcome", outcome.to_owned())];
    counter!("requests", &labels).increment(1);
    histogram!("request_ms", &labels).record(ms(duration));
    flush_if_full();
    match status {
        429 => count("rate_limited", 1),
        500.. => count("failed_requests", 1),
        _ => {}
    }
}

/// Records the first request of a user on a day.
pub(crate) fn active_user() {
    count("active_users", 1);
}

/// Figures of an upload.
#[derive(Debug, Clone, Copy)]
pub struct UploadMetrics<'a> {
    /// Size of its JSON, decompressed.
    pub bytes: usize,
    /// Number of changes.
    pub changes: usize,
    /// Number of conflicts that it was the first to detect.
    pub conflicts: usize,
    /// Name of the strategy applied to the conflicts.
    pub strategy: &'static str,
    /// Rejection codes, one for each rejected change.
    pub rejected: &'a [RejectionCode],
}

/// Records an upload.
#[expect(clippy::cast_precision_loss, reason = "uploads are far smaller than 2^52")]
pub fn upload(figures: &UploadMetrics<'_>) {
    record("upload_bytes", figures.bytes as f64);
    record("upload_changes", figures.changes as f64);
    record("upload_conflicts", figures.conflicts as f64);
    counter!("conflicts", "outcome" => figures.strategy).increment(figures.conflicts as u64);
    for code in figures.rejected {
        counter!("rejected_changes", "outcome" => code.to_string()).increment(1);
    }
}

/// Records a call to a dependency in the distribution `latency` and, if it failed, in the counter `errors`.
pub(crate) fn call(latency: &'static str, errors: Option<&'static str>, duration: Duration) {
    record(latency, ms(duration));
    if let Some(errors) = errors {
        count(errors, 1);
    }
}

/// Records a completed purge.
pub fn purge(tombstones: u64, conflicts: u64, expired: u64, accounts: u64) {
    count("purges", 1);
    count("purged_tombstones", tombstones);
    count("purged_conflicts", conflicts);
    count("purged_expired", expired);
    count("purged_accounts", accounts);
}
