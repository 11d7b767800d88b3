use std::sync::Arc;

use axum::extract::FromRef;
use shared::clock::{Clock, Random};
use shared::config::SyncConfig;
use shared::contention::{UserLocks, retry_if_head_moved};
use shared::http::{ApiError, Authenticator, Caller, UploadLimit};
use shared::models::Strategy;
use shared::storage::{Commit, SyncStore};
use shared::sync::{Append, Decision, ReadSet, Upload, decide};
use shared::telemetry::decision_span;

/// State of the upload endpoint.
#[derive(Clone)]
pub struct Uploads {
    authenticator: Arc<Authenticator>,
    store: Arc<dyn SyncStore>,
    config: SyncConfig,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    locks: UserLocks,
}

impl FromRef<Uploads> for Arc<Authenticator> {
    fn from_ref(uploads: &Uploads) -> Self {
        Self::clone(&uploads.authenticator)
    }
}

impl Uploads {
    /// Creates the state of the endpoint over `store`.
    pub fn new(
        authenticator: Authenticator,
        store: Arc<dyn SyncStore>,
        config: SyncConfig,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        locks: UserLocks,
    ) -> Self {
        Self { authenticator: Arc::new(authenticator), store, config, random, clock, locks }
    }

    pub(crate) const fn default_strategy(&self) -> Strategy {
        self.config.default_strategy
    }

    /// Applies `upload`: loads what it reads, decides and commits, again if another write of the user moved the head.
    pub(crate) async fn apply(
        &self,
        caller: &Caller<UploadLimit>,
        upload: &Upload,
        version: &str,
    ) -> Result<Decision, ApiError> {
        let user = caller.placed();
        let (now, quota) = (self.clock.now(), self.config.quota);
        if let Some(append) = Append::from_upload(upload, quota, now) {
            // An append does not depend on the head, but it moves the head under the request that holds the lock.
            let _guard = self.locks.lock(user.id).await;
            if let Some(head) = self.store.append(user, &append, version, now).await? {
                return Ok(Append::decision(upload, head));
            }
            // Not all entries are new, or not all fit. The decision says which.
        }
        // Even a sleep of zero lasts until the timer's next millisecond.
        if !caller.wait.is_zero() {
            tokio::time::sleep(caller.wait).await;
        }
        let _guard = self.locks.lock(user.id).await;
        let read_set = ReadSet::for_upload(upload);
        let decision = retry_if_head_moved(&*self.random, || async {
            let snapshot = self.store.load(user, &read_set).await?;
            let now = self.clock.now();
            let decision = decision_span(upload.changes.len(), || decide(snapshot, upload, quota, now));
            let plan = &decision.plan;
            let is_done = plan.is_empty() || self.store.commit(user, plan, version, now).await? == Commit::Applied;
            Ok::<_, ApiError>(is_done.then_some(decision))
        });
        decision.await?.ok_or_else(|| ApiError::unavailable("the head kept moving during one upload"))
    }
}
