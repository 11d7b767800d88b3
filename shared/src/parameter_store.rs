//! Reads settings from AWS Systems Manager Parameter Store.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;

use crate::aws_sdk::{self, RequestError};

/// Returns the value of the parameter `name`, which is not encrypted.
///
/// # Errors
/// Fails if the parameter does not exist or cannot be read.
pub async fn read(config: &SdkConfig, name: &str) -> Result<String, ReadParameterError> {
    let response = aws_sdk::send(Client::new(config).get_parameter().name(name).send()).await?;
    response.parameter.and_then(|parameter| parameter.value).ok_or(ReadParameterError::NoValue)
}

/// A parameter could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadParameterError {
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The parameter has no value.
    #[error("the parameter has no value")]
    NoValue,
}
