use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use local::{Stores, StoresConfig};
use shared::clock::{Random, SystemRandom};
use shared::config::Env;
use tokio::sync::Mutex;

use crate::{PostgresServer, Proxy, RedisServer, Sqld};

/// Environment variable that selects the stores: `servers` or `embedded` (default).
const STORES: &str = "TEST_STORES";

/// Store servers of one service, and the settings that point to them. Empty for the embedded stores.
pub struct Backends {
    /// Settings, by name.
    pub settings: Vec<(&'static str, String)>,
    _own: Option<(Vec<Sqld>, RedisServer)>,
}

impl Backends {
    /// Starts the stores that the variable `TEST_STORES` selects.
    ///
    /// # Panics
    /// If the value is unknown or a server does not start.
    pub async fn from_env() -> Self {
        match std::env::var(STORES).as_deref() {
            Ok("servers") => Self::start_servers().await,
            Err(_) | Ok("embedded") => Self::none(),
            Ok(other) => panic!("{STORES} is {other}, which is neither servers nor embedded"),
        }
    }

    /// Creates an empty set: the service uses the embedded stores, or servers that its settings name.
    pub fn none() -> Self {
        Self { settings: Vec::new(), _own: None }
    }

    /// Returns the backends of the data folder `folder`, and starts them on first use. Processes with the same folder
    /// share them.
    ///
    /// # Panics
    /// As [`from_env`](Self::from_env).
    pub async fn for_folder(folder: &Path) -> Arc<Self> {
        static BY_FOLDER: Mutex<BTreeMap<PathBuf, Arc<Backends>>> = Mutex::const_new(BTreeMap::new());
        let mut by_folder = BY_FOLDER.lock().await;
        if let Some(backends) = by_folder.get(folder) {
            return backends.clone();
        }
        let backends = Arc::new(Self::from_env().await);
        by_folder.insert(folder.to_owned(), backends.clone());
        backends
    }

    /// Returns the URL in the setting `name`.
    ///
    /// # Panics
    /// If the setting is missing.
    pub fn url_mut(&mut self, name: &str) -> &mut String {
        let setting = self.settings.iter_mut().find(|(setting, _)| *setting == name);
        &mut setting.unwrap_or_else(|| panic!("{name} is not set")).1
    }

    /// Inserts a proxy in front of each server, in the order accounts, data, sessions.
    ///
    /// # Panics
    /// If there are no servers, or no port is free.
    pub async fn insert_proxies(&mut self) -> [Proxy; 3] {
        self.insert_all_proxies().await.try_into().ok().expect("three servers")
    }

    /// As [`insert_proxies`](Self::insert_proxies), with a proxy for each database of sync data, in the order of the list.
    ///
    /// # Panics
    /// If there are no servers, or no port is free.
    pub async fn insert_all_proxies(&mut self) -> Vec<Proxy> {
        let mut proxies = Vec::new();
        for (_, list) in &mut self.settings {
            let mut urls = Vec::new();
            for url in list.split(',') {
                let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a URL with a port");
                let target = port.parse().expect("a port");
                let proxy = Proxy::start(target).await;
                urls.push(url.replace(&format!(":{target}"), &format!(":{}", proxy.port())));
                proxies.push(proxy);
            }
            *list = urls.join(",");
        }
        proxies
    }

    /// Returns the same stores for another service. The servers stop when `self` is dropped.
    pub fn share(&self) -> Self {
        Self { settings: self.settings.clone(), _own: None }
    }

    /// Starts sqld and Redis, creates a database on the shared PostgreSQL server, and applies all migrations.
    ///
    /// # Panics
    /// If a server does not start.
    pub async fn start_servers() -> Self {
        Self::start_servers_with(1).await
    }

    /// As [`start_servers`](Self::start_servers), with `count` databases of sync data.
    ///
    /// # Panics
    /// If a server does not start.
    pub async fn start_servers_with(count: usize) -> Self {
        let (mut databases, redis) = (Vec::new(), RedisServer::start().await);
        for _ in 0..count {
            databases.push(Sqld::start().await);
        }
        let urls = vec![
            ("DATABASE_URL", PostgresServer::shared().await.database().await),
            ("TURSO_DATABASE_URL", databases.iter().map(Sqld::url).collect::<Vec<_>>().join(",")),
            ("REDIS_URL", redis.url()),
        ];
        let backends = Self { settings: urls, _own: Some((databases, redis)) };
        let (stores, config) = backends.open().await;
        stores.migrate(&config, &SystemRandom).await.expect("the migrations apply");
        backends
    }

    /// Opens the stores in this process.
    ///
    /// # Panics
    /// If a URL is invalid.
    pub async fn open(&self) -> (Stores, StoresConfig) {
        let env = Env::from_pairs(self.settings.iter().map(|(name, url)| (*name, url.as_str())));
        let config = StoresConfig::from_env(&env, PathBuf::new()).expect("the URLs are valid");
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        (Stores::open(&config, &random).await.expect("the URLs are valid"), config)
    }
}
