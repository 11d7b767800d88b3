//! The `health` function: reports the state of the service, and describes its API.

mod alive;
mod docs;
mod openapi;
mod ready;
mod reference;
mod reference_text;

use std::pin::Pin;
use std::sync::Arc;

use shared::config::ConfigError;
use shared::storage::{Accounts, ChangeFeed, Sessions};
use tokio::sync::OnceCell;

/// Stores that the service needs to be ready.
#[derive(Clone)]
pub struct Dependencies {
    /// Account store.
    pub accounts: Arc<dyn Accounts>,
    /// Store of the sync data.
    pub data: Arc<dyn ChangeFeed>,
    /// Session store.
    pub sessions: Arc<dyn Sessions>,
}

/// Opens the stores.
type Find = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Dependencies, ConfigError>> + Send>> + Send + Sync;

/// Stores that are opened at their first use: `GET /health` works without secrets.
#[derive(Clone)]
pub struct LazyDependencies {
    found: Arc<OnceCell<Dependencies>>,
    find: Arc<Find>,
}

impl LazyDependencies {
    /// Uses the stores that `find` opens. A failed attempt is repeated at the next use.
    pub fn new<F: Future<Output = Result<Dependencies, ConfigError>> + Send + 'static>(
        find: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self { found: Arc::default(), find: Arc::new(move || Box::pin(find())) }
    }

    async fn get(&self) -> Result<&Dependencies, ConfigError> {
        self.found.get_or_try_init(|| (self.find)()).await
    }
}

impl From<Dependencies> for LazyDependencies {
    fn from(stores: Dependencies) -> Self {
        Self::new(move || std::future::ready(Ok(stores.clone())))
    }
}

shared::endpoints!(
    LazyDependencies:
    alive::health,
    ready::ready,
    openapi::openapi,
    docs::docs,
);
