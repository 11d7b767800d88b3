//! Secrets in AWS Secrets Manager: one secret, whose value is a JSON object of the settings' names and values.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::secret::SecretSource;

/// How long reading may take, with the attempts that the client makes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long what was read is taken for what is there: whoever presents forged tokens must not have it read each time.
const FRESH: Duration = Duration::from_secs(10);

type Values = HashMap<String, SecretString>;

/// The secret, as it was last read.
pub struct SecretsManager {
    client: Client,
    id: String,
    reading: Mutex<Reading>,
}

struct Reading {
    values: Values,
    at: Instant,
}

impl SecretsManager {
    /// Reads the secret `id`: its ARN, or its name.
    ///
    /// # Errors
    /// When it cannot be read, or is no object of texts. The message shows none of it.
    pub async fn open(id: &str) -> Result<Self, String> {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        // An ARN names its region: arn:aws:secretsmanager:eu-central-1:…
        if let Some(region) = id.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        Self::at(&loader.load().await, id).await
    }

    /// The same, at the place that `config` says.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn at(config: &SdkConfig, id: &str) -> Result<Self, String> {
        let client = Client::new(config);
        let values = read(&client, id).await?;
        Ok(Self { client, id: id.to_owned(), reading: Mutex::new(Reading { values, at: Instant::now() }) })
    }

    /// The values as they were last read.
    pub async fn values(&self) -> Values {
        self.reading.lock().await.values.clone()
    }
}

#[async_trait]
impl SecretSource for SecretsManager {
    async fn current(&self, name: &str) -> Option<SecretString> {
        let mut reading = self.reading.lock().await;
        if reading.at.elapsed() >= FRESH {
            // Whatever comes of it, the next attempt waits for as long.
            reading.at = Instant::now();
            match read(&self.client, &self.id).await {
                Ok(values) => reading.values = values,
                Err(error) => tracing::error!(%error, "the secrets cannot be read again"),
            }
        }
        reading.values.get(name).cloned()
    }
}

async fn read(client: &Client, id: &str) -> Result<Values, String> {
    let asked = timeout(TIMEOUT, client.get_secret_value().secret_id(id).send()).await;
    let answer = asked.map_err(|_| "no answer in time".to_owned())?.map_err(|error| describe(&error))?;
    let text = answer.secret_string().ok_or("it is binary, and should be JSON")?;
    // The error would quote what it does not understand.
    serde_json::from_str(text).map_err(|_| "it is no JSON object of texts".to_owned())
}

fn describe(error: &SdkError<GetSecretValueError, HttpResponse>) -> String {
    match error.as_service_error() {
        Some(refused) => format!("{}", aws_sdk_secretsmanager::error::DisplayErrorContext(refused)),
        None => format!("{}", aws_sdk_secretsmanager::error::DisplayErrorContext(error)),
    }
}
