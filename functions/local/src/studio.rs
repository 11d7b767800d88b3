use std::sync::Arc;

use auth::Auth;
use axum::Router;
use conflicts::Conflicts;
use download::Downloads;
use health::Probe;
use purge::Purge;
use shared::clock::{Clock, Random};
use shared::config::Settings;
use shared::http::{Frame, Gate, framed};
use shared::mail::Mailer;
use shared::storage::embedded::Embedded;
use shared::storage::{Accounts, Feed};
use upload::Uploads;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::openapi;

/// The whole service in one process.
pub struct Studio {
    /// Its settings.
    pub settings: Settings,
    /// Its stores.
    pub stores: Arc<Embedded>,
    /// Delivers its mails.
    pub mailer: Arc<dyn Mailer>,
    /// Tells it the time.
    pub clock: Arc<dyn Clock>,
    /// Gives it randomness.
    pub random: Arc<dyn Random>,
}

impl Studio {
    /// Every route, in its frame.
    ///
    /// # Errors
    /// When the settings lack a signing key or the public URL.
    pub fn router(&self) -> Result<Router, String> {
        let frame =
            Frame { clock: self.clock.clone(), random: self.random.clone(), origins: self.settings.origins.clone() };
        Ok(framed(self.routes()?.0, frame))
    }

    /// The purge of its stores.
    pub fn purge(&self) -> Purge {
        let stores = &self.stores;
        Purge::new(Arc::new(stores.sync()), stores.clone(), stores.clone(), vec![stores.clone()])
    }

    /// The routes without a frame, and their description.
    pub(crate) fn routes(&self) -> Result<(Router, OpenApi), String> {
        let data = Arc::new(self.stores.sync());
        let (random, clock) = (self.random.clone(), self.clock.clone());
        let strategy = self.settings.default_strategy;
        let auth = Auth::new(
            self.gate()?,
            self.stores.clone(),
            data.clone(),
            self.mailer.clone(),
            self.settings.brand()?,
            random.clone(),
            clock.clone(),
        );
        let uploads = Uploads::new(self.gate()?, data.clone(), strategy, random, clock.clone());
        let downloads = Downloads::new(self.gate()?, data.clone(), strategy);
        let conflicts = Conflicts::new(self.gate()?, data, clock);
        Ok(OpenApiRouter::with_openapi(openapi::description())
            .merge(auth::router(auth))
            .merge(upload::router(uploads))
            .merge(download::router(downloads))
            .merge(conflicts::router(conflicts))
            .merge(health::router(self.probes()))
            .split_for_parts())
    }

    fn gate(&self) -> Result<Gate, String> {
        Gate::new(&self.settings, self.stores.clone(), self.stores.clone(), self.clock.clone())
    }

    fn probes(&self) -> Vec<Probe> {
        let accounts = self.stores.clone();
        let data = Arc::new(self.stores.sync());
        let ask_accounts = move || {
            let accounts = accounts.clone();
            async move { accounts.ping().await }
        };
        let ask_data = move || {
            let data = data.clone();
            async move { data.ping().await }
        };
        vec![Probe::new("accounts", ask_accounts), Probe::new("sync data", ask_data)]
    }
}
