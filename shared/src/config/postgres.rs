use super::{ConfigError, Env};
use crate::secret::RotatingSecret;

/// The PostgreSQL database of accounts.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `DATABASE_URL`: `postgres://…`.
    pub url: RotatingSecret,
}

impl PostgresConfig {
    /// Name of the variable that holds the URL.
    pub const URL: &'static str = "DATABASE_URL";

    /// Reads the setting; `None` if it is not set.
    ///
    /// # Errors
    /// When the URL is not one of PostgreSQL.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        Ok(env.store_url(Self::URL, &["postgres", "postgresql"])?.map(|url| Self { url }))
    }

    /// Reads the setting, which must be set.
    ///
    /// # Errors
    /// When it is not set, or as [`from_env`](Self::from_env).
    pub fn required(env: &Env) -> Result<Self, ConfigError> {
        let remedy = "set it to the PostgreSQL database of accounts: postgres://…";
        Self::from_env(env)?.ok_or(ConfigError::Missing { variable: Self::URL, remedy })
    }
}
