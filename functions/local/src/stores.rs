use std::sync::Arc;

use shared::clock::Random;
use shared::config::Settings;
use shared::storage::embedded::Embedded;
use shared::storage::libsql::LibsqlSync;
use shared::storage::postgres::PostgresAccounts;
use shared::storage::redis::RedisSessions;
use shared::storage::{AccountStore, Expiry, SessionStore, StoreError, SyncData, connect};

/// Connections to PostgreSQL: about as many as a machine of this size has requests to hash passwords for.
const CONNECTIONS: u32 = 8;

/// Every store of the service: a server where a URL names one, and otherwise the file in the data folder.
#[derive(Clone)]
pub struct Stores {
    embedded: Option<Arc<Embedded>>,
    postgres: Option<Arc<PostgresAccounts>>,
    turso: Option<Arc<LibsqlSync>>,
    redis: Option<Arc<RedisSessions>>,
}

impl Stores {
    /// Opens the stores that `settings` name. No server is asked yet.
    ///
    /// # Errors
    /// When a URL is wrong, or the file cannot be opened.
    pub async fn open(settings: &Settings, random: &Arc<dyn Random>) -> Result<Self, String> {
        let postgres = settings.database_url.is_some().then(|| connect::accounts(settings, CONNECTIONS)).transpose()?;
        let turso = (!settings.turso_urls.is_empty()).then(|| connect::sync_data(settings, random)).transpose()?;
        let redis = settings.redis_url.is_some().then(|| connect::sessions(settings)).transpose()?;
        let embedded = if postgres.is_some() && turso.is_some() && redis.is_some() {
            None
        } else {
            Some(Arc::new(Embedded::open(&settings.data).await.map_err(|error| error.to_string())?))
        };
        Ok(Self { embedded, postgres, turso, redis })
    }

    /// The stores in one file alone.
    pub fn embedded(file: Embedded) -> Self {
        Self { embedded: Some(Arc::new(file)), postgres: None, turso: None, redis: None }
    }

    /// Brings all of them up to date, and returns the names of the steps that took.
    ///
    /// # Errors
    /// When a server cannot be reached or a step fails.
    pub async fn migrate(&self) -> Result<Vec<String>, String> {
        let mut applied = self.migrate_file().await?;
        if let Some(postgres) = &self.postgres {
            applied.extend(postgres.migrate().await.map_err(|error| format!("DATABASE_URL: {error}"))?);
        }
        if let Some(turso) = &self.turso {
            let steps = turso.migrate().await.map_err(|error| format!("TURSO_DATABASE_URL: {error}"))?;
            applied.extend(steps.into_iter().map(str::to_owned));
        }
        Ok(applied)
    }

    /// Brings the file up to date, if there is one: nobody else will. A server's tables are made when it is deployed.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn migrate_file(&self) -> Result<Vec<String>, String> {
        let Some(embedded) = &self.embedded else { return Ok(Vec::new()) };
        let applied = embedded.migrate().await.map_err(|error| error.to_string())?;
        Ok(applied.into_iter().map(str::to_owned).collect())
    }

    /// Those that do not answer, and why.
    pub async fn unavailable(&self) -> Vec<(&'static str, StoreError)> {
        let (accounts, data, sessions) = (self.accounts(), self.data(), self.sessions());
        let (accounts, data, sessions) = tokio::join!(accounts.ping(), data.ping(), sessions.ping());
        let answers = [("accounts", accounts), ("sync data", data), ("sessions", sessions)];
        answers.into_iter().filter_map(|(store, answer)| Some((store, answer.err()?))).collect()
    }

    /// The accounts.
    pub fn accounts(&self) -> Arc<dyn AccountStore> {
        match &self.postgres {
            Some(postgres) => postgres.clone(),
            None => self.file(),
        }
    }

    /// The sync data.
    pub fn data(&self) -> Arc<dyn SyncData> {
        match &self.turso {
            Some(turso) => turso.clone(),
            None => Arc::new(self.file().sync()),
        }
    }

    /// Sessions and token buckets.
    pub fn sessions(&self) -> Arc<dyn SessionStore> {
        match &self.redis {
            Some(redis) => redis.clone(),
            None => self.file(),
        }
    }

    /// What does not forget by itself whatever has expired.
    pub fn expirable(&self) -> Vec<Arc<dyn Expiry>> {
        let postgres = self.postgres.clone().map(|store| store as Arc<dyn Expiry>);
        let embedded = self.embedded.clone().map(|store| store as Arc<dyn Expiry>);
        postgres.into_iter().chain(embedded).collect()
    }

    fn file(&self) -> Arc<Embedded> {
        self.embedded.clone().expect("the file is open wherever a server is missing")
    }
}
