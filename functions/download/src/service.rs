use std::sync::Arc;

use axum::extract::FromRef;
use shared::http::Gate;
use shared::models::Strategy;
use shared::storage::Feed;

/// What the endpoints of this function work with.
#[derive(Clone)]
pub struct Downloads {
    gate: Arc<Gate>,
    pub(crate) feed: Arc<dyn Feed>,
    pub(crate) default_strategy: Strategy,
}

impl Downloads {
    /// The function over `feed`.
    pub fn new(gate: Gate, feed: Arc<dyn Feed>, default_strategy: Strategy) -> Self {
        Self { gate: Arc::new(gate), feed, default_strategy }
    }
}

impl FromRef<Downloads> for Arc<Gate> {
    fn from_ref(downloads: &Downloads) -> Self {
        Self::clone(&downloads.gate)
    }
}
