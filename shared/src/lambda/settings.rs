//! Settings of a function: its environment, and what is stored in Secrets Manager and Parameter Store.

use std::sync::Arc;

use aws_config::SdkConfig;

use crate::aws_sdk;
use crate::config::{AuthConfig, ConfigError, Env, TelemetryConfig};
use crate::secrets_manager::SecretsManager;
use crate::telemetry;

/// Variable that names the secret.
const SECRET: &str = "SECRETS_ARN";

/// Variable that names the parameter with the public URL.
#[cfg(feature = "parameters")]
const PARAMETER: &str = "PUBLIC_URL_PARAMETER";

#[cfg(feature = "parameters")]
const PUBLIC_URL: &str = "PUBLIC_URL";

/// Reads the environment and, if `SECRETS_ARN` is set, that secret in Secrets Manager for variables that the environment
/// lacks. Configures telemetry by them.
///
/// # Errors
/// When the secret cannot be read, or a signing key is unusable.
pub async fn env() -> Result<Env, ConfigError> {
    let env = Env::process();
    if env.get(SECRET).is_none() {
        return configure(env, None).await;
    }
    let secret = read_secret(&env, &aws_sdk::config().await).await?;
    configure(env, secret).await
}

/// As [`env`]; also reads `PUBLIC_URL` from the parameter in Parameter Store that `PUBLIC_URL_PARAMETER` names, if the environment
/// has no `PUBLIC_URL`.
///
/// # Errors
/// As [`env`], and when the parameter cannot be read.
#[cfg(feature = "parameters")]
pub async fn env_with_public_url() -> Result<Env, ConfigError> {
    let process = Env::process();
    let name = process.get(PARAMETER).filter(|_| process.get(PUBLIC_URL).is_none());
    let Some(name) = name else { return env().await };
    let config = aws_sdk::config().await;
    let (secret, public_url) = tokio::try_join!(read_secret(&process, &config), read_public_url(name, &config))?;
    configure(process.with_default(PUBLIC_URL, public_url), secret).await
}

async fn read_secret(env: &Env, config: &SdkConfig) -> Result<Option<SecretsManager>, ConfigError> {
    let Some(arn) = env.get(SECRET) else { return Ok(None) };
    // While the response is awaited.
    crate::root_certificates::preload();
    match SecretsManager::open(config, &arn).await {
        Ok(secret) => Ok(Some(secret)),
        Err(reason) => Err(ConfigError::Invalid {
            variable: SECRET,
            value: arn,
            expected: format!("the ARN of a secret that this function may read: {reason}"),
        }),
    }
}

#[cfg(feature = "parameters")]
async fn read_public_url(name: String, config: &SdkConfig) -> Result<String, ConfigError> {
    crate::parameter_store::read(config, &name).await.map_err(|reason| ConfigError::Invalid {
        variable: PARAMETER,
        value: name,
        expected: format!("the name of a parameter that this function may read: {reason}"),
    })
}

/// Adds the values of `secret` to `env`, and configures telemetry.
async fn configure(mut env: Env, secret: Option<SecretsManager>) -> Result<Env, ConfigError> {
    if let Some(secret) = secret {
        let secret = Arc::new(secret);
        env = env.with_secrets(secret.values().await, secret);
    }
    if let Some(auth) = AuthConfig::from_env(&env)? {
        telemetry::set_pseudonym_key(&auth.signing_key);
    }
    // A function that cannot report errors still serves.
    if let Some(Err(error)) = TelemetryConfig::from_env(&env).sentry_dsn.as_ref().map(telemetry::report_errors_to) {
        tracing::error!(%error, "error reporting disabled");
    }
    Ok(env)
}
