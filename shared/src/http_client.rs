//! The HTTP client for outgoing requests.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

use crate::{error_text, root_certificates};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest time that sent data may stay unacknowledged. Bounds the delay caused by a connection that died while the
/// function was frozen.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(2);

/// Shorter than the 350 s after which an AWS NAT gateway drops an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns a client with a connection pool of its own. It sets no deadline for a whole request; callers do. It follows no redirects: they
/// could lead requests, and the secrets in them, to another host.
///
/// # Errors
/// If the client cannot be built.
pub fn new() -> reqwest::Result<Client> {
    let client = Client::builder().tls_backend_preconfigured(root_certificates::client_config());
    let client = client.connect_timeout(CONNECT_TIMEOUT).pool_idle_timeout(IDLE_TIMEOUT).no_proxy();
    let client = client.redirect(Policy::none());
    #[cfg(target_os = "linux")]
    let client = client.tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
    client.build()
}

/// Returns the text of `error` and its causes for the log, without the URL, which may hold credentials.
pub fn describe(error: reqwest::Error) -> String {
    error_text::chain(&error.without_url())
}
