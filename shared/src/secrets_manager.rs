//! Reads settings from a secret in AWS Secrets Manager, whose value is a JSON object of names and strings.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_secretsmanager::{Client, config};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws_sdk::{self, RequestError};
use crate::secret::SecretSource;

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
    /// Reads the secret `id`: an ARN, or a name. Uses the region of the ARN, or else that of `config`.
    ///
    /// # Errors
    /// Fails if the secret cannot be read, or is not a JSON object of strings.
    pub async fn open(config: &SdkConfig, id: &str) -> Result<Self, ReadSecretError> {
        let mut config = config::Builder::from(config);
        // An ARN names its region: arn:aws:secretsmanager:eu-central-1:…
        if let Some(region) = id.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)) {
            config = config.region(Region::new(region.to_owned()));
        }
        let client = Client::from_conf(config.build());
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
    let response = aws_sdk::send(client.get_secret_value().secret_id(id).send()).await?;
    let text = response.secret_string().ok_or(ReadSecretError::Binary)?;
    // serde's error would quote the secret.
    serde_json::from_str(text).map_err(|_| ReadSecretError::Format)
}

/// A secret could not be read. No message quotes the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadSecretError {
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The secret is binary.
    #[error("the secret must be JSON, but is binary")]
    Binary,
    /// The secret is not a JSON object of strings.
    #[error("the secret must be a JSON object of strings")]
    Format,
}
