//! Scheduling points for tests: control over the order in which requests to stores are sent.
//!
//! Only builds with the feature `schedule` include this module, and no function enables it. `tests/interleavings` runs
//! operations concurrently, holds each request at `point` and releases one at a time, so that it can try every order.

use std::sync::Arc;

use async_trait::async_trait;

/// Controls the order in which requests to stores are sent.
#[async_trait]
pub trait Scheduler: Send + Sync {
    /// Waits until the calling task may send its next request: `statement`, to `store`.
    async fn turn(&self, store: &'static str, statement: &'static str);
}

tokio::task_local! {
    static SCHEDULER: Arc<dyn Scheduler>;
}

/// Runs `task` under `scheduler`. Tasks that `task` spawns are not included.
pub async fn scheduled<T>(scheduler: Arc<dyn Scheduler>, task: impl Future<Output = T>) -> T {
    SCHEDULER.scope(scheduler, task).await
}

/// A scheduling point: waits for the turn of this task. Returns immediately if no scheduler is set.
pub(crate) async fn point(store: &'static str, statement: &'static str) {
    if let Ok(scheduler) = SCHEDULER.try_with(Arc::clone) {
        scheduler.turn(store, statement).await;
    }
}
