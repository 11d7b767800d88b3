//! A libSQL server, such as Turso, by Hrana over HTTP
//! (<https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md>).
//!
//! Each transaction is one request, which opens and closes a stream. No state between requests can be lost while a function
//! is frozen.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use backon::{ExponentialBuilder, Retryable};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::pipeline::{self, PipelineResponse};
use super::{BatchError, MAX_RESPONSE_BYTES, Statement, StatementResult, Transport, Value};
use crate::clock::{Random, random_bytes};
use crate::http_client;
use crate::secret::RotatingSecret;
use crate::telemetry::{Dependency, instrumented};

/// Deadline of one attempt. The largest upload takes about half a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// Deadline of all attempts of a call. Two calls of a request fit into its 25 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(9);

/// Deadline of a migration, which may fill the columns that it adds.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(300);

/// Up to three retries. Jitter makes each pause up to twice as long: 50 ms to 100 ms before the first.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(25))
    .with_max_delay(Duration::from_millis(500))
    .with_max_times(3)
    .with_jitter();

/// Maximum size of a response body. Column names and escapes may double the size of the values; a larger body is certain to
/// exceed [`MAX_RESPONSE_BYTES`].
const MAX_BODY_BYTES: usize = 2 * MAX_RESPONSE_BYTES;

/// A database on a libSQL server.
pub struct Hrana {
    client: Mutex<CurrentClient>,
    pipeline: Url,
    token: Option<RotatingSecret>,
    random: Arc<dyn Random>,
}

/// The client in use and its number among those that replaced each other.
struct CurrentClient {
    generation: u64,
    client: Client,
}

/// A transport cannot be created. The message does not show the URL.
#[derive(Debug, thiserror::Error)]
pub enum HranaError {
    /// The URL is malformed.
    #[error("{0}")]
    Url(#[from] url::ParseError),
    /// The URL has another scheme.
    #[error("the scheme must be libsql, https or http")]
    Scheme,
    /// The HTTP client cannot be built.
    #[error("{0}")]
    HttpClient(#[from] reqwest::Error),
}

impl Hrana {
    /// Creates a transport to the database at `url`, whose scheme is `libsql`, `https` or `http`. It connects with the first
    /// call.
    ///
    /// # Errors
    /// If the URL is malformed or has another scheme.
    pub fn new(url: &SecretString, token: Option<RotatingSecret>, random: Arc<dyn Random>) -> Result<Self, HranaError> {
        let client = Mutex::new(CurrentClient { generation: 0, client: http_client::new()? });
        Ok(Self { client, pipeline: pipeline_url(url.expose_secret())?, token, random })
    }

    /// Sends `body` until it succeeds or fails for good. `name` stands for it in the log and in traces.
    async fn run(
        &self,
        name: &'static str,
        body: Bytes,
        attempt_timeout: Duration,
    ) -> Result<PipelineResponse, BatchError> {
        instrumented(Dependency::Libsql, name, self.with_retry(body, attempt_timeout)).await
    }

    /// Reads without repeating a request that failed.
    pub(super) async fn read_once(&self, statements: Vec<Statement>) -> Result<Vec<StatementResult>, AttemptError> {
        let body = pipeline::read_body(&statements).map_err(AttemptError::permanent)?;
        let response = self.attempt(body, Instant::now() + ATTEMPT_TIMEOUT).await?;
        response.into_read_results(statements.len()).map_err(AttemptError::permanent)
    }

    /// Repeats even an attempt whose response was lost and which may have been executed: the contract of [`Transport`]
    /// requires statements that tolerate it.
    async fn with_retry(&self, body: Bytes, attempt_timeout: Duration) -> Result<PipelineResponse, BatchError> {
        let deadline = Instant::now() + attempt_timeout.max(CALL_TIMEOUT);
        let attempt = || self.attempt(body.clone(), deadline.min(Instant::now() + attempt_timeout));
        attempt
            .retry(BACKOFF.with_jitter_seed(u64::from_le_bytes(random_bytes(&*self.random))))
            .when(|error| error.is_retryable)
            .adjust(|_, pause| pause.filter(|pause| Instant::now() + *pause < deadline))
            .notify(|error, _| tracing::warn!(error = %error.error, "database request failed, retrying"))
            .await
            .map_err(|error| error.error)
    }

    /// Sends `body` once. Abandons the connections if there is no response until `deadline`, and looks for a newer token
    /// if the token is refused.
    async fn attempt(&self, body: Bytes, deadline: Instant) -> Result<PipelineResponse, AttemptError> {
        let (client, generation) = self.client();
        let token = self.token.as_ref().map(RotatingSecret::get);
        let Ok(response) = timeout_at(deadline, self.send(&client, token.as_ref(), body)).await else {
            self.abandon(generation);
            return Err(AttemptError::retryable("no response in time"));
        };
        let mut error = match response {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if error.is_unauthorized && self.has_newer_token(token.as_ref()).await {
            error.is_retryable = true;
        }
        Err(error)
    }

    /// Returns whether the token `refused` was replaced.
    async fn has_newer_token(&self, refused: Option<&SecretString>) -> bool {
        let (Some(token), Some(refused)) = (&self.token, refused) else { return false };
        token.replacement_for(refused).await.is_some()
    }

    fn client(&self) -> (Client, u64) {
        let current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        (current.client.clone(), current.generation)
    }

    /// Replaces the client of `generation`, unless that was done already: if one of its connections is dead, all may be.
    fn abandon(&self, generation: u64) {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Ok(client)) = (current.generation == generation, http_client::new()) {
            *current = CurrentClient { generation: generation + 1, client };
        }
    }

    async fn send(
        &self,
        client: &Client,
        token: Option<&SecretString>,
        body: Bytes,
    ) -> Result<PipelineResponse, AttemptError> {
        let mut request = client.post(self.pipeline.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let mut response = request.send().await.map_err(disconnected)?;
        let status = response.status();
        let mut body = Vec::with_capacity(response.content_length().map_or(0, |length| length as usize).min(1 << 20));
        while let Some(chunk) = response.chunk().await.map_err(disconnected)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(AttemptError::permanent(BatchError::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(http_error(status, &body));
        }
        pipeline::read(&body).map_err(|error| {
            let is_retryable = matches!(error, BatchError::Unavailable(_));
            AttemptError { is_retryable, ..AttemptError::permanent(error) }
        })
    }
}

/// Returns the URL of the pipeline endpoint of the database at `url`.
fn pipeline_url(url: &str) -> Result<Url, HranaError> {
    let mut parsed = Url::parse(url)?;
    let scheme = match parsed.scheme() {
        "libsql" | "https" => "https",
        "http" => "http",
        _ => return Err(HranaError::Scheme),
    };
    // `set_scheme` refuses to turn a scheme that is not special, such as `libsql`, into one that is.
    if parsed.scheme() != scheme {
        let rest = url.split_once(':').map_or("", |(_, rest)| rest);
        parsed = Url::parse(&format!("{scheme}:{rest}"))?;
    }
    parsed.set_query(None);
    let path = format!("{}/v3/pipeline", parsed.path().trim_end_matches('/'));
    parsed.set_path(&path);
    Ok(parsed)
}

/// Error of one attempt.
pub(super) struct AttemptError {
    /// Whether the next attempt may succeed.
    is_retryable: bool,
    /// Whether the token was refused.
    pub(super) is_unauthorized: bool,
    pub(super) error: BatchError,
}

impl AttemptError {
    fn retryable(reason: impl ToString) -> Self {
        Self { is_retryable: true, ..Self::permanent(BatchError::Unavailable(reason.to_string())) }
    }

    fn permanent(error: BatchError) -> Self {
        Self { is_retryable: false, is_unauthorized: false, error }
    }
}

/// The connection failed before or during the response.
fn disconnected(error: reqwest::Error) -> AttemptError {
    AttemptError::retryable(http_client::describe(error))
}

/// The server, or a proxy in front of it, responded with an HTTP error.
fn http_error(status: StatusCode, body: &[u8]) -> AttemptError {
    let start = &body[..body.len().min(300)];
    let reason = format!("HTTP {status}: {}", String::from_utf8_lossy(start));
    let is_retryable = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => BatchError::TooLarge,
        // Operators can correct the URL or the token; for users it is an outage.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => BatchError::Unavailable(reason),
        _ if is_retryable => BatchError::Unavailable(reason),
        _ => BatchError::Refused(reason),
    };
    let is_unauthorized = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    AttemptError { is_retryable, is_unauthorized, error }
}

#[async_trait]
impl Transport for Hrana {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let (count, body) = (statements.len(), pipeline::read_body(&statements)?);
        drop(statements);
        let results = self.run(name, body, ATTEMPT_TIMEOUT).await?.into_read_results(count)?;
        let bytes: usize = results.iter().flat_map(|result| &result.rows).flatten().map(Value::bytes).sum();
        if bytes > MAX_RESPONSE_BYTES { Err(BatchError::TooLarge) } else { Ok(results) }
    }

    async fn write(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let (count, body) = (statements.len(), pipeline::write_body(&statements)?);
        // So that a large upload is not held twice while it is sent.
        drop(statements);
        self.run(name, body, ATTEMPT_TIMEOUT).await?.into_write_results(count)
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        self.run(name, pipeline::script_body(&script)?, SCRIPT_TIMEOUT).await?.into_script_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipeline_url_accepts_three_schemes() {
        for (url, wanted) in [
            ("libsql://studio-ada.turso.io", "https://studio-ada.turso.io/v3/pipeline"),
            ("libsql://studio-ada.turso.io/?tls=1", "https://studio-ada.turso.io/v3/pipeline"),
            ("https://studio.example/sync/", "https://studio.example/sync/v3/pipeline"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v3/pipeline"),
        ] {
            assert_eq!(pipeline_url(url).unwrap().as_str(), wanted);
        }
        for url in ["file:studio.db", "wss://studio.example", "studio.db", ""] {
            assert!(pipeline_url(url).is_err(), "{url}");
        }
    }
}
