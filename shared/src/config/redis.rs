use super::{ConfigError, Env};
use crate::secret::RotatingSecret;

/// The Redis server of sessions and rate limits.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `REDIS_URL`: `redis://…` or `rediss://…`.
    pub url: RotatingSecret,
}

impl RedisConfig {
    /// Name of the variable that holds the URL.
    pub const URL: &'static str = "REDIS_URL";

    /// Reads the setting; `None` if it is not set.
    ///
    /// # Errors
    /// When the URL is not one of Redis.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        Ok(env.store_url(Self::URL, &["redis", "rediss"])?.map(|url| Self { url }))
    }

    /// Reads the setting, which must be set.
    ///
    /// # Errors
    /// When it is not set, or as [`from_env`](Self::from_env).
    pub fn required(env: &Env) -> Result<Self, ConfigError> {
        let remedy = "set it to the Redis server of sessions: redis://… or rediss://…";
        Self::from_env(env)?.ok_or(ConfigError::Missing { variable: Self::URL, remedy })
    }
}
