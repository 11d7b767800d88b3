use std::sync::Arc;

use axum::extract::FromRef;
use shared::clock::{Clock, Random};
use shared::contention::{Rounds, UserLocks};
use shared::http::{ApiError, Authenticator, Caller, UploadLimit};
use shared::models::Strategy;
use shared::storage::{Commit, SyncStore};
use shared::sync::{Append, Decision, ReadSet, Upload, decide};
use shared::telemetry::decision_span;

/// What the endpoint works with.
#[derive(Clone)]
pub struct Uploads {
    authenticator: Arc<Authenticator>,
    store: Arc<dyn SyncStore>,
    default_strategy: Strategy,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    queues: UserLocks,
}

impl FromRef<Uploads> for Arc<Authenticator> {
    fn from_ref(uploads: &Uploads) -> Self {
        Self::clone(&uploads.authenticator)
    }
}

impl Uploads {
    /// The function over `store`.
    pub fn new(
        authenticator: Authenticator,
        store: Arc<dyn SyncStore>,
        default_strategy: Strategy,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        queues: UserLocks,
    ) -> Self {
        Self { authenticator: Arc::new(authenticator), store, default_strategy, random, clock, queues }
    }

    pub(crate) const fn default_strategy(&self) -> Strategy {
        self.default_strategy
    }

    /// Loads, decides and applies until no other upload of the user comes in between.
    pub(crate) async fn apply(
        &self,
        caller: &Caller<UploadLimit>,
        upload: &Upload,
        version: &str,
    ) -> Result<Decision, ApiError> {
        let user = caller.user;
        let now = self.clock.now();
        if let Some(append) = Append::from_upload(upload, now) {
            // It needs no turn itself, but moves the head under the request whose turn it is.
            let _turn = self.queues.turn(user).await;
            let head = self.store.append(user, &append, version, now).await?;
            return Ok(Append::decision(upload, head));
        }
        // Even a sleep of nothing lasts until the timer's next millisecond.
        if !caller.wait.is_zero() {
            tokio::time::sleep(caller.wait).await;
        }
        let _turn = self.queues.turn(user).await;
        let read_set = ReadSet::for_upload(upload);
        let mut rounds = Rounds::new(&*self.random);
        loop {
            let snapshot = self.store.load(user, &read_set).await?;
            let now = self.clock.now();
            let decision = decision_span(upload.changes.len(), || decide(snapshot, upload, now));
            let plan = &decision.plan;
            if plan.is_empty() || self.store.commit(user, plan, version, now).await? == Commit::Applied {
                return Ok(decision);
            }
            if !rounds.again().await {
                return Err(ApiError::unavailable("the head kept moving during one upload"));
            }
        }
    }
}
