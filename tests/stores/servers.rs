//! Store factories on real servers.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use shared::clock::SystemRandom;
use shared::storage::libsql::{Directory, Hrana, LibsqlSync, Transport};
use shared::storage::postgres::PostgresAccounts;
use shared::storage::redis::RedisSessions;
use shared::storage::{AccountStore, RateLimiter, Sessions, SyncData};
use tests::{PostgresServer, RedisCluster, RedisServer, Sqld};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::account_eraser::AllStores;
use crate::placements::AnyUser;
use crate::store_factory::{EmbeddedFolder, StoreFactory};

/// Sync data on libSQL servers, over HTTP.
pub(crate) struct Turso {
    servers: OnceCell<Vec<Sqld>>,
    count: usize,
    /// Accounts that record the placements; without them there is one server.
    accounts: Option<EmbeddedFolder>,
}

impl Turso {
    /// Uses one server.
    pub(crate) fn new() -> Self {
        Self { servers: OnceCell::new(), count: 1, accounts: None }
    }

    /// Distributes the users over `count` servers.
    pub(crate) fn sharded(count: usize) -> Self {
        Self { servers: OnceCell::new(), count, accounts: Some(EmbeddedFolder::new()) }
    }

    async fn sync(&self) -> Arc<LibsqlSync> {
        let servers = self.servers.get_or_init(|| start(self.count)).await;
        let databases: Vec<_> =
            servers.iter().map(|server| (Arc::new(database(&server.url())) as Arc<dyn Transport>, 1)).collect();
        let sync = match &self.accounts {
            None => LibsqlSync::new(databases[0].0.clone()),
            Some(folder) => {
                let placements = Arc::new(AnyUser(folder.embedded().await));
                LibsqlSync::placed(databases, Directory { placements, sessions: None })
            }
        };
        sync.migrate(&SystemRandom).await.expect("the migrations succeed");
        Arc::new(sync)
    }
}

async fn start(count: usize) -> Vec<Sqld> {
    let mut servers = Vec::new();
    for _ in 0..count {
        servers.push(Sqld::start().await);
    }
    servers
}

/// Connects to the libSQL database at `url`.
pub(crate) fn database(url: &str) -> Hrana {
    Hrana::new(&SecretString::from(url), None, Arc::new(SystemRandom)).expect("the URL is valid")
}

#[async_trait]
impl StoreFactory<dyn SyncData> for Turso {
    async fn open(&self) -> Arc<dyn SyncData> {
        self.sync().await
    }
}

/// Accounts in a database on a PostgreSQL server.
#[derive(Default)]
pub(crate) struct Postgres(OnceCell<String>);

impl Postgres {
    async fn postgres(&self) -> Arc<PostgresAccounts> {
        let url = self.0.get_or_init(|| async { PostgresServer::shared().await.database().await }).await;
        let postgres =
            PostgresAccounts::new(SecretString::from(url.as_str()).into(), None, 4).expect("the URL is valid");
        postgres.migrate().await.expect("the migrations succeed");
        Arc::new(postgres)
    }
}

#[async_trait]
impl StoreFactory<dyn AccountStore> for Postgres {
    async fn open(&self) -> Arc<dyn AccountStore> {
        self.postgres().await
    }
}

/// Sessions and rate limits on a Redis server.
#[derive(Default)]
pub(crate) struct Redis(OnceCell<RedisServer>);

impl Redis {
    async fn redis(&self) -> Arc<RedisSessions> {
        let url = self.0.get_or_init(RedisServer::start).await.url();
        Arc::new(RedisSessions::new(SecretString::from(url).into()).expect("the URL is valid"))
    }
}

#[async_trait]
impl StoreFactory<dyn Sessions> for Redis {
    async fn open(&self) -> Arc<dyn Sessions> {
        self.redis().await
    }
}

#[async_trait]
impl StoreFactory<dyn RateLimiter> for Redis {
    async fn open(&self) -> Arc<dyn RateLimiter> {
        self.redis().await
    }
}

/// Sessions and rate limits in a Redis Cluster of three masters, which all tests of this process use one after the other:
/// creating a cluster takes longer than most tests. It is empty at first.
#[derive(Default)]
pub(crate) struct Cluster(OnceCell<MutexGuard<'static, Option<RedisCluster>>>);

impl Cluster {
    async fn redis(&self) -> Arc<RedisSessions> {
        static SHARED: Mutex<Option<RedisCluster>> = Mutex::const_new(None);
        let lock = async || {
            let mut shared = SHARED.lock().await;
            match &*shared {
                Some(cluster) => cluster.flush().await,
                None => *shared = Some(RedisCluster::start(0).await),
            }
            shared
        };
        let guard = self.0.get_or_init(lock).await;
        let url = guard.as_ref().expect("it was started").url();
        Arc::new(RedisSessions::new(SecretString::from(url).into()).expect("the URL is valid"))
    }
}

#[async_trait]
impl StoreFactory<dyn Sessions> for Cluster {
    async fn open(&self) -> Arc<dyn Sessions> {
        self.redis().await
    }
}

#[async_trait]
impl StoreFactory<dyn RateLimiter> for Cluster {
    async fn open(&self) -> Arc<dyn RateLimiter> {
        self.redis().await
    }
}

/// All stores of the production service.
pub(crate) struct All {
    accounts: Postgres,
    sessions: Redis,
    data: Turso,
}

impl All {
    pub(crate) fn new() -> Self {
        Self { accounts: Postgres::default(), sessions: Redis::default(), data: Turso::new() }
    }
}

#[async_trait]
impl StoreFactory<AllStores> for All {
    async fn open(&self) -> Arc<AllStores> {
        let (accounts, sessions) = (self.accounts.postgres().await, self.sessions.redis().await);
        Arc::new(AllStores { accounts, sessions, data: self.data.sync().await })
    }
}
