use secrecy::SecretString;

use super::env::check_scheme;
use super::{ConfigError, Env};
use crate::secret::RotatingSecret;

/// The libSQL databases of sync data.
#[derive(Debug, Clone)]
pub struct TursoConfig {
    /// `TURSO_DATABASE_URL`: `libsql://…`, `https://…` or `http://…`; at least one, separated by commas.
    pub urls: Vec<SecretString>,
    /// `TURSO_AUTH_TOKEN`: the token for all of them.
    pub token: Option<RotatingSecret>,
}

impl TursoConfig {
    /// Name of the variable that holds the URLs.
    pub const URL: &'static str = "TURSO_DATABASE_URL";

    /// Reads the settings; `None` if there is no URL.
    ///
    /// # Errors
    /// When a URL is not one of a libSQL server.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let Some(list) = env.get(Self::URL) else { return Ok(None) };
        let urls: Vec<&str> = list.split(',').map(str::trim).collect();
        for url in &urls {
            check_scheme(Self::URL, url, &["libsql", "https", "http"])?;
        }
        let urls = urls.into_iter().map(SecretString::from).collect();
        Ok(Some(Self { urls, token: env.rotating_secret("TURSO_AUTH_TOKEN") }))
    }

    /// Reads the settings, of which the URL must be set.
    ///
    /// # Errors
    /// When it is not set, or as [`from_env`](Self::from_env).
    pub fn required(env: &Env) -> Result<Self, ConfigError> {
        let remedy = "set it to the libSQL database of sync data: libsql://… or https://…";
        Self::from_env(env)?.ok_or(ConfigError::Missing { variable: Self::URL, remedy })
    }
}
