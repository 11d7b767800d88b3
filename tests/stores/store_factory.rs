//! Factories of store handles: the parameter of every suite.

use std::sync::Arc;

use async_trait::async_trait;
use shared::storage::embedded::Embedded;
use shared::storage::memory_rate_limiter::MemoryRateLimiter;
pub(crate) use shared::storage::{AccountStore, SyncData};
use shared::storage::{Expiry, RateLimiter, Sessions};
use tempfile::TempDir;

use crate::account_eraser::AllStores;

/// Sessions in a store that needs an explicit purge of expired rows.
pub(crate) trait ExpiringSessions: Sessions + Expiry {}
impl<T: Sessions + Expiry> ExpiringSessions for T {}

/// Factory of handles to one store, which is empty at first.
#[async_trait]
pub(crate) trait StoreFactory<Store: ?Sized>: Send + Sync {
    /// Opens another handle to the same data, as another process would.
    async fn open(&self) -> Arc<Store>;
}

/// Embedded stores in a temporary folder.
pub(crate) struct EmbeddedFolder(TempDir);

impl EmbeddedFolder {
    pub(crate) fn new() -> Self {
        Self(tests::scratch_dir())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) async fn embedded(&self) -> Embedded {
        let stores = Embedded::open(self.path()).await.expect("the stores open");
        stores.migrate().await.expect("the migrations succeed");
        stores
    }
}

#[async_trait]
impl StoreFactory<dyn SyncData> for EmbeddedFolder {
    async fn open(&self) -> Arc<dyn SyncData> {
        Arc::new(self.embedded().await.sync())
    }
}

#[async_trait]
impl StoreFactory<dyn AccountStore> for EmbeddedFolder {
    async fn open(&self) -> Arc<dyn AccountStore> {
        Arc::new(self.embedded().await)
    }
}

#[async_trait]
impl StoreFactory<dyn Sessions> for EmbeddedFolder {
    async fn open(&self) -> Arc<dyn Sessions> {
        Arc::new(self.embedded().await)
    }
}

#[async_trait]
impl StoreFactory<dyn ExpiringSessions> for EmbeddedFolder {
    async fn open(&self) -> Arc<dyn ExpiringSessions> {
        Arc::new(self.embedded().await)
    }
}

#[async_trait]
impl StoreFactory<AllStores> for EmbeddedFolder {
    async fn open(&self) -> Arc<AllStores> {
        let embedded = Arc::new(self.embedded().await);
        let data = Arc::new(embedded.sync());
        Arc::new(AllStores { accounts: embedded.clone(), sessions: embedded, data })
    }
}

#[async_trait]
impl StoreFactory<dyn RateLimiter> for EmbeddedFolder {
    async fn open(&self) -> Arc<dyn RateLimiter> {
        Arc::new(self.embedded().await)
    }
}

/// Stores in the memory of this process.
#[derive(Default)]
pub(crate) struct InMemory(Arc<MemoryRateLimiter>);

#[async_trait]
impl StoreFactory<dyn RateLimiter> for InMemory {
    async fn open(&self) -> Arc<dyn RateLimiter> {
        self.0.clone()
    }
}
