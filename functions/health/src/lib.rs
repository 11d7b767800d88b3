//! The `health` function: says whether the service is well, and what it offers.

mod alive;
mod openapi;
mod ready;

use std::pin::Pin;
use std::sync::Arc;

use shared::storage::{Accounts, Feed, Sessions};
use tokio::sync::OnceCell;

/// The stores that the service needs to be ready.
#[derive(Clone)]
pub struct Stores {
    /// Its accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Its sync data.
    pub data: Arc<dyn Feed>,
    /// Its sessions.
    pub sessions: Arc<dyn Sessions>,
}

/// Finds out where the stores are.
type Find = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Stores, String>> + Send>> + Send + Sync;

/// The stores, once they are asked for: to say that the process is alive takes no secret.
#[derive(Clone)]
pub struct LazyStores {
    found: Arc<OnceCell<Stores>>,
    find: Arc<Find>,
}

impl LazyStores {
    /// Those that `find` finds; it is asked until it does.
    pub fn new<F: Future<Output = Result<Stores, String>> + Send + 'static>(
        find: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self { found: Arc::default(), find: Arc::new(move || Box::pin(find())) }
    }

    async fn get(&self) -> Result<&Stores, String> {
        self.found.get_or_try_init(|| (self.find)()).await
    }
}

impl From<Stores> for LazyStores {
    fn from(stores: Stores) -> Self {
        Self::new(move || std::future::ready(Ok(stores.clone())))
    }
}

shared::endpoints!(
    LazyStores:
    alive::health,
    ready::ready,
    openapi::openapi,
);
