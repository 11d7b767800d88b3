//! What is measured: the whole list, and the only functions that record any of it.
//!
//! On AWS each is a CloudWatch metric with the dimension `function`; the local server shows the same to Prometheus. A metric
//! costs by each combination of its dimensions, so there are three alone (`function`, `route`, `outcome`), whose values are
//! few. Nobody's id is among them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::sync::RejectionCode;

/// How a metric adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is counted.
    Counter,
    /// Each value matters: how many are there, and what are their percentiles?
    Distribution,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it adds up.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// What it tells, and by what besides the function.
    pub about: &'static str,
}

const fn counted(name: &'static str, about: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, about }
}

const fn distributed(name: &'static str, unit: Unit, about: &'static str) -> Metric {
    Metric { name, kind: Kind::Distribution, unit, about }
}

/// All that is measured.
pub const METRICS: [Metric; 27] = [
    counted("requests", "requests, by route and outcome: success, refused (4xx) or failure (5xx)"),
    distributed("request_ms", Unit::Milliseconds, "how long requests took, by route and outcome"),
    counted("rate_limited", "requests that came too often"),
    counted("cold_starts", "instances that were started for a request"),
    counted("active_users", "users on the first request of their day (UTC): its sum over a day is how many there were"),
    distributed("upload_bytes", Unit::Bytes, "the JSON of uploads, decompressed"),
    distributed("upload_changes", Unit::Count, "changes per upload"),
    distributed("upload_conflicts", Unit::Count, "conflicts that an upload met first"),
    counted("conflicts", "conflicts that uploads met first, by strategy (as outcome)"),
    counted("rejected_changes", "changes that were rejected, by code (as outcome)"),
    distributed("postgres_ms", Unit::Milliseconds, "how long calls of the accounts' database took"),
    counted("postgres_errors", "such calls that failed"),
    distributed("libsql_ms", Unit::Milliseconds, "how long calls of the sync data's databases took"),
    counted("libsql_errors", "such calls that failed"),
    distributed("redis_ms", Unit::Milliseconds, "how long calls of the sessions' server took"),
    counted("redis_errors", "such calls that failed"),
    distributed("mail_ms", Unit::Milliseconds, "how long handing a mail over took"),
    counted("mails_sent", "mails that were handed over"),
    counted("mails_postponed", "mails that could not be handed over, and are tried again"),
    counted("mails_given_up", "mails that are not tried any more"),
    counted("mails_dropped", "mails that nobody wants any more"),
    counted("purges", "purges that came to their end"),
    counted("purged_tombstones", "deleted items of which nothing is left"),
    counted("purged_conflicts", "settled conflicts of which nothing is left"),
    counted("purged_expired", "expired sessions and tokens of which nothing is left"),
    counted("purged_accounts", "accounts whose interrupted deletion was finished"),
    counted("spans_lost", "spans of traces that could not be handed over"),
];

/// How many values of distributions are kept for one flush: the format takes 100 of each.
const MAX_VALUES: u32 = 64;
static VALUES: AtomicU32 = AtomicU32::new(0);

/// Tells the process's recorder what the metrics are. It has to be installed already.
pub fn describe() {
    for meter in METRICS {
        match meter.kind {
            Kind::Counter => describe_counter!(meter.name, meter.unit, meter.about),
            Kind::Distribution => describe_histogram!(meter.name, meter.unit, meter.about),
        }
    }
}

/// Counts `many` of the metric `name`.
pub(crate) fn count(name: &'static str, many: u64) {
    counter!(name).increment(many);
}

/// Records a value of the metric `name`.
fn record(name: &'static str, value: f64) {
    histogram!(name).record(value);
    note_value();
}

/// Flushes before more values wait than one flush may tell.
fn note_value() {
    if VALUES.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_VALUES {
        VALUES.store(0, Ordering::Relaxed);
        super::flush_metrics();
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A request came to its end.
pub(crate) fn request(route: &str, status: u16, took: Duration) {
    let outcome = match status {
        ..400 => "success",
        400..500 => "refused",
        _ => "failure",
    };
    let labels = [("route", route.to_owned()), ("outcome", outcome.to_owned())];
    counter!("requests", &labels).increment(1);
    histogram!("request_ms", &labels).record(ms(took));
    note_value();
    if status == 429 {
        count("rate_limited", 1);
    }
}

/// A user came for the first time of their day.
pub(crate) fn active_user() {
    count("active_users", 1);
}

/// What an upload was, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct UploadMetrics<'a> {
    /// Its JSON.
    pub bytes: usize,
    /// Its changes.
    pub changes: usize,
    /// The conflicts that it met first.
    pub conflicts: usize,
    /// The strategy that settled them, or left them open.
    pub strategy: &'static str,
    /// Why changes were rejected, one entry for each.
    pub rejected: &'a [RejectionCode],
}

/// An upload was answered.
#[expect(clippy::cast_precision_loss, reason = "no upload is so large")]
pub fn upload(figures: &UploadMetrics<'_>) {
    record("upload_bytes", figures.bytes as f64);
    record("upload_changes", figures.changes as f64);
    record("upload_conflicts", figures.conflicts as f64);
    counter!("conflicts", "outcome" => figures.strategy).increment(figures.conflicts as u64);
    for code in figures.rejected {
        counter!("rejected_changes", "outcome" => code.to_string()).increment(1);
    }
}

/// A call that left the process came to its end: the names of its two metrics are `latency` and, if it failed, `errors`.
pub(crate) fn call(latency: &'static str, errors: Option<&'static str>, took: Duration) {
    record(latency, ms(took));
    if let Some(errors) = errors {
        count(errors, 1);
    }
}

/// A purge came to its end.
pub fn purge(tombstones: u64, conflicts: u64, expired: u64, accounts: u64) {
    count("purges", 1);
    count("purged_tombstones", tombstones);
    count("purged_conflicts", conflicts);
    count("purged_expired", expired);
    count("purged_accounts", accounts);
}
