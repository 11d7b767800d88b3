//! Checks of a deployment that a client can make: over HTTP, without access to its stores. They leave no account behind.

mod account;
mod read_only;
mod sessions;
mod two_devices;
mod uploads;

use std::env;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

pub use account::TemporaryAccount;
use sessions::sessions_end;
use two_devices::two_devices_resolve_a_conflict;

use crate::Api;

/// Deadline of a request with its response. API Gateway answers within 29 s; the rest is for the transfer of a large body.
const DEADLINE: Duration = Duration::from_secs(60);

/// Service under test.
pub struct Deployment {
    /// Transport to the service, with the API key if there is one.
    pub api: Api,
    /// Transport without an API key, if API Gateway requires one.
    pub without_key: Option<Api>,
    /// Origin that may call the API, if it is known.
    pub origin: Option<String>,
}

impl Deployment {
    /// Service at the base URL `base`. API Gateway is in front of it if there is a `key`.
    ///
    /// # Panics
    /// If `key` cannot be the value of a header.
    pub fn at(base: &str, key: Option<&SecretString>, origin: Option<String>) -> Self {
        let base = base.trim_end_matches('/');
        Self { api: transport(base, key), without_key: key.map(|_| transport(base, None)), origin }
    }

    /// Service that the environment names: `SERVICE_URL`, `API_KEY` for a service behind API Gateway, and `CORS_ORIGIN`, an origin that may
    /// call the API. `None` without `SERVICE_URL`.
    pub fn from_env() -> Option<Self> {
        let setting = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let key = setting("API_KEY").map(SecretString::from);
        Some(Self::at(&setting("SERVICE_URL")?, key.as_ref(), setting("CORS_ORIGIN")))
    }

    /// Makes all checks.
    ///
    /// # Panics
    /// If one fails.
    pub async fn check(&self) {
        self.check_read_only().await;
        self.check_with_account().await;
    }

    /// Makes the checks that change nothing.
    ///
    /// # Panics
    /// If one fails.
    pub async fn check_read_only(&self) {
        read_only::is_healthy(self).await;
        read_only::describes_itself(self).await;
        read_only::answers_preflight_requests(self).await;
        read_only::rejects_unknown_routes(self).await;
        read_only::requires_the_api_key(self).await;
    }

    /// Makes the checks that need an account.
    ///
    /// # Panics
    /// If one fails.
    pub async fn check_with_account(&self) {
        TemporaryAccount::with(&self.api, async |account| {
            two_devices_resolve_a_conflict(&account.user).await;
            uploads::accepts_gzip(&account.user).await;
            uploads::accepts_five_megabytes(&account.user).await;
            uploads::rejects_too_much(self, &account.user).await;
            sessions_end(account).await;
        })
        .await;
    }
}

fn transport(base: &str, key: Option<&SecretString>) -> Api {
    shared::root_certificates::install_crypto_provider();
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let mut value = HeaderValue::from_str(key.expose_secret()).expect("an API key is a header value");
        value.set_sensitive(true);
        headers.insert("x-api-key", value);
    }
    let client = reqwest::Client::builder().timeout(DEADLINE).default_headers(headers);
    Api::Http(client.build().expect("an HTTP client can be created"), base.to_owned())
}
