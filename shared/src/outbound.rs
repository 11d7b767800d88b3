//! Requests to others over HTTP.

use std::time::Duration;

use reqwest::Client;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long data may stay unacknowledged: what a connection that died while the function was frozen costs.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(2);

/// Shorter than the 350 s after which AWS's NAT gateway forgets a connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A client with connections of its own. How long a whole request may take is up to who makes it.
///
/// # Errors
/// When the settings contradict each other.
pub fn client() -> Result<Client, String> {
    let client = Client::builder().tls_backend_preconfigured(crate::trust::client_config());
    let client = client.connect_timeout(CONNECT_TIMEOUT).pool_idle_timeout(IDLE_TIMEOUT).no_proxy();
    #[cfg(target_os = "linux")]
    let client = client.tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
    client.build().map_err(|error| error.to_string())
}

/// What went wrong with a request, for the log: with its causes, and without the address, which is nobody's business.
pub fn describe(error: reqwest::Error) -> String {
    crate::telemetry::chain(&error.without_url())
}
