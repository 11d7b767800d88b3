use std::sync::Arc;

use auth::Auth;
use axum::Router;
use conflicts::Conflicts;
use download::Downloads;
use purge::Purge;
use shared::auth::{PasswordCost, Passwords};
use shared::breaches::BreachedPasswords;
use shared::clock::{Clock, Random};
use shared::config::ConfigError;
use shared::contention::UserLocks;
use shared::http::{Authenticator, with_middleware};
use shared::mail::{Brand, Mailer, OutboxWorker};
use tokio::sync::Notify;
use upload::Uploads;

use crate::{Config, Stores};

/// The whole service in one process.
#[derive(Clone)]
pub struct App {
    /// The settings.
    pub config: Config,
    /// The stores.
    pub stores: Stores,
    /// Delivers emails.
    pub mailer: Arc<dyn Mailer>,
    /// Notified when an email was queued.
    pub email_queued: Arc<Notify>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
    /// Looks new passwords up in the list of breached ones, if the operator wants it.
    pub breached_passwords: Option<BreachedPasswords>,
    /// Parameters of password hashes.
    pub password_cost: PasswordCost,
}

impl App {
    /// Returns all routes, wrapped in middleware.
    ///
    /// # Errors
    /// When a signing key is unusable.
    pub fn router(&self) -> Result<Router, ConfigError> {
        Ok(with_middleware(self.routes()?, &self.config.http, self.random.clone()))
    }

    /// Returns the purge of the stores.
    pub fn purge(&self) -> Purge {
        self.stores.purge()
    }

    /// Returns the worker that delivers queued emails.
    pub fn outbox_worker(&self) -> OutboxWorker {
        let (random, clock) = (self.random.clone(), self.clock.clone());
        OutboxWorker::new(self.stores.accounts(), self.mailer.clone(), self.brand(), random, clock)
    }

    /// Returns all routes without middleware.
    fn routes(&self) -> Result<Router, ConfigError> {
        let data = self.stores.data();
        let (random, clock) = (self.random.clone(), self.clock.clone());
        let sync = self.config.sync;
        let queues = UserLocks::default();
        let passwords = Passwords::new(self.password_cost, random.clone());
        let breached_passwords = self.breached_passwords.clone();
        let auth = Auth::new(
            self.authenticator()?,
            self.stores.accounts(),
            data.clone(),
            self.email_queued.clone(),
            self.brand(),
            random.clone(),
            clock.clone(),
        );
        let uploads =
            Uploads::new(self.authenticator()?, data.clone(), sync, random.clone(), clock.clone(), queues.clone());
        let downloads = Downloads::new(self.authenticator()?, data.clone(), sync);
        let conflicts = Conflicts::new(self.authenticator()?, data.clone(), sync.quota, random, clock, queues);
        let health = health::Dependencies { accounts: self.stores.accounts(), data, sessions: self.stores.sessions() };
        let routers = [
            auth::router(Auth { passwords, breached_passwords, ..auth }),
            upload::router(uploads),
            download::router(downloads),
            conflicts::router(conflicts),
            health::router(health.into()),
            crate::home::router(),
        ];
        Ok(routers.into_iter().fold(Router::new(), Router::merge))
    }

    fn authenticator(&self) -> Result<Authenticator, ConfigError> {
        let Config { auth, http, .. } = &self.config;
        Authenticator::new(auth, http, self.stores.sessions(), self.clock.clone())
    }

    fn brand(&self) -> Brand {
        Brand::sql_studio(&self.config.email)
    }
}
