use std::backtrace::Backtrace;
use std::io::IsTerminal;

use json_subscriber::JsonLayer;
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::registry::LookupSpan;

use super::SPANS;

/// Filter used if `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info";

/// Value of the field `service` of every line.
const SERVICE: &str = "sql-studio-sync";

/// Format, filter and destination of the log.
pub struct LogOutput<W> {
    function: &'static str,
    filter: Targets,
    is_pretty: bool,
    writer: W,
}

impl LogOutput<fn() -> std::io::Stderr> {
    /// Returns the log of `function` on standard error: text on a terminal, JSON otherwise. The filter is `RUST_LOG`:
    /// levels or `target=level`, separated by commas; default `info`. From sqlx it admits errors alone unless
    /// `RUST_LOG` names sqlx, since its warnings may contain parts of the database URL.
    pub(super) fn of(function: &'static str) -> Self {
        let mut filter = std::env::var("RUST_LOG").unwrap_or_else(|_| DEFAULT_FILTER.to_owned());
        if !filter.contains("sqlx") {
            filter.push_str(",sqlx=error");
        }
        let filter: Targets = filter
            .parse()
            .unwrap_or_else(|_| Targets::new().with_default(Level::INFO).with_target("sqlx", Level::ERROR));
        Self {
            is_pretty: std::io::stderr().is_terminal(),
            writer: std::io::stderr,
            ..Self::json(function, filter, std::io::stderr)
        }
    }
}

impl<W: for<'a> MakeWriter<'a> + Send + Sync + 'static> LogOutput<W> {
    /// Returns the log of `function` in JSON, written to `writer`.
    pub fn json(function: &'static str, filter: Targets, writer: W) -> Self {
        // The spans pass any filter, so that each line has the fields of its request.
        Self { function, filter: filter.with_target(SPANS, LevelFilter::ERROR), is_pretty: false, writer }
    }

    /// Returns the layer that writes the log.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self) -> Box<dyn Layer<S> + Send + Sync> {
        if self.is_pretty {
            let lines = tracing_subscriber::fmt::layer().with_writer(self.writer).with_target(false);
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
        lines.with_top_level_flattened_span_list().with_flattened_event();
        lines.with_filter(self.filter).boxed()
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
