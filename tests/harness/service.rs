use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use local::{App, Stores};
use purge::Report;
use secrecy::SecretString;
use shared::auth::PasswordCost;
use shared::clock::{Clock, ManualClock, Random, SystemRandom};
use shared::config::Settings;
use shared::mail::{Delivery, Email, MemoryMailer};
use shared::models::{Timestamp, UserId};
use shared::storage::{AccountStore, MailKind};

use crate::{Api, Backends, scratch};

/// The whole service in this process: its clock stands until it is moved, its mails stay in memory.
pub struct Service {
    /// The way to it.
    pub api: Api,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its mails.
    pub mails: Arc<MemoryMailer>,
    /// All of it.
    pub app: App,
    _folder: tempfile::TempDir,
    /// The servers that it runs on.
    pub backends: Backends,
}

impl Service {
    /// A service that counts no calls.
    pub async fn start() -> Self {
        Self::with(&[("RATE_LIMITS", "off")]).await
    }

    /// A service with these settings.
    ///
    /// # Panics
    /// When it cannot start.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(Backends::chosen().await, settings).await
    }

    /// A service with these settings, on these stores.
    ///
    /// # Panics
    /// When it cannot start.
    pub async fn on(backends: Backends, settings: &[(&str, &str)]) -> Self {
        let chosen = backends.settings.iter().map(|(key, value)| (*key, value.as_str()));
        let all: Vec<(&str, &str)> = settings.iter().copied().chain(chosen).collect();
        let lookup = |name: &str| all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut settings = Settings::read(lookup).expect("the settings are right");
        settings.jwt_secret = Some(SecretString::from("a signing key for tests, 32 bytes"));
        Self::as_told(backends, settings).await
    }

    /// A service as `settings` say, on `backends` that they name.
    ///
    /// # Panics
    /// When it cannot start.
    pub async fn as_told(backends: Backends, mut settings: Settings) -> Self {
        settings.public_url.get_or_insert_with(|| "http://127.0.0.1:8500".to_owned());
        let folder = scratch();
        folder.path().clone_into(&mut settings.data);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let stores = Stores::open(&settings, &random).await.expect("the stores open");
        stores.migrate_file().await.expect("the file is brought up to date");
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time"));
        let mails = Arc::new(MemoryMailer::default());
        let mail_queued = Arc::default();
        let app = App {
            settings,
            stores,
            mailer: mails.clone(),
            mail_queued,
            clock: clock.clone(),
            random,
            password_cost: PasswordCost::OWASP,
        };
        let router: Router = app.router().expect("there is a signing key");
        Self { api: Api::Router(router), clock, mails, app, _folder: folder, backends }
    }

    /// Whether it runs on real servers.
    pub fn on_servers(&self) -> bool {
        !self.backends.settings.is_empty()
    }

    /// Delivers the mails that are due by the service's clock.
    ///
    /// # Panics
    /// When a store fails.
    pub async fn deliver(&self) -> Delivery {
        let outbox_worker = self.app.outbox_worker().expect("there is a public URL");
        outbox_worker.deliver(usize::MAX, Duration::from_secs(60)).await.expect("the store answers")
    }

    /// The newest mail of `kind` to `address`, once all that are due are delivered.
    pub async fn newest_mail(&self, kind: MailKind, address: &str) -> Option<Email> {
        self.deliver().await;
        self.mails.newest(kind, address)
    }

    /// The token in the link of the newest mail of `kind` to `address`, once all that are due are delivered.
    ///
    /// # Panics
    /// When there is none.
    pub async fn newest_token(&self, kind: MailKind, address: &str) -> String {
        self.deliver().await;
        self.mails.newest_token(kind, address).expect("a mail with a link")
    }

    /// Begins to delete the account of `user`, and goes no further.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn begin_deletion(&self, user: UserId) {
        begin_deletion(&*self.app.stores.accounts(), user, self.clock.now()).await;
    }

    /// Purges what is due by the service's clock.
    ///
    /// # Panics
    /// When a store fails.
    pub async fn purge(&self) -> Report {
        self.app.purge().run(self.clock.now()).await.expect("the purge runs")
    }
}

/// Begins to delete the account of `user` as whoever knows its password does; nothing where there is none.
///
/// # Panics
/// When the store fails, or the password is changed meanwhile.
pub async fn begin_deletion(accounts: &dyn AccountStore, user: UserId, now: Timestamp) {
    let Some(account) = accounts.get(user).await.expect("the store answers") else { return };
    let begun = accounts.begin_deletion(user, &account.password_hash, now).await;
    assert!(begun.expect("the store answers"), "nobody changes the password meanwhile");
}
