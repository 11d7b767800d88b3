use super::{ConfigError, Env};
use crate::secret::RotatingSecret;

/// The PostgreSQL database of accounts.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://…`.
    pub url: RotatingSecret,
    /// Name of the variable that holds the URL.
    pub variable: &'static str,
    /// `DATABASE_ROOT_CERTIFICATE`: certificates, in PEM, of authorities that may have signed the server's certificate, besides the
    /// public ones. Those of a provider's own authority fit into a secret, where a file does not.
    pub root_certificates: Option<String>,
}

impl PostgresConfig {
    /// Name of the variable with the URL that all functions except `migrate` use, which may lead to a connection pooler.
    const URL: &'static str = "DATABASE_URL";

    /// Name of the variable with the URL for migrations, which leads to the database itself.
    const DIRECT_URL: &'static str = "DATABASE_URL_DIRECT";

    const ROOT_CERTIFICATE: &'static str = "DATABASE_ROOT_CERTIFICATE";

    /// Error of a function that needs the database.
    pub const MISSING: ConfigError = ConfigError::Missing {
        variable: Self::URL,
        remedy: "set it to the PostgreSQL database of accounts: postgres://…",
    };

    /// Reads `DATABASE_URL`; `None` if it is not set.
    ///
    /// # Errors
    /// When the URL is not one of PostgreSQL, or `DATABASE_ROOT_CERTIFICATE` is not PEM.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        Self::read(env, Self::URL)
    }

    /// Reads `DATABASE_URL`, which must be set.
    ///
    /// # Errors
    /// When it is not set, or as [`from_env`](Self::from_env).
    pub fn required(env: &Env) -> Result<Self, ConfigError> {
        Self::from_env(env)?.ok_or(Self::MISSING)
    }

    /// Reads the URL for migrations: `DATABASE_URL_DIRECT`, or else `DATABASE_URL`; `None` if neither is set.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn direct(env: &Env) -> Result<Option<Self>, ConfigError> {
        match Self::read(env, Self::DIRECT_URL)? {
            Some(direct) => Ok(Some(direct)),
            None => Self::from_env(env),
        }
    }

    fn read(env: &Env, variable: &'static str) -> Result<Option<Self>, ConfigError> {
        let Some(url) = env.store_url(variable, &["postgres", "postgresql"])? else { return Ok(None) };
        let root_certificates = env.get(Self::ROOT_CERTIFICATE);
        if let Some(text) = root_certificates.as_ref().filter(|text| !text.contains("-----BEGIN CERTIFICATE-----")) {
            return Err(ConfigError::invalid(Self::ROOT_CERTIFICATE, text.clone(), "certificates in PEM"));
        }
        Ok(Some(Self { url, variable, root_certificates }))
    }
}
