//! Service under test: several instances that share only the stores and the clock, as Lambda functions do.

use std::path::PathBuf;
use std::sync::Arc;

use local::{App, Config, Stores};
use purge::Purge;
use shared::auth::{AccessTokens, PasswordCost, SigningKeys};
use shared::clock::{ManualClock, Random, SystemRandom};
use shared::config::Env;
use shared::mail::MemoryMailer;
use shared::models::Timestamp;
use shared::storage::embedded::Embedded;
use shared::storage::libsql::{FileDatabase, Transport};
use tests::{Api, Backends, scratch_dir};

/// Number of instances. Each actor uses its own instance, because instances of a function share no queue or cache.
const INSTANCES: usize = 6;

/// Slightly more expensive than the initial hash of an account, so that a login replaces it.
const CHEAP_PASSWORD_COST: PasswordCost = PasswordCost { memory_kib: 16, passes: 1, lanes: 1 };

/// Instances of the service on shared stores.
pub(crate) struct Cluster {
    pub(crate) stores: Stores,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) tokens: AccessTokens,
    /// Maximum number of items of an account; `None` for the default.
    pub(crate) quota: Option<i64>,
    app: App,
    instances: Vec<Api>,
    _folder: tempfile::TempDir,
    _backends: Backends,
}

impl Cluster {
    /// Creates a cluster on the embedded stores, whose transport `wrap` may replace. Accounts may have `quota` items.
    pub(crate) async fn embedded(
        wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
        quota: Option<i64>,
    ) -> Self {
        let folder = scratch_dir();
        let file = FileDatabase::open(&folder.path().join(Embedded::FILE)).await.expect("the file opens");
        let file: Arc<dyn Transport> = Arc::new(file);
        Embedded::with_transport(file.clone()).migrate().await.expect("the migrations succeed");
        let stores = Stores::embedded(Embedded::with_transport(wrap(file)));
        Self::with_stores(stores, Backends::none(), folder, quota)
    }

    /// Creates a cluster on PostgreSQL, sqld and Redis. Accounts may have `quota` items.
    pub(crate) async fn on_servers(quota: Option<i64>) -> Self {
        let backends = Backends::start_servers().await;
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let stores = Stores::open(&config(&backends, quota).stores, &random).await.expect("the URLs are valid");
        Self::with_stores(stores, backends, scratch_dir(), quota)
    }

    fn with_stores(stores: Stores, backends: Backends, folder: tempfile::TempDir, quota: Option<i64>) -> Self {
        let config = config(&backends, quota);
        let (clock, random) = (ManualClock::at(Timestamp::EPOCH), Arc::new(SystemRandom) as Arc<dyn Random>);
        let app = App {
            config,
            stores,
            mailer: Arc::new(MemoryMailer::default()),
            email_queued: Arc::default(),
            clock: clock.clone(),
            random: random.clone(),
            breached_passwords: None,
            password_cost: CHEAP_PASSWORD_COST,
        };
        let instances = (0..INSTANCES).map(|_| Api::Router(app.router().expect("the signing key is set")));
        Self {
            instances: instances.collect(),
            stores: app.stores.clone(),
            clock,
            random,
            tokens: AccessTokens::new(Arc::new(SigningKeys::new(&app.config.auth).expect("the signing key is valid"))),
            quota,
            app,
            _folder: folder,
            _backends: backends,
        }
    }

    /// Returns the API of one instance.
    pub(crate) fn api(&self, instance: usize) -> &Api {
        &self.instances[instance % INSTANCES]
    }

    /// Returns the purge of the service.
    pub(crate) fn purge(&self) -> Purge {
        self.app.purge()
    }

    /// Returns an outbox worker that sends its emails to `mailer`.
    pub(crate) fn outbox_worker(&self, mailer: Arc<MemoryMailer>) -> shared::mail::OutboxWorker {
        let app = App { mailer, ..self.app.clone() };
        app.outbox_worker()
    }
}

fn config(backends: &Backends, quota: Option<i64>) -> Config {
    let fixed = [("RATE_LIMITS", "off"), ("JWT_SECRET", "a signing key for tests, 32 bytes")];
    let quota = quota.map(|items| ("USER_ITEMS", items.to_string()));
    let stores = backends.settings.iter().map(|(key, url)| (*key, url.as_str()));
    let quota = quota.iter().map(|(key, items)| (*key, items.as_str()));
    let env = Env::from_pairs(fixed.into_iter().chain(stores).chain(quota));
    let config = Config::from_env(&env, PathBuf::new(), "http://127.0.0.1:8500".to_owned());
    config.expect("the settings are valid")
}
