//! A libSQL server, such as Turso, by Hrana over HTTP (<https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md>).
//!
//! Each transaction is one request, which opens a stream and closes it: there is no state between requests that a frozen
//! function could lose.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use super::pipeline::{self, PipelineResponse};
use super::{BatchError, MAX_RESPONSE_BYTES, Statement, StatementResult, Transport, Value};
use crate::backoff::{Attempts, Backoff};
use crate::clock::Random;
use crate::http_client;
use crate::secret::RotatingSecret;
use crate::telemetry::{Dependency, instrumented};

/// How long one attempt may take. The largest upload takes about half a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long all attempts of one call may take: two calls of a request fit the 25 s that it has.
const CALL_TIMEOUT: Duration = Duration::from_secs(9);

/// How long a migration may take, which has to fill what it adds.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(300);

const ATTEMPTS: u32 = 4;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };

/// Most bytes of an answer's body. Names and escapes may double what its texts take up; what is beyond is too large.
const MAX_BODY_BYTES: usize = 2 * MAX_RESPONSE_BYTES;

/// A database on a libSQL server.
pub struct Hrana {
    client: Mutex<Numbered>,
    pipeline: Url,
    token: Option<RotatingSecret>,
    random: Arc<dyn Random>,
}

/// A client with its connections, and a number that tells it from those it replaced.
struct Numbered {
    number: u64,
    client: Client,
}

impl Hrana {
    /// The database at `url`, whose scheme is `libsql`, `https` or `http`, for whoever holds `token`. Nothing is connected
    /// before the first call.
    ///
    /// # Errors
    /// When the URL is none, or its scheme is another.
    pub fn new(url: &SecretString, token: Option<RotatingSecret>, random: Arc<dyn Random>) -> Result<Self, String> {
        let client = Mutex::new(Numbered { number: 0, client: http_client::new()? });
        Ok(Self { client, pipeline: pipeline_url(url.expose_secret())?, token, random })
    }

    /// Sends `body`, which the log and traces call `name`, until it is answered, or there is no use in going on. An attempt
    /// may take as long as `longest`.
    async fn run(&self, name: &'static str, body: Bytes, longest: Duration) -> Result<PipelineResponse, BatchError> {
        instrumented(Dependency::Libsql, name, self.with_retry(body, longest)).await
    }

    /// An attempt whose answer was lost may have been carried out, and is repeated all the same: the law of [`Transport`]
    /// asks for statements that bear it.
    async fn with_retry(&self, body: Bytes, longest: Duration) -> Result<PipelineResponse, BatchError> {
        let mut attempts = Attempts::new(ATTEMPTS, longest.max(CALL_TIMEOUT), BACKOFF, &*self.random);
        let mut token = self.token.as_ref().map(RotatingSecret::get);
        loop {
            let (client, number) = self.client();
            let attempt = self.attempt(&client, token.as_ref(), body.clone());
            let attempt = timeout(attempts.time(longest), attempt).await;
            let failure = match attempt {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    self.abandon(number);
                    AttemptError::passing("no answer in time")
                }
            };
            let newer = if failure.unauthorized { self.rotated_token(token.as_ref()).await } else { None };
            let is_renewed = newer.is_some();
            token = newer.or(token);
            if !(failure.passes || is_renewed) || !attempts.again(Duration::ZERO).await {
                return Err(failure.error);
            }
            tracing::warn!(error = %failure.error, "a request to the database is repeated");
        }
    }

    /// What took the place of the token `refused`, if anything did.
    async fn rotated_token(&self, refused: Option<&SecretString>) -> Option<SecretString> {
        self.token.as_ref()?.replacement_for(refused?).await
    }

    fn client(&self) -> (Client, u64) {
        let current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        (current.client.clone(), current.number)
    }

    /// Leaves the connections of the client `number` to themselves: after one of them has gone dead all may have.
    fn abandon(&self, number: u64) {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Ok(client)) = (current.number == number, http_client::new()) {
            *current = Numbered { number: number + 1, client };
        }
    }

    async fn attempt(
        &self,
        client: &Client,
        token: Option<&SecretString>,
        body: Bytes,
    ) -> Result<PipelineResponse, AttemptError> {
        let mut request = client.post(self.pipeline.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let mut body = Vec::with_capacity(response.content_length().map_or(0, |length| length as usize).min(1 << 20));
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(AttemptError::of(BatchError::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        pipeline::read(&body).map_err(|error| {
            let passes = matches!(error, BatchError::Unavailable(_));
            AttemptError { passes, ..AttemptError::of(error) }
        })
    }
}

/// Where pipelines go.
fn pipeline_url(url: &str) -> Result<Url, String> {
    let mut parsed = Url::parse(url).map_err(|error| error.to_string())?;
    let scheme = match parsed.scheme() {
        "libsql" | "https" => "https",
        "http" => "http",
        _ => return Err("the scheme must be libsql, https or http".to_owned()),
    };
    // `set_scheme` does not turn a scheme it does not know into one that it knows.
    if parsed.scheme() != scheme {
        let rest = url.split_once(':').map_or("", |(_, rest)| rest);
        parsed = Url::parse(&format!("{scheme}:{rest}")).map_err(|error| error.to_string())?;
    }
    parsed.set_query(None);
    let path = format!("{}/v3/pipeline", parsed.path().trim_end_matches('/'));
    parsed.set_path(&path);
    Ok(parsed)
}

/// Why an attempt failed.
struct AttemptError {
    /// Whether the next attempt may succeed.
    passes: bool,
    /// Whether the token was refused.
    unauthorized: bool,
    error: BatchError,
}

impl AttemptError {
    fn passing(reason: impl ToString) -> Self {
        Self { passes: true, ..Self::of(BatchError::Unavailable(reason.to_string())) }
    }

    /// One that does not pass.
    fn of(error: BatchError) -> Self {
        Self { passes: false, unauthorized: false, error }
    }
}

/// The connection failed, before the answer or in its middle.
fn lost(error: reqwest::Error) -> AttemptError {
    AttemptError::passing(http_client::describe(error))
}

/// The server, or what stands before it, answered with an HTTP error.
fn refused(status: StatusCode, body: &[u8]) -> AttemptError {
    let start = &body[..body.len().min(300)];
    let reason = format!("HTTP {status}: {}", String::from_utf8_lossy(start));
    let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => BatchError::TooLarge,
        // Whoever runs the service can mend these; for its users it is an outage.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => BatchError::Unavailable(reason),
        _ if passes => BatchError::Unavailable(reason),
        _ => BatchError::Refused(reason),
    };
    let unauthorized = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    AttemptError { passes, unauthorized, error }
}

#[async_trait]
impl Transport for Hrana {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let (count, body) = (statements.len(), pipeline::read_body(&statements)?);
        drop(statements);
        let done = self.run(name, body, ATTEMPT_TIMEOUT).await?.into_read_results(count)?;
        let bytes: usize = done.iter().flat_map(|done| &done.rows).flatten().map(Value::bytes).sum();
        if bytes > MAX_RESPONSE_BYTES { Err(BatchError::TooLarge) } else { Ok(done) }
    }

    async fn write(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let (count, body) = (statements.len(), pipeline::write_body(&statements)?);
        // A large upload is not held twice while it is sent.
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
    fn every_scheme_leads_to_the_pipeline() {
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
