use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use local::{Stores, StoresConfig};
use shared::clock::{Random, SystemRandom};
use shared::config::Env;
use tokio::sync::Mutex;

use crate::{PostgresServer, Proxy, RedisServer, Sqld};

/// The variable that makes the stories, the simulation and the server's tests run on real servers, if it is `servers`.
const STORES: &str = "TEST_STORES";

/// Servers for one service, and the settings that name them; none where the embedded stores are to be tested.
pub struct Backends {
    /// The settings.
    pub settings: Vec<(&'static str, String)>,
    _own: Option<(Sqld, RedisServer)>,
}

impl Backends {
    /// Starts what the variable `TEST_STORES` asks for.
    ///
    /// # Panics
    /// When a server does not come up.
    pub async fn chosen() -> Self {
        match std::env::var(STORES).as_deref() {
            Ok("servers") => Self::servers().await,
            Err(_) | Ok("embedded") => Self::elsewhere(),
            Ok(other) => panic!("{STORES} is {other}, which is neither servers nor embedded"),
        }
    }

    /// None of one's own: the settings lead elsewhere.
    pub fn elsewhere() -> Self {
        Self { settings: Vec::new(), _own: None }
    }

    /// The same for every process that keeps its data in `folder`.
    ///
    /// # Panics
    /// As [`chosen`](Self::chosen).
    pub async fn kept_for(folder: &Path) -> Arc<Self> {
        static KEPT: Mutex<BTreeMap<PathBuf, Arc<Backends>>> = Mutex::const_new(BTreeMap::new());
        let mut kept = KEPT.lock().await;
        if let Some(backends) = kept.get(folder) {
            return backends.clone();
        }
        let backends = Arc::new(Self::chosen().await);
        kept.insert(folder.to_owned(), backends.clone());
        backends
    }

    /// The URL that the setting `name` holds.
    ///
    /// # Panics
    /// When there is no such setting.
    pub fn url(&mut self, name: &str) -> &mut String {
        let setting = self.settings.iter_mut().find(|(setting, _)| *setting == name);
        &mut setting.unwrap_or_else(|| panic!("{name} is not set")).1
    }

    /// Puts a proxy before each server: that of accounts, of data, of sessions.
    ///
    /// # Panics
    /// When there are no servers, or no port is free.
    pub async fn put_proxies(&mut self) -> [Proxy; 3] {
        let mut proxies = Vec::new();
        for (_, url) in &mut self.settings {
            let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a URL with a port");
            let target = port.parse().expect("a port");
            let proxy = Proxy::to(target).await;
            *url = url.replace(&format!(":{target}"), &format!(":{}", proxy.port()));
            proxies.push(proxy);
        }
        proxies.try_into().ok().expect("three servers")
    }

    /// The same stores for a further service, for as long as these are kept.
    pub fn lent(&self) -> Self {
        Self { settings: self.settings.clone(), _own: None }
    }

    /// Starts a server of each kind, or makes a database on the one that there is, and brings them up to date.
    ///
    /// # Panics
    /// When a server does not come up.
    pub async fn servers() -> Self {
        let (sqld, redis) = (Sqld::start().await, RedisServer::start().await);
        let urls = vec![
            ("DATABASE_URL", PostgresServer::shared().await.database().await),
            ("TURSO_DATABASE_URL", sqld.url()),
            ("REDIS_URL", redis.url()),
        ];
        let env = Env::from_pairs(urls.iter().map(|(name, url)| (*name, url.as_str())));
        let config = StoresConfig::from_env(&env, PathBuf::new()).expect("the URLs are right");
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let stores = Stores::open(&config, &random).await.expect("the URLs are right");
        stores.migrate().await.expect("the servers are brought up to date");
        Self { settings: urls, _own: Some((sqld, redis)) }
    }
}
