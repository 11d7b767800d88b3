//! The stores of the deployed service.
//!
//! Nothing is connected here: a function starts while a store is down, and serves once it is up.

use std::sync::Arc;

use crate::config::ConfigError;

/// Accounts in PostgreSQL, through at most `connections` connections.
///
/// # Errors
/// When the URL is invalid.
#[cfg(feature = "postgres")]
pub fn accounts(
    config: &crate::config::PostgresConfig,
    connections: u32,
) -> Result<Arc<super::postgres::PostgresAccounts>, ConfigError> {
    let (url, root_certificates) = (config.url.clone(), config.root_certificates.clone());
    let accounts = super::postgres::PostgresAccounts::new(url, root_certificates, connections);
    accounts.map(Arc::new).map_err(|reason| invalid(config.variable, "PostgreSQL", &reason))
}

/// Sync data in libSQL databases. `directory` says which of them has the data of a user.
///
/// # Errors
/// When a URL is invalid.
#[cfg(feature = "turso")]
pub fn sync_data(
    config: &crate::config::TursoConfig,
    random: &Arc<dyn crate::clock::Random>,
    directory: super::libsql::Directory,
) -> Result<Arc<super::libsql::LibsqlSync>, ConfigError> {
    use super::libsql::{Hrana, HranaError, LibsqlSync, Transport};
    let open = |database: &crate::config::TursoDatabase| {
        let transport = Hrana::new(&database.url, config.token.clone(), random.clone())?;
        Ok((Arc::new(transport) as Arc<dyn Transport>, database.weight))
    };
    let databases = config.databases.iter().map(open).collect::<Result<_, HranaError>>();
    let databases = databases.map_err(|reason| invalid(crate::config::TursoConfig::URL, "libSQL", &reason))?;
    Ok(Arc::new(LibsqlSync::placed(databases, directory)))
}

/// Sessions and token buckets in Redis.
///
/// # Errors
/// When the URL is invalid.
#[cfg(feature = "redis")]
pub fn sessions(config: &crate::config::RedisConfig) -> Result<Arc<super::redis::RedisSessions>, ConfigError> {
    let sessions = super::redis::RedisSessions::new(config.url.clone());
    sessions.map(Arc::new).map_err(|reason| invalid(crate::config::RedisConfig::URL, "Redis", &reason))
}

fn invalid(variable: &'static str, server: &str, reason: &impl std::fmt::Display) -> ConfigError {
    ConfigError::InvalidSecret { variable, expected: format!("a URL of {server}: {reason}") }
}
