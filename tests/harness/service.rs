use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use local::{App, Config, Stores, StoresConfig};
use purge::Report;
use shared::auth::PasswordCost;
use shared::breaches::BreachedPasswords;
use shared::clock::{Clock, ManualClock, Random, SystemRandom};
use shared::config::Env;
use shared::mail::{Delivery, Email, MemoryMailer};
use shared::models::{Timestamp, UserId};
use shared::storage::{AccountStore, EmailKind};
use tempfile::TempDir;

use crate::{Api, Backends, scratch_dir};

/// Complete service in this process, with a manual clock and an in-memory mailer.
pub struct Service {
    /// Transport to the service.
    pub api: Api,
    /// Manual clock.
    pub clock: Arc<ManualClock>,
    /// Mailer, which keeps all emails in memory.
    pub mailer: Arc<MemoryMailer>,
    /// Application.
    pub app: App,
    folder: TempDir,
    /// Store servers.
    pub backends: Backends,
}

impl Service {
    /// Starts a service without rate limits.
    pub async fn start() -> Self {
        Self::with_settings(&[("RATE_LIMITS", "off")]).await
    }

    /// Starts a service with these settings.
    ///
    /// # Panics
    /// If the service cannot start.
    pub async fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self::on_backends(Backends::from_env().await, settings).await
    }

    /// Starts a service with these settings on these stores.
    ///
    /// # Panics
    /// If the service cannot start.
    pub async fn on_backends(backends: Backends, settings: &[(&str, &str)]) -> Self {
        let chosen = backends.settings.iter().map(|(key, value)| (*key, value.as_str()));
        let key = ("JWT_SECRET", "a signing key for tests, 32 bytes");
        let env = Env::from_pairs(std::iter::once(key).chain(settings.iter().copied()).chain(chosen));
        Self::from_env(backends, &env).await
    }

    /// Starts a service with the settings of `env`, which point to `backends`.
    ///
    /// # Panics
    /// If the service cannot start.
    pub async fn from_env(backends: Backends, env: &Env) -> Self {
        let folder = scratch_dir();
        let config = Config::from_env(env, folder.path().to_owned(), "http://127.0.0.1:8500".to_owned());
        let config = config.expect("the settings are valid");
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time"));
        Self::start_on(config, folder, backends, clock, Arc::new(MemoryMailer::default())).await
    }

    async fn start_on(
        config: Config,
        folder: TempDir,
        backends: Backends,
        clock: Arc<ManualClock>,
        mailer: Arc<MemoryMailer>,
    ) -> Self {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let stores = Stores::open(&config.stores, &random).await.expect("the stores open");
        stores.migrate_file().await.expect("the migrations apply");
        let email_queued = Arc::default();
        let breached_passwords = config.breaches.as_ref().map(BreachedPasswords::new).transpose();
        let app = App {
            breached_passwords: breached_passwords.expect("an HTTP client can be built"),
            config,
            stores,
            mailer: mailer.clone(),
            email_queued,
            clock: clock.clone(),
            random,
            password_cost: PasswordCost::OWASP,
        };
        let router: Router = app.router().expect("there is a signing key");
        Self { api: Api::Router(router), clock, mailer, app, folder, backends }
    }

    /// Returns a copy of the file of the embedded stores, while no request is in progress.
    ///
    /// # Panics
    /// If the file cannot be copied.
    pub fn back_up(&self) -> TempDir {
        let copy = scratch_dir();
        copy_files(self.folder.path(), copy.path());
        copy
    }

    /// Returns this service on the copy of its file that [`back_up`](Self::back_up) has made, with the time of its clock.
    ///
    /// # Panics
    /// If the service cannot start.
    pub async fn restored_from(self, backup: &TempDir) -> Self {
        let folder = scratch_dir();
        copy_files(backup.path(), folder.path());
        let config = Config {
            stores: StoresConfig { data_dir: folder.path().to_owned(), ..self.app.config.stores },
            ..self.app.config
        };
        Self::start_on(config, folder, self.backends, self.clock, self.mailer).await
    }

    /// Whether the stores are real servers.
    pub fn on_servers(&self) -> bool {
        !self.backends.settings.is_empty()
    }

    /// Delivers the emails that are due by the service's clock.
    ///
    /// # Panics
    /// If a store fails.
    pub async fn deliver_due_emails(&self) -> Delivery {
        let outbox_worker = self.app.outbox_worker();
        outbox_worker.deliver(usize::MAX, Duration::from_secs(60)).await.expect("the store responds")
    }

    /// Delivers the due emails, and returns the newest of the kind `kind` to `address`.
    pub async fn newest_email(&self, kind: EmailKind, address: &str) -> Option<Email> {
        self.deliver_due_emails().await;
        self.mailer.newest(kind, address)
    }

    /// Delivers the due emails, and returns the token in the link of the newest of the kind `kind` to `address`.
    ///
    /// # Panics
    /// If there is no such email.
    pub async fn newest_token(&self, kind: EmailKind, address: &str) -> String {
        self.deliver_due_emails().await;
        self.mailer.newest_token(kind, address).expect("an email with a link")
    }

    /// Performs only the first step of deleting the account of `user`.
    ///
    /// # Panics
    /// If the store fails.
    pub async fn begin_deletion(&self, user: UserId) {
        begin_deletion(&*self.app.stores.accounts(), user, self.clock.now()).await;
    }

    /// Runs a purge at the time of the service's clock.
    ///
    /// # Panics
    /// If a store fails.
    pub async fn purge(&self) -> Report {
        self.app.purge().run(self.clock.now()).await.expect("the purge runs")
    }
}

fn copy_files(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).expect("the folder exists") {
        let file = file.expect("the folder can be listed");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("the file can be copied");
    }
}

/// Performs the first step of deleting the account of `user` with its current password hash. Does nothing if the account
/// does not exist.
///
/// # Panics
/// If the store fails, or the password changes concurrently.
pub async fn begin_deletion(accounts: &dyn AccountStore, user: UserId, now: Timestamp) {
    let Some(account) = accounts.get(user).await.expect("the store responds") else { return };
    let started = accounts.begin_deletion(user, &account.password_hash, now).await;
    assert!(started.expect("the store responds"), "the password changed concurrently");
}
