use std::sync::Arc;

use axum::extract::FromRef;
use shared::config::SyncConfig;
use shared::http::{Authenticator, RateLimits};
use shared::storage::ChangeFeed;

/// State of the download endpoints.
#[derive(Clone)]
pub struct Downloads {
    authenticator: Arc<Authenticator>,
    pub(crate) feed: Arc<dyn ChangeFeed>,
    pub(crate) config: SyncConfig,
}

impl Downloads {
    /// Creates the state of the endpoints over `feed`.
    pub fn new(authenticator: Authenticator, feed: Arc<dyn ChangeFeed>, config: SyncConfig) -> Self {
        Self { authenticator: Arc::new(authenticator), feed, config }
    }

    pub(crate) fn rate_limits(&self) -> &RateLimits {
        &self.authenticator.rate_limits
    }
}

impl FromRef<Downloads> for Arc<Authenticator> {
    fn from_ref(downloads: &Downloads) -> Self {
        Self::clone(&downloads.authenticator)
    }
}
