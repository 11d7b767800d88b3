//! Email by Resend (<https://resend.com/docs/api-reference/emails/send-email>).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Email, EmailError, Mailer};
use crate::clock::{Random, random_bytes};
use crate::config::ResendConfig;
use crate::http_client;
use crate::secret::RotatingSecret;

/// Deadline of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// Deadline of all attempts, within a request of 25 s.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Up to two retries. Jitter makes each pause up to twice as long: 200 ms to 400 ms before the first.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(1))
    .with_max_times(2)
    .with_jitter();

/// Delivers emails by Resend.
pub struct Resend {
    client: Client,
    emails: String,
    key: RotatingSecret,
    from: String,
    random: Arc<dyn Random>,
}

/// Response to an accepted email.
#[derive(Deserialize)]
struct Accepted {
    id: String,
}

/// Response to a refused email. Its message may contain the address and is not read.
#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    name: String,
}

/// Error of one attempt.
struct AttemptError {
    error: EmailError,
    /// Whether the next attempt may succeed.
    is_retryable: bool,
    /// Minimum pause before the next attempt, as the server requested.
    retry_after: Duration,
    /// Whether the key was refused.
    is_unauthorized: bool,
}

impl AttemptError {
    fn retryable(reason: impl Into<String>) -> Self {
        Self { is_retryable: true, ..Self::permanent(EmailError::Unavailable(reason.into())) }
    }

    fn permanent(error: EmailError) -> Self {
        Self { error, is_retryable: false, retry_after: Duration::ZERO, is_unauthorized: false }
    }
}

impl Resend {
    /// Delivers by the account of `config`.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(config: &ResendConfig, random: Arc<dyn Random>) -> reqwest::Result<Self> {
        let ResendConfig { key, from, url } = config.clone();
        Ok(Self { client: http_client::new()?, emails: format!("{url}/emails"), key, from, random })
    }

    /// Sends the email once, and returns Resend's id for it. Looks for a newer key if the key is refused.
    async fn attempt(&self, body: Bytes, idempotency_key: &str, deadline: Instant) -> Result<String, AttemptError> {
        let key = self.key.get();
        let sent = timeout_at(deadline, self.post(&key, body, idempotency_key)).await;
        let mut error = match sent.unwrap_or_else(|_| Err(AttemptError::retryable("no response in time"))) {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        if error.is_unauthorized && self.key.replacement_for(&key).await.is_some() {
            error.is_retryable = true;
        }
        Err(error)
    }

    async fn post(&self, key: &SecretString, body: Bytes, idempotency_key: &str) -> Result<String, AttemptError> {
        let request = self.client.post(&self.emails).bearer_auth(key.expose_secret()).body(body);
        let request = request.header(CONTENT_TYPE, "application/json").header("Idempotency-Key", idempotency_key);
        let disconnected = |error| AttemptError::retryable(http_client::describe(error));
        let response = request.send().await.map_err(disconnected)?;
        if !response.status().is_success() {
            return Err(http_error(response).await);
        }
        let body = response.bytes().await.map_err(disconnected)?;
        let accepted: Accepted =
            serde_json::from_slice(&body).map_err(|_| AttemptError::retryable("malformed response"))?;
        Ok(accepted.id)
    }
}

/// Classifies an error response. Retryable: 429, 5xx, and a repeat that arrived while the first request was in progress. A
/// refused key or sender needs an operator; the email waits in the outbox until then. All others are permanent.
async fn http_error(response: Response) -> AttemptError {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let refusal: Refusal =
        response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
    let reason = format!("HTTP {} {}", status.as_u16(), refusal.name);
    let is_retryable = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || refusal.name == "concurrent_idempotent_requests";
    if is_retryable {
        let retry_after = Duration::from_secs(retry_after.unwrap_or(0));
        return AttemptError { retry_after, ..AttemptError::retryable(reason) };
    }
    let is_unauthorized = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let error = if is_unauthorized { EmailError::Unavailable(reason) } else { EmailError::Refused(reason) };
    AttemptError { is_unauthorized, ..AttemptError::permanent(error) }
}

#[async_trait]
impl Mailer for Resend {
    async fn send(&self, email: &Email) -> Result<(), EmailError> {
        let body = json!({
            "from": self.from,
            "to": [email.to.as_str()],
            "subject": email.subject,
            "html": email.html,
            "text": email.text,
        });
        let body = Bytes::from(body.to_string());
        let deadline = Instant::now() + TOTAL_TIMEOUT;
        let attempt =
            || self.attempt(body.clone(), &email.idempotency_key, deadline.min(Instant::now() + ATTEMPT_TIMEOUT));
        let id = attempt
            .retry(BACKOFF.with_jitter_seed(u64::from_le_bytes(random_bytes(&*self.random))))
            .when(|error| error.is_retryable)
            .adjust(|error, pause| {
                let pause = pause?.max(error.retry_after);
                (pause < deadline.saturating_duration_since(Instant::now())).then_some(pause)
            })
            .notify(|error, _| tracing::warn!(error = %error.error, "email request failed, retrying"))
            .await
            .map_err(|error| error.error)?;
        tracing::info!(provider_id = id, "email sent");
        Ok(())
    }
}
