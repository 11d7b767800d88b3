use std::backtrace::Backtrace;
use std::fmt;
use std::io::IsTerminal;

use json_subscriber::JsonLayer;
use serde_json::Value;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::registry::LookupSpan;

use super::SPANS;
use crate::clock::{Clock, SystemClock};

/// Filter used if `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info";

/// Value of the field `service` of every line.
const SERVICE: &str = "sql-studio-sync";

/// Fields that the log on a terminal omits, because lines would wrap. JSON has them.
const HIDDEN_ON_TERMINAL: [&str; 4] = ["request_id", "trace_id", "request_bytes", "response_bytes"];

/// Format, filter and destination of the log.
pub struct LogOutput<W> {
    function: &'static str,
    filter: Targets,
    is_terminal: bool,
    writer: W,
}

impl LogOutput<fn() -> std::io::Stderr> {
    /// Returns the log of `function` on standard error: text on a terminal, JSON otherwise. The filter is `RUST_LOG`:
    /// levels or `target=level`, separated by commas; default `info`. From sqlx it admits errors alone unless
    /// `RUST_LOG` names sqlx, since its warnings may contain parts of the database URL.
    ///
    /// Returns also the value of `RUST_LOG` if it is invalid; the filter is `info` then.
    pub(super) fn of(function: &'static str) -> (Self, Option<String>) {
        let variable = std::env::var("RUST_LOG").ok().filter(|value| !value.is_empty());
        let text = variable.as_deref().unwrap_or(DEFAULT_FILTER);
        let sqlx = if text.contains("sqlx") { "" } else { ",sqlx=error" };
        // A lone word that is no level would be taken for a target, and switch off the rest of the log.
        let is_directive = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
        let is_valid = text.split(',').map(str::trim).all(is_directive);
        let filter = format!("{text}{sqlx}").parse::<Targets>().ok().filter(|_| is_valid);
        let invalid = if filter.is_none() { variable } else { None };
        let filter =
            filter.unwrap_or_else(|| Targets::new().with_default(Level::INFO).with_target("sqlx", Level::ERROR));
        let is_terminal = std::io::stderr().is_terminal();
        let output = Self { is_terminal, writer: std::io::stderr, ..Self::json(function, filter, std::io::stderr) };
        (output, invalid)
    }
}

impl<W: for<'a> MakeWriter<'a> + Send + Sync + 'static> LogOutput<W> {
    /// Returns the log of `function` in JSON, written to `writer`.
    pub fn json(function: &'static str, filter: Targets, writer: W) -> Self {
        // The spans pass any filter, so that each line has the fields of its request.
        Self { function, filter: filter.with_target(SPANS, LevelFilter::ERROR), is_terminal: false, writer }
    }

    /// Returns the layer that writes the log.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self) -> Box<dyn Layer<S> + Send + Sync> {
        if self.is_terminal {
            let lines = tracing_subscriber::fmt::layer().compact().with_writer(self.writer).with_target(false);
            let lines = lines.with_timer(TimeOfDay).fmt_fields(debug_fn(write_for_terminal));
            return lines.with_filter(self.filter).boxed();
        }
        // The keys follow Powertools for AWS Lambda
        // (https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#standard-structured-keys); spans and
        // events add their fields.
        let mut lines = JsonLayer::new(self.writer);
        lines.with_level("level").with_timer("timestamp", SystemTime);
        lines.add_static_field("service", Value::from(SERVICE));
        let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| self.function.to_owned());
        lines.add_static_field("function_name", Value::from(name));
        // While two releases serve, each line tells which one wrote it.
        if let Some(release) = super::release() {
            lines.add_static_field("release", Value::from(release));
        }
        lines.with_top_level_flattened_span_list().with_flattened_event();
        lines.with_filter(self.filter).boxed()
    }
}

/// Time of day in UTC, to the second.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        // 2026-01-31T12:00:00.000000Z
        writer.write_str(SystemClock.now().to_string().get(11..19).unwrap_or_default())
    }
}

fn write_for_terminal(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if HIDDEN_ON_TERMINAL.contains(&name) => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    }
}

/// Installs a panic hook that logs the location and backtrace. Omits messages that were formatted at run time: they may
/// quote user data, as the standard library does when a string is sliced inside a character.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let said = panic.payload().downcast_ref::<&'static str>();
        let backtrace = Backtrace::force_capture();
        tracing::error!(event = "panic", said, place, %backtrace, "panic");
    }));
}
