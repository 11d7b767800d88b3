//! Configuration of the AWS SDK, and the deadline of its requests.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::time::timeout;

/// Timeout of a request, including the retries of the client.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the default configuration: credentials and region from the environment, and TLS by `ring`.
pub(crate) async fn config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

/// Waits for the response to `request`, for at most 5 s.
///
/// # Errors
/// Fails if the request fails, or there is no response in time.
pub(crate) async fn send<T, E: std::error::Error + Send + Sync + 'static>(
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, RequestError> {
    let response = timeout(TIMEOUT, request).await.map_err(|_| RequestError::Timeout)?;
    response.map_err(|error| RequestError::Failed(describe(&error)))
}

fn describe<E: std::error::Error + Send + Sync + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    match error.as_service_error() {
        Some(service_error) => DisplayErrorContext(service_error).to_string(),
        None => DisplayErrorContext(error).to_string(),
    }
}

/// A request to AWS failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// AWS did not respond in time.
    #[error("AWS did not respond within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The request could not be sent, or was refused.
    #[error("{0}")]
    Failed(String),
}
