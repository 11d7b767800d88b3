use std::sync::Arc;

use axum::extract::FromRef;
use shared::http::Authenticator;
use shared::models::Strategy;
use shared::storage::ChangeFeed;

/// State of the download endpoints.
#[derive(Clone)]
pub struct Downloads {
    authenticator: Arc<Authenticator>,
    pub(crate) feed: Arc<dyn ChangeFeed>,
    pub(crate) default_strategy: Strategy,
}

impl Downloads {
    /// Creates the state of the endpoints over `feed`.
    pub fn new(authenticator: Authenticator, feed: Arc<dyn ChangeFeed>, default_strategy: Strategy) -> Self {
        Self { authenticator: Arc::new(authenticator), feed, default_strategy }
    }
}

impl FromRef<Downloads> for Arc<Authenticator> {
    fn from_ref(downloads: &Downloads) -> Self {
        Self::clone(&downloads.authenticator)
    }
}
