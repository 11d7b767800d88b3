//! The stores of the production service, each chosen by the scheme of its URL.
//!
//! Nothing is connected here: a function starts while a store is down, and serves once it is up.

use std::sync::Arc;

use crate::config::Settings;

/// Accounts, by `DATABASE_URL`: `postgres://`, by at most `connections` connections.
///
/// # Errors
/// When the variable is missing or wrong.
#[cfg(feature = "postgres")]
pub fn accounts(settings: &Settings, connections: u32) -> Result<Arc<super::postgres::PostgresAccounts>, String> {
    let url = settings.database_url.as_ref().ok_or("DATABASE_URL is not set")?;
    let postgres = super::postgres::PostgresAccounts::new(url.clone(), connections);
    postgres.map(Arc::new).map_err(|error| format!("DATABASE_URL: {error}"))
}

/// Sync data, by `TURSO_DATABASE_URL`: `libsql://`, `https://` or `http://`; several, separated by commas, share the users.
///
/// # Errors
/// When the variable is missing or wrong.
#[cfg(feature = "turso")]
pub fn sync_data(
    settings: &Settings,
    random: &Arc<dyn crate::clock::Random>,
) -> Result<Arc<super::libsql::LibsqlSync>, String> {
    use super::libsql::{Hrana, LibsqlSync, Transport};
    if settings.turso_urls.is_empty() {
        return Err("TURSO_DATABASE_URL is not set".to_owned());
    }
    let open = |url| Ok(Arc::new(Hrana::new(url, settings.turso_token.clone(), random.clone())?) as Arc<dyn Transport>);
    let databases = settings.turso_urls.iter().map(open).collect::<Result<_, String>>();
    Ok(Arc::new(LibsqlSync::sharded(databases.map_err(|error| format!("TURSO_DATABASE_URL: {error}"))?)))
}

/// Sessions and token buckets, by `REDIS_URL`: `redis://` or `rediss://`.
///
/// # Errors
/// When the variable is missing or wrong.
#[cfg(feature = "redis")]
pub fn sessions(settings: &Settings) -> Result<Arc<super::redis::RedisSessions>, String> {
    let url = settings.redis_url.as_ref().ok_or("REDIS_URL is not set")?;
    super::redis::RedisSessions::new(url.clone()).map(Arc::new).map_err(|error| format!("REDIS_URL: {error}"))
}
