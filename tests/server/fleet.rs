use std::sync::Arc;

use local::{Stores, StoresConfig};
use shared::clock::{Random, SystemRandom};
use shared::config::Env;
use tests::{Api, Backends, ServerProcess};

use crate::target::sign_up;

/// Server processes on the same stores, and an account.
pub(crate) struct Fleet {
    pub(crate) token: String,
    servers: Vec<ServerProcess>,
    _backends: Option<Backends>,
    folder: tempfile::TempDir,
}

impl Fleet {
    /// Starts one process on the stores that `TEST_STORES` selects.
    pub(crate) async fn single() -> Self {
        Self::start(1, None).await
    }

    /// Starts two processes on real servers, like concurrent functions.
    pub(crate) async fn pair() -> Self {
        Self::start(2, Some(Backends::start_servers().await)).await
    }

    async fn start(count: usize, backends: Option<Backends>) -> Self {
        let folder = tests::scratch_dir();
        let mut environment = vec![("RATE_LIMITS", "off")];
        let settings = backends.iter().flat_map(|backends| &backends.settings);
        environment.extend(settings.map(|(name, value)| (*name, value.as_str())));
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(ServerProcess::start_with(folder.path(), &environment).await);
        }
        let token = sign_up(&servers[0].api, "ada").await;
        Self { token, servers, _backends: backends, folder }
    }

    /// Opens the stores of a single server in this process.
    pub(crate) async fn stores(&self) -> Stores {
        let backends = Backends::for_folder(self.folder.path()).await;
        let env = Env::from_pairs(backends.settings.iter().map(|(name, url)| (*name, url.as_str())));
        let config = StoresConfig::from_env(&env, self.folder.path().to_owned()).expect("the URLs are valid");
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        Stores::open(&config, &random).await.expect("the stores open")
    }

    /// Returns a transport to one of the processes; `index` selects it modulo their number.
    pub(crate) fn api(&self, index: usize) -> &Api {
        &self.servers[index % self.servers.len()].api
    }
}
