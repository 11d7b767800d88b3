//! Where stores live: what a suite is run on.

use std::sync::Arc;

use async_trait::async_trait;
use shared::storage::embedded::Embedded;
use shared::storage::memory_rate_limiter::MemoryRateLimiter;
pub(crate) use shared::storage::{AccountStore, SyncData};
use shared::storage::{Expiry, RateLimiter, Sessions};
use tempfile::TempDir;

use crate::remains::Stores;

/// Sessions in a store that does not forget by itself what has expired.
pub(crate) trait KeptSessions: Sessions + Expiry {}
impl<T: Sessions + Expiry> KeptSessions for T {}

/// A place that is empty at first. Every handle that it opens leads to the same data.
#[async_trait]
pub(crate) trait Place<Store: ?Sized>: Send + Sync {
    /// One more handle, as another process would have.
    async fn open(&self) -> Arc<Store>;
}

/// A folder with the embedded stores.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tests::scratch_dir())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) async fn embedded(&self) -> Embedded {
        let stores = Embedded::open(self.path()).await.expect("the stores open");
        stores.migrate().await.expect("the stores are brought up to date");
        stores
    }
}

#[async_trait]
impl Place<dyn SyncData> for Folder {
    async fn open(&self) -> Arc<dyn SyncData> {
        Arc::new(self.embedded().await.sync())
    }
}

#[async_trait]
impl Place<dyn AccountStore> for Folder {
    async fn open(&self) -> Arc<dyn AccountStore> {
        Arc::new(self.embedded().await)
    }
}

#[async_trait]
impl Place<dyn Sessions> for Folder {
    async fn open(&self) -> Arc<dyn Sessions> {
        Arc::new(self.embedded().await)
    }
}

#[async_trait]
impl Place<dyn KeptSessions> for Folder {
    async fn open(&self) -> Arc<dyn KeptSessions> {
        Arc::new(self.embedded().await)
    }
}

#[async_trait]
impl Place<Stores> for Folder {
    async fn open(&self) -> Arc<Stores> {
        let embedded = Arc::new(self.embedded().await);
        let data = Arc::new(embedded.sync());
        Arc::new(Stores { accounts: embedded.clone(), sessions: embedded, data })
    }
}

#[async_trait]
impl Place<dyn RateLimiter> for Folder {
    async fn open(&self) -> Arc<dyn RateLimiter> {
        Arc::new(self.embedded().await)
    }
}

/// This process's memory.
#[derive(Default)]
pub(crate) struct Memory(Arc<MemoryRateLimiter>);

#[async_trait]
impl Place<dyn RateLimiter> for Memory {
    async fn open(&self) -> Arc<dyn RateLimiter> {
        self.0.clone()
    }
}
