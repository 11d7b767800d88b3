//! Where log lines go: readable on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT: &str = "info";

/// Starts logging to standard error, at the level of `RUST_LOG`: a level, or `target=level` for parts, separated by commas;
/// default `info`. Of sqlx errors alone unless it is named, for what it warns of may be a part of the database's URL.
pub fn start() {
    let mut filter = std::env::var("RUST_LOG").unwrap_or_else(|_| DEFAULT.to_owned());
    if !filter.contains("sqlx") {
        filter.push_str(",sqlx=error");
    }
    let filter: Targets =
        filter.parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO).with_target("sqlx", Level::ERROR));
    let lines = layer().with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    } else {
        tracing_subscriber::registry().with(lines.json().flatten_event(true).with_filter(filter)).init();
    }
}
