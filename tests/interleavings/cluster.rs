//! Service under test: several instances that share only the stores and the clock, as Lambda functions do.

use std::path::PathBuf;
use std::sync::Arc;

use local::{App, Config, Stores, StoresConfig};
use purge::Purge;
use secrecy::SecretString;
use shared::auth::{AccessTokens, PasswordCost, SigningKeys};
use shared::clock::{Clock, ManualClock, Random, SystemRandom};
use shared::config::Env;
use shared::mail::MemoryMailer;
use shared::models::{DatabaseId, Timestamp, UserId};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::{Directory, FileDatabase, Hrana, LibsqlSync, Transport};
use shared::storage::{AccountStore, ChangeFeed, MoveError, Retention, UserMoves};
use tests::{Api, Backends, Sqld, scratch_dir};

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
    /// Moves users between the databases, if there are several.
    pub(crate) mover: Option<Mover>,
    app: App,
    instances: Vec<Api>,
    _servers: Vec<Sqld>,
    _folder: tempfile::TempDir,
    _backends: Backends,
}

/// Moves users between databases. It stores no hints, so that those of the sessions become old.
pub(crate) struct Mover {
    sync: LibsqlSync,
    ids: Vec<DatabaseId>,
}

impl Mover {
    async fn new(accounts: Arc<dyn AccountStore>, databases: impl Iterator<Item = Arc<dyn Transport>>) -> Self {
        let set = accounts.database_set().await.expect("the operation succeeds");
        let directory = Directory { placements: accounts, sessions: None };
        let sync = LibsqlSync::placed(databases.map(|database| (database, 1)).collect(), directory);
        // Reads the identities, which a process does once.
        sync.ping().await.expect("the servers respond");
        Self { sync, ids: set.members.into_iter().map(|member| member.id).collect() }
    }

    /// Moves `user` from the database `home` to another one, or back.
    pub(crate) async fn move_user(&self, user: UserId, home: DatabaseId, back: bool, clock: &dyn Clock) {
        let other = *self.ids.iter().find(|id| **id != home).expect("there are several databases");
        match self.sync.move_user(user, if back { home } else { other }, clock).await {
            Ok(_) | Err(MoveError::NoUser | MoveError::Superseded | MoveError::KeptChanging) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Removes what moves have left behind.
    pub(crate) async fn clean_up(&self) {
        self.sync.clean_up_moves(Timestamp::MAX, 1_000, 1_000).await.expect("the operation succeeds");
    }
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

    /// Creates a cluster on two libSQL servers, and accounts and sessions in a file. `wrap` may replace the access of movers to
    /// the servers.
    pub(crate) async fn with_databases(wrap: impl Fn(Arc<dyn Transport>) -> Arc<dyn Transport>) -> Self {
        let folder = scratch_dir();
        let servers = [Sqld::start().await, Sqld::start().await];
        let urls = servers.each_ref().map(Sqld::url);
        let env = Env::from_pairs([("TURSO_DATABASE_URL", urls.join(",").as_str())]);
        let config = StoresConfig::from_env(&env, folder.path().to_owned()).expect("the URLs are valid");
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let stores = Stores::open(&config, &random).await.expect("the URLs are valid");
        stores.migrate(&config, &*random).await.expect("the migrations apply");
        let connect = |url: &String| {
            let database = Hrana::new(&SecretString::from(url.as_str()), None, random.clone());
            wrap(Arc::new(database.expect("the URL is valid")))
        };
        let mover = Mover::new(stores.accounts(), urls.iter().map(connect)).await;
        let cluster = Self::with_stores(stores, Backends::none(), folder, None);
        Self { mover: Some(mover), _servers: servers.into(), ..cluster }
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
            mover: None,
            app,
            _servers: Vec::new(),
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
