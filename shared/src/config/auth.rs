use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{ConfigError, Env};
use crate::secret::SecretSource;

/// Keys that sign access tokens.
#[derive(Clone)]
pub struct AuthConfig {
    /// `JWT_SECRET`: the key that signs.
    pub signing_key: SecretString,
    /// `JWT_SECRET_PREVIOUS`: the key that signed until the last rotation, whose tokens are still accepted.
    pub previous_key: Option<SecretString>,
    /// Source of newer keys, if they may be rotated while the process runs.
    pub source: Option<Arc<dyn SecretSource>>,
}

impl AuthConfig {
    /// Name of the variable that holds the signing key.
    pub const SIGNING_KEY: &'static str = "JWT_SECRET";
    /// Name of the variable that holds the previous key.
    pub const PREVIOUS_KEY: &'static str = "JWT_SECRET_PREVIOUS";
    /// Fewest bytes of a key: the size of the hash (RFC 7518 §3.2).
    const MIN_KEY_BYTES: usize = 32;

    /// Reads the keys; `None` if there is no signing key.
    ///
    /// # Errors
    /// When a key is too short.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let [signing_key, previous_key] = [Self::SIGNING_KEY, Self::PREVIOUS_KEY].map(|variable| {
            let key = env.secret(variable);
            key.map(|key| Self::check_key(&key, variable).cloned()).transpose()
        });
        let (previous_key, source) = (previous_key?, env.secret_source());
        Ok(signing_key?.map(|signing_key| Self { signing_key, previous_key, source }))
    }

    /// Returns `key`, the value of `variable`, if it is long enough.
    pub(crate) fn check_key<'a>(
        key: &'a SecretString,
        variable: &'static str,
    ) -> Result<&'a SecretString, ConfigError> {
        if key.expose_secret().len() >= Self::MIN_KEY_BYTES {
            return Ok(key);
        }
        let expected = format!("a random text of at least {} bytes", Self::MIN_KEY_BYTES);
        Err(ConfigError::InvalidSecret { variable, expected })
    }

    /// Reads the keys, of which the signing key must be set.
    ///
    /// # Errors
    /// When it is not set, or as [`from_env`](Self::from_env).
    pub fn required(env: &Env) -> Result<Self, ConfigError> {
        let remedy = "set it to a random text of at least 32 bytes: openssl rand -hex 32";
        Self::from_env(env)?.ok_or(ConfigError::Missing { variable: Self::SIGNING_KEY, remedy })
    }
}
