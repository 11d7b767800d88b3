//! A seam for tests: decides when each request to a store leaves the process.
//!
//! Only builds with the feature `schedule` have it, and no function asks for that feature. `tests/interleavings` runs
//! operations side by side, holds each request at [`point`] and releases one at a time, so that it can try every order.

use std::sync::Arc;

use async_trait::async_trait;

/// Decides when requests to stores are sent.
#[async_trait]
pub trait Scheduler: Send + Sync {
    /// Returns when the task that calls it may send its next request: `statement`, to `store`.
    async fn turn(&self, store: &'static str, statement: &'static str);
}

tokio::task_local! {
    static SCHEDULER: Arc<dyn Scheduler>;
}

/// Runs `task` with `scheduler` in charge of the requests it sends. Tasks that it spawns are not included.
pub async fn scheduled<T>(scheduler: Arc<dyn Scheduler>, task: impl Future<Output = T>) -> T {
    SCHEDULER.scope(scheduler, task).await
}

/// Waits for this task's turn; returns at once where no scheduler is in charge.
pub(crate) async fn point(store: &'static str, statement: &'static str) {
    if let Ok(scheduler) = SCHEDULER.try_with(Arc::clone) {
        scheduler.turn(store, statement).await;
    }
}
