use std::sync::{Arc, OnceLock};

use axum::extract::FromRef;
use shared::clock::{Clock, Random};
use shared::contention::{UserLocks, retry_if_head_moved};
use shared::http::{ApiError, Authenticator};
use shared::models::{ChangeId, Conflict, ConflictId, PlacedUser, Quota};
use shared::storage::{Commit, ConflictStore, SyncData, SyncStore};
use shared::sync::{ReadSet, ResolutionRequest, ResolveOutcome, RestoreOutcome, RestoreRequest, resolve, restore};
use shared::telemetry::decision_span;

/// State of the conflict endpoints.
#[derive(Clone)]
pub struct Conflicts {
    authenticator: Arc<Authenticator>,
    pub(crate) store: Arc<dyn SyncStore>,
    pub(crate) book: Arc<dyn ConflictStore>,
    quota: Quota,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    locks: UserLocks,
}

impl FromRef<Conflicts> for Arc<Authenticator> {
    fn from_ref(conflicts: &Conflicts) -> Self {
        Self::clone(&conflicts.authenticator)
    }
}

impl Conflicts {
    /// Creates the state of the endpoints over `store`.
    pub fn new(
        authenticator: Authenticator,
        store: Arc<dyn SyncData>,
        quota: Quota,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        locks: UserLocks,
    ) -> Self {
        Self { authenticator: Arc::new(authenticator), store: store.clone(), book: store, quota, random, clock, locks }
    }

    /// Resolves the conflict `id`: loads it, decides and commits, again if another write of the user moved the head.
    ///
    /// `request` returns the request for the loaded conflict, since its form depends on the kind of item. If the request
    /// names no revision, the first one that is loaded counts as the revision that the user has seen. So a later round does
    /// not resolve a revision that another request has created meanwhile, or this one by a commit whose response was lost.
    pub(crate) async fn resolve(
        &self,
        user: PlacedUser,
        id: &ConflictId,
        request_id: &ChangeId,
        request: impl Fn(&Conflict) -> Result<ResolutionRequest, ApiError>,
    ) -> Result<ResolveOutcome, ApiError> {
        let read_set = ReadSet::for_resolution(id, request_id);
        let not_found = || ApiError::not_found("conflict");
        let complete = |conflict: &Conflict| {
            let request = request(conflict)?;
            let revision = request.revision.or(Some(conflict.revision()));
            Ok::<_, ApiError>(ResolutionRequest { revision, ..request })
        };
        let _guard = self.locks.lock(user.id).await;
        let first_request = OnceLock::new();
        let outcome = retry_if_head_moved(&*self.random, || async {
            let snapshot = self.store.load(user, &read_set).await?;
            let conflict = snapshot.conflicts.get(id).ok_or_else(not_found)?;
            let request = match first_request.get() {
                Some(request) => request,
                None => {
                    let request = complete(conflict)?;
                    first_request.get_or_init(|| request)
                }
            };
            let now = self.clock.now();
            let outcome =
                decision_span(1, || resolve(&snapshot, id, request, self.quota, now)).ok_or_else(not_found)?;
            let is_done = match &outcome {
                ResolveOutcome::Resolved(plan, _) | ResolveOutcome::Outdated(Some(plan), _) => {
                    self.store.commit(user, plan, "", now).await? == Commit::Applied
                }
                ResolveOutcome::AlreadyResolved(_)
                | ResolveOutcome::ResolvedDifferently(_)
                | ResolveOutcome::QuotaExceeded
                | ResolveOutcome::Outdated(None, _) => true,
            };
            Ok::<_, ApiError>(is_done.then_some(outcome))
        });
        outcome.await?.ok_or_else(|| ApiError::unavailable("the head kept moving while a conflict was resolved"))
    }

    /// Restores a version of an item: loads it, decides and commits, again if another write of the user moved the head.
    pub(crate) async fn restore(&self, user: PlacedUser, request: &RestoreRequest) -> Result<RestoreOutcome, ApiError> {
        let read_set = ReadSet::for_restore(&request.key, request.version, &request.id);
        let _guard = self.locks.lock(user.id).await;
        let outcome = retry_if_head_moved(&*self.random, || async {
            let snapshot = self.store.load(user, &read_set).await?;
            let now = self.clock.now();
            let outcome = decision_span(1, || restore(&snapshot, request, self.quota, now));
            let is_done = match &outcome {
                RestoreOutcome::Restored(plan, _) => self.store.commit(user, plan, "", now).await? == Commit::Applied,
                _ => true,
            };
            Ok::<_, ApiError>(is_done.then_some(outcome))
        });
        outcome.await?.ok_or_else(|| ApiError::unavailable("the head kept moving while a version was restored"))
    }
}
