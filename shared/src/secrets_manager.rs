//! Reads settings from a secret in AWS Secrets Manager, whose value is a JSON object of names and strings.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::secret::SecretSource;

/// Timeout of a read, including the retries of the client.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Time for which a read value counts as current. It bounds the number of reads: each forged token asks for the current keys.
const FRESH_FOR: Duration = Duration::from_secs(10);

type Values = HashMap<String, SecretString>;

/// A secret in AWS Secrets Manager, cached for ten seconds.
pub struct SecretsManager {
    client: Client,
    id: String,
    cache: Mutex<Cache>,
}

/// The values of the last successful read, and the time of the last attempt.
struct Cache {
    values: Values,
    read_at: Instant,
}

impl SecretsManager {
    /// Reads the secret `id`: an ARN, or a name. Uses the default configuration, and the region of the ARN.
    ///
    /// # Errors
    /// Fails if the secret cannot be read, or is not a JSON object of strings.
    pub async fn open(id: &str) -> Result<Self, ReadSecretError> {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        // An ARN names its region: arn:aws:secretsmanager:eu-central-1:…
        if let Some(region) = id.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        Self::at(&loader.load().await, id).await
    }

    /// Reads the secret `id` with the configuration `config`.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub async fn at(config: &SdkConfig, id: &str) -> Result<Self, ReadSecretError> {
        let client = Client::new(config);
        let values = read(&client, id).await?;
        Ok(Self { client, id: id.to_owned(), cache: Mutex::new(Cache { values, read_at: Instant::now() }) })
    }

    /// Returns the values of the last successful read.
    pub async fn values(&self) -> Values {
        self.cache.lock().await.values.clone()
    }
}

#[async_trait]
impl SecretSource for SecretsManager {
    async fn current(&self, name: &str) -> Option<SecretString> {
        let mut cache = self.cache.lock().await;
        if cache.read_at.elapsed() >= FRESH_FOR {
            // A failed read, too, delays the next one.
            cache.read_at = Instant::now();
            match read(&self.client, &self.id).await {
                Ok(values) => cache.values = values,
                Err(error) => tracing::error!(%error, "reading the secret failed, keeping the old values"),
            }
        }
        cache.values.get(name).cloned()
    }
}

async fn read(client: &Client, id: &str) -> Result<Values, ReadSecretError> {
    let request = client.get_secret_value().secret_id(id).send();
    let response = timeout(TIMEOUT, request).await.map_err(|_| ReadSecretError::Timeout)?;
    let response = response.map_err(|error| ReadSecretError::Request(describe(&error)))?;
    let text = response.secret_string().ok_or(ReadSecretError::Binary)?;
    // serde's error would quote the secret.
    serde_json::from_str(text).map_err(|_| ReadSecretError::Format)
}

/// A secret could not be read. No message quotes the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadSecretError {
    /// Secrets Manager did not respond in time.
    #[error("Secrets Manager did not respond within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The request failed.
    #[error("{0}")]
    Request(String),
    /// The secret is binary.
    #[error("the secret must be JSON, but is binary")]
    Binary,
    /// The secret is not a JSON object of strings.
    #[error("the secret must be a JSON object of strings")]
    Format,
}

fn describe(error: &SdkError<GetSecretValueError, HttpResponse>) -> String {
    match error.as_service_error() {
        Some(service_error) => DisplayErrorContext(service_error).to_string(),
        None => DisplayErrorContext(error).to_string(),
    }
}
