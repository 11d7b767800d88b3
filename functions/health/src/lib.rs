//! The `health` function: says whether the service is well, and what it offers.

mod alive;
mod openapi;
mod ready;

use std::pin::Pin;
use std::sync::Arc;

use shared::config::ConfigError;
use shared::storage::{Accounts, ChangeFeed, Sessions};
use tokio::sync::OnceCell;

/// The stores that the service needs to be ready.
#[derive(Clone)]
pub struct Dependencies {
    /// Its accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Its sync data.
    pub data: Arc<dyn ChangeFeed>,
    /// Its sessions.
    pub sessions: Arc<dyn Sessions>,
}

/// Finds out where the stores are.
type Find = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Dependencies, ConfigError>> + Send>> + Send + Sync;

/// The stores, once they are asked for: to say that the process is alive takes no secret.
#[derive(Clone)]
pub struct LazyDependencies {
    found: Arc<OnceCell<Dependencies>>,
    find: Arc<Find>,
}

impl LazyDependencies {
    /// Those that `find` finds; it is asked until it does.
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
);
