use std::path::PathBuf;

use shared::clock::SystemRandom;
use shared::config::{
    AuthConfig, BreachConfig, ConfigError, EmailConfig, Env, HttpConfig, PostgresConfig, RedisConfig, SyncConfig,
    TursoConfig,
};

use crate::proxies::TrustedProxies;
use crate::signing_key::{KeyFileError, ensure_signing_key, read_signing_key};

/// Settings of the whole service in one process.
#[derive(Clone)]
pub struct Config {
    /// Browser access, and rate limits.
    pub http: HttpConfig,
    /// Keys of access tokens.
    pub auth: AuthConfig,
    /// List of breached passwords, if new passwords are looked up in it.
    pub breaches: Option<BreachConfig>,
    /// Defaults of synchronisation.
    pub sync: SyncConfig,
    /// Links in emails, and their delivery.
    pub email: EmailConfig,
    /// The stores.
    pub stores: StoresConfig,
    /// Reverse proxies in front of the server.
    pub trusted_proxies: TrustedProxies,
}

/// Servers that keep data, and the folder for data that none of them keeps.
#[derive(Clone)]
pub struct StoresConfig {
    /// Folder of the embedded stores, of emails that are not sent, and of a generated signing key.
    pub data_dir: PathBuf,
    /// Accounts.
    pub postgres: Option<PostgresConfig>,
    /// Sync data.
    pub turso: Option<TursoConfig>,
    /// Sessions and rate limits.
    pub redis: Option<RedisConfig>,
}

/// A setting is wrong, or the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An environment variable is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The generated signing key can be neither read nor written.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
}

impl Config {
    /// Reads the settings. Without `JWT_SECRET` a signing key is generated in `data_dir` at the first start; `public_url` is
    /// the default of `PUBLIC_URL`.
    ///
    /// # Errors
    /// When a setting is wrong, or the key file cannot be used.
    pub fn from_env(env: &Env, data_dir: PathBuf, public_url: String) -> Result<Self, LoadError> {
        let (http, sync) = (HttpConfig::from_env(env)?, SyncConfig::from_env(env)?);
        let email = EmailConfig::from_env(env, Some(public_url))?;
        let email = EmailConfig { outbox: Some(data_dir.join("outbox")), ..email };
        let stores = StoresConfig::from_env(env, data_dir)?;
        let trusted_proxies = TrustedProxies::from_env(env)?;
        let auth = match AuthConfig::from_env(env)? {
            Some(auth) => auth,
            None => generated(ensure_signing_key(&stores.data_dir, &SystemRandom)?),
        };
        Ok(Self { http, auth, breaches: BreachConfig::from_env(env)?, sync, email, stores, trusted_proxies })
    }
}

impl StoresConfig {
    /// Whether no server keeps data.
    pub fn is_embedded_only(&self) -> bool {
        self.postgres.is_none() && self.turso.is_none() && self.redis.is_none()
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn from_env(env: &Env, data_dir: PathBuf) -> Result<Self, ConfigError> {
        Ok(Self {
            data_dir,
            postgres: PostgresConfig::from_env(env)?,
            turso: TursoConfig::from_env(env)?,
            redis: RedisConfig::from_env(env)?,
        })
    }

    /// As [`from_env`](Self::from_env), but with the direct connection to PostgreSQL, if there is one.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn for_migrations(env: &Env, data_dir: PathBuf) -> Result<Self, ConfigError> {
        Ok(Self { postgres: PostgresConfig::direct(env)?, ..Self::from_env(env, data_dir)? })
    }
}

/// Reads the keys of access tokens, without generating any; `None` if there is none yet.
///
/// # Errors
/// When a setting is wrong, or the key file cannot be read.
pub fn existing_auth_config(env: &Env, data_dir: &std::path::Path) -> Result<Option<AuthConfig>, LoadError> {
    match AuthConfig::from_env(env)? {
        Some(auth) => Ok(Some(auth)),
        None => Ok(read_signing_key(data_dir)?.map(generated)),
    }
}

fn generated(signing_key: secrecy::SecretString) -> AuthConfig {
    AuthConfig { signing_key, previous_key: None, source: None }
}
