//! Mail by Resend (<https://resend.com/docs/api-reference/emails/send-email>).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{Mail, MailError, Mailer};
use crate::backoff::{Attempts, Backoff};
use crate::clock::Random;
use crate::http_client;
use crate::secret::RotatingSecret;

const ATTEMPTS: u32 = 3;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long all attempts may take, within a request of 25 s.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(400), longest: Duration::from_secs(2) };

/// Delivers mails by Resend.
pub struct Resend {
    client: Client,
    emails: String,
    key: RotatingSecret,
    from: String,
    random: Arc<dyn Random>,
}

/// What Resend answers to a mail that it takes.
#[derive(Deserialize)]
struct Taken {
    id: String,
}

/// What Resend answers to one that it does not take. Its message may show the address, and is not read.
#[derive(Deserialize, Default)]
struct InvalidChange {
    #[serde(default)]
    name: String,
}

/// Why an attempt failed.
struct AttemptError {
    error: MailError,
    /// How long to wait before the next attempt, at least; `None` where another would fare no better for now.
    wait: Option<Duration>,
    /// Whether the key was refused.
    unauthorized: bool,
}

impl Resend {
    /// Resend at the base URL `url`, for whoever holds `key`; `from` stands in the mails, as `Name <address>`.
    ///
    /// # Errors
    /// When there can be no client.
    pub fn new(url: &str, key: RotatingSecret, from: String, random: Arc<dyn Random>) -> Result<Self, String> {
        let emails = format!("{}/emails", url.trim_end_matches('/'));
        Ok(Self { client: http_client::new()?, emails, key, from, random })
    }

    async fn attempt(&self, key: &SecretString, body: Bytes, idempotency_key: &str) -> Result<String, AttemptError> {
        let request = self.client.post(&self.emails).bearer_auth(key.expose_secret()).body(body);
        let request = request.header(CONTENT_TYPE, "application/json").header("Idempotency-Key", idempotency_key);
        let response = request.send().await.map_err(|error| passing(http_client::describe(error)))?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let body = response.bytes().await.map_err(|error| passing(http_client::describe(error)))?;
        let taken: Taken = serde_json::from_slice(&body).map_err(|_| passing("the answer makes no sense"))?;
        Ok(taken.id)
    }
}

fn passing(reason: impl Into<String>) -> AttemptError {
    AttemptError { error: MailError::Unavailable(reason.into()), wait: Some(Duration::ZERO), unauthorized: false }
}

/// 429, 5xx, and a repeat that came while the first was still being taken, pass. A key or a sender that Resend does not know
/// is for people to mend; until then the mail waits. Everything else is final.
async fn refused(response: Response) -> AttemptError {
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let refusal: InvalidChange =
        response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
    let reason = format!("HTTP {} {}", status.as_u16(), refusal.name);
    let passes = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || refusal.name == "concurrent_idempotent_requests";
    if passes {
        return AttemptError { wait: Some(Duration::from_secs(wait.unwrap_or(0))), ..passing(reason) };
    }
    let unauthorized = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let error = if unauthorized { MailError::Unavailable(reason) } else { MailError::Refused(reason) };
    AttemptError { error, wait: None, unauthorized }
}

#[async_trait]
impl Mailer for Resend {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let body = json!({
            "from": self.from,
            "to": [mail.to.as_str()],
            "subject": mail.subject,
            "html": mail.html,
            "text": mail.text,
        });
        let body = Bytes::from(body.to_string());
        let mut attempts = Attempts::new(ATTEMPTS, TOTAL_TIMEOUT, BACKOFF, &*self.random);
        let mut key = self.key.get();
        loop {
            let attempt = self.attempt(&key, body.clone(), &mail.idempotency_key);
            let attempt = timeout(attempts.time(ATTEMPT_TIMEOUT), attempt).await;
            let AttemptError { error, wait, unauthorized } =
                match attempt.unwrap_or_else(|_| Err(passing("no answer in time"))) {
                    Ok(id) => {
                        tracing::info!(provider_id = id, "mail sent");
                        return Ok(());
                    }
                    Err(failure) => failure,
                };
            let newer = if unauthorized { self.key.replacement_for(&key).await } else { None };
            let wait = wait.or(newer.as_ref().map(|_| Duration::ZERO));
            key = newer.unwrap_or(key);
            let Some(wait) = wait else { return Err(error) };
            if !attempts.again(wait).await {
                return Err(error);
            }
            tracing::warn!(%error, "a mail is tried again");
        }
    }
}
