use secrecy::SecretString;

use super::Env;

/// Destination of error reports.
///
/// Logs, metrics and traces start before a secret can be read: their variables (`RUST_LOG`, `METRICS_NAMESPACE`, `OTEL_…`) are
/// read by [`crate::telemetry`] itself.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// `SENTRY_DSN`: the Sentry project that receives errors. By default errors are only logged.
    pub sentry_dsn: Option<SecretString>,
}

impl TelemetryConfig {
    /// Reads the setting.
    pub fn from_env(env: &Env) -> Self {
        Self { sentry_dsn: env.secret("SENTRY_DSN") }
    }
}
