use std::sync::Arc;

use crate::StoresConfig;
use purge::Purge;
use shared::clock::Random;
use shared::config::{ConfigError, RedisConfig, TursoConfig};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::{BatchError, Directory, LibsqlSync, diagnose};
use shared::storage::postgres::PostgresAccounts;
use shared::storage::redis::RedisSessions;
use shared::storage::{AccountStore, Diagnosis, Expiry, SessionStore, SyncData, connect};

/// Maximum number of connections to PostgreSQL.
const CONNECTIONS: u32 = 8;

/// The stores cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL of a server is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The embedded stores cannot be opened.
    #[error("DATA_DIR must be a folder that can be written to: {0}; repair it, or choose another with --data")]
    Embedded(#[from] BatchError),
}

/// A migration failed.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: the migration failed: {reason}")]
pub struct MigrateError {
    variable: &'static str,
    reason: String,
}

/// A server that is configured and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {diagnosis}")]
pub struct StoreProblem {
    variable: &'static str,
    /// The reason, and advice.
    pub diagnosis: Diagnosis,
}

/// The stores of the service: servers for which there is a URL, and the file in the data folder for the rest.
#[derive(Clone)]
pub struct Stores {
    embedded: Option<Arc<Embedded>>,
    postgres: Option<Arc<PostgresAccounts>>,
    turso: Option<Arc<LibsqlSync>>,
    redis: Option<Arc<RedisSessions>>,
}

impl Stores {
    /// Opens the stores of `config`, without connecting to any server.
    ///
    /// # Errors
    /// When a URL is invalid or the file cannot be opened.
    pub async fn open(config: &StoresConfig, random: &Arc<dyn Random>) -> Result<Self, OpenError> {
        let postgres = config.postgres.as_ref().map(|postgres| connect::accounts(postgres, CONNECTIONS)).transpose()?;
        let redis = config.redis.as_ref().map(connect::sessions).transpose()?;
        let is_complete = postgres.is_some() && config.turso.is_some() && redis.is_some();
        let embedded = if is_complete { None } else { Some(Arc::new(Embedded::open(&config.data_dir).await?)) };
        let stores = Self { embedded, postgres, turso: None, redis };
        let directory = || Directory::new(stores.accounts(), stores.sessions());
        let turso = config.turso.as_ref().map(|turso| connect::sync_data(turso, random, directory())).transpose()?;
        Ok(Self { turso, ..stores })
    }

    /// Uses one file for all stores.
    pub fn embedded(file: Embedded) -> Self {
        Self { embedded: Some(Arc::new(file)), postgres: None, turso: None, redis: None }
    }

    /// Applies the pending migrations of all stores, which `config` describes, and returns their names.
    ///
    /// # Errors
    /// When a server is unreachable or a migration fails.
    pub async fn migrate(&self, config: &StoresConfig, random: &dyn Random) -> Result<Vec<String>, MigrateError> {
        let mut applied = self.migrate_file().await?;
        let failed = |variable, reason| MigrateError { variable, reason };
        if let Some((postgres, config)) = self.postgres.as_ref().zip(config.postgres.as_ref()) {
            applied.extend(postgres.migrate().await.map_err(|error| failed(config.variable, error.to_string()))?);
        }
        if let Some(turso) = &self.turso {
            let steps = turso.migrate(random).await.map_err(|error| failed(TursoConfig::URL, error.to_string()))?;
            applied.extend(steps.into_iter().map(str::to_owned));
        }
        Ok(applied)
    }

    /// Applies the pending migrations of the file, if there is one. Those of servers are applied by `migrate`.
    ///
    /// # Errors
    /// When a migration fails.
    pub async fn migrate_file(&self) -> Result<Vec<String>, MigrateError> {
        let Some(embedded) = &self.embedded else { return Ok(Vec::new()) };
        let failed = |error: BatchError| MigrateError { variable: "DATA_DIR", reason: error.to_string() };
        let applied = embedded.migrate().await.map_err(failed)?;
        Ok(applied.into_iter().map(str::to_owned).collect())
    }

    /// Asks every server whether it can be used, and returns those that cannot.
    pub async fn problems(&self, config: &StoresConfig, random: &Arc<dyn Random>) -> Vec<StoreProblem> {
        let variable = config.postgres.as_ref().map(|postgres| postgres.variable);
        let accounts = async { Some((variable?, self.postgres.as_ref()?.diagnose().await.err()?)) };
        let data = async { Some((TursoConfig::URL, diagnose(config.turso.as_ref()?, random).await.err()?)) };
        let sessions = async { Some((RedisConfig::URL, self.redis.as_ref()?.diagnose().await.err()?)) };
        let (accounts, data, sessions) = tokio::join!(accounts, data, sessions);
        let found = [accounts, data, sessions].into_iter().flatten();
        found.map(|(variable, diagnosis)| StoreProblem { variable, diagnosis }).collect()
    }

    /// Returns the account store.
    pub fn accounts(&self) -> Arc<dyn AccountStore> {
        match &self.postgres {
            Some(postgres) => postgres.clone(),
            None => self.file(),
        }
    }

    /// Returns the store of sync data.
    pub fn data(&self) -> Arc<dyn SyncData> {
        match &self.turso {
            Some(turso) => turso.clone(),
            None => Arc::new(self.file().sync()),
        }
    }

    /// Returns the databases of sync data on servers, if that is not in the file.
    pub fn databases(&self) -> Option<&LibsqlSync> {
        self.turso.as_deref()
    }

    /// Returns the store of sessions and token buckets.
    pub fn sessions(&self) -> Arc<dyn SessionStore> {
        match &self.redis {
            Some(redis) => redis.clone(),
            None => self.file(),
        }
    }

    /// Returns the stores that do not remove expired rows by themselves.
    fn expirable(&self) -> Vec<Arc<dyn Expiry>> {
        let postgres = self.postgres.clone().map(|store| store as Arc<dyn Expiry>);
        let embedded = self.embedded.clone().map(|store| store as Arc<dyn Expiry>);
        postgres.into_iter().chain(embedded).collect()
    }

    /// Returns the purge of all stores.
    pub fn purge(&self) -> Purge {
        Purge::new(self.data(), self.accounts(), self.sessions(), self.expirable())
    }

    fn file(&self) -> Arc<Embedded> {
        self.embedded.clone().expect("the file is open wherever a server is missing")
    }
}
