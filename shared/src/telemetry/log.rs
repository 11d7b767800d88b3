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

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT: &str = "info";

/// What every line names as the service.
const SERVICE: &str = "sql-studio-sync";

/// How log lines look, and which there are.
pub struct LogOutput<W> {
    function: &'static str,
    filter: Targets,
    is_pretty: bool,
    writer: W,
}

impl LogOutput<fn() -> std::io::Stderr> {
    /// Those of `function` on standard error: readable on a terminal, JSON otherwise, at the level of `RUST_LOG`. That is a
    /// level, or `target=level` for parts, separated by commas; default `info`. Of sqlx errors alone unless it is named, for
    /// what it warns of may be a part of the database's URL.
    pub(super) fn of(function: &'static str) -> Self {
        let mut filter = std::env::var("RUST_LOG").unwrap_or_else(|_| DEFAULT.to_owned());
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
    /// LogOutput of `function` in JSON to `writer`.
    pub fn json(function: &'static str, filter: Targets, writer: W) -> Self {
        // Whatever is logged, it is known of which request.
        Self { function, filter: filter.with_target(SPANS, LevelFilter::ERROR), is_pretty: false, writer }
    }

    /// The layer that writes them.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self) -> Box<dyn Layer<S> + Send + Sync> {
        if self.is_pretty {
            let lines = tracing_subscriber::fmt::layer().with_writer(self.writer).with_target(false);
            return lines.with_filter(self.filter).boxed();
        }
        // The keys are those of Powertools for AWS Lambda
        // (https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#standard-structured-keys), and those that
        // spans and events add.
        let mut lines = JsonLayer::new(self.writer);
        lines.with_level("level").with_timer("timestamp", SystemTime);
        lines.add_static_field("service", Value::from(SERVICE));
        let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| self.function.to_owned());
        lines.add_static_field("function_name", Value::from(name));
        lines.with_top_level_flattened_span_list().with_flattened_event();
        lines.with_filter(self.filter).boxed()
    }
}

/// Logs panics where they happen, with the way there. What one says that was put together at run time is left out: it may
/// quote what a user sent, as the standard library does when a text is cut inside a character.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let said = panic.payload().downcast_ref::<&'static str>();
        let backtrace = Backtrace::force_capture();
        tracing::error!(event = "panic", said, place, %backtrace, "panic");
    }));
}
