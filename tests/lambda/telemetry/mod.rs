//! Telemetry of the functions: metrics, logs, traces and error reports, none of which contains a secret.

mod captured;
mod emf;
mod error_reports;
mod logs;
mod traces;
