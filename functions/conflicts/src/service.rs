use std::sync::Arc;

use axum::extract::FromRef;
use shared::clock::{Clock, Random};
use shared::contention::{Rounds, UserLocks};
use shared::http::{ApiError, Authenticator};
use shared::models::{ChangeId, Conflict, ConflictId, UserId};
use shared::storage::{Commit, ConflictStore, SyncData, SyncStore};
use shared::sync::{ReadSet, ResolutionRequest, ResolveOutcome, resolve};
use shared::telemetry::decision_span;

/// What the endpoints of this function work with.
#[derive(Clone)]
pub struct Conflicts {
    authenticator: Arc<Authenticator>,
    pub(crate) store: Arc<dyn SyncStore>,
    pub(crate) book: Arc<dyn ConflictStore>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    queues: UserLocks,
}

impl FromRef<Conflicts> for Arc<Authenticator> {
    fn from_ref(conflicts: &Conflicts) -> Self {
        Self::clone(&conflicts.authenticator)
    }
}

impl Conflicts {
    /// The function over `store`.
    pub fn new(
        authenticator: Authenticator,
        store: Arc<dyn SyncData>,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        queues: UserLocks,
    ) -> Self {
        Self { authenticator: Arc::new(authenticator), store: store.clone(), book: store, random, clock, queues }
    }

    /// Loads, decides and commits until no other write of the user comes in between. `request` says what is wanted once it
    /// is known what kind of item is in conflict. Where it names no revision, the one that is loaded first counts as the
    /// one that the user has seen: a later round must not resolve what another request has made of the conflict meanwhile,
    /// or this one itself, by a commit whose answer was lost.
    pub(crate) async fn resolve(
        &self,
        user: UserId,
        id: &ConflictId,
        request_id: &ChangeId,
        request: impl Fn(&Conflict) -> Result<ResolutionRequest, ApiError>,
    ) -> Result<ResolveOutcome, ApiError> {
        let read_set = ReadSet::for_resolution(id, request_id);
        let no_such_conflict = || ApiError::not_found("conflict");
        let _turn = self.queues.turn(user).await;
        let mut rounds = Rounds::new(&*self.random);
        let mut complete = None;
        loop {
            let snapshot = self.store.load(user, &read_set).await?;
            let conflict = snapshot.conflicts.get(id).ok_or_else(no_such_conflict)?;
            let request = match &mut complete {
                Some(request) => request,
                none => {
                    let request = request(conflict)?;
                    let revision = request.revision.or(Some(conflict.revision()));
                    none.insert(ResolutionRequest { revision, ..request })
                }
            };
            let now = self.clock.now();
            let resolution = decision_span(1, || resolve(&snapshot, id, request, now)).ok_or_else(no_such_conflict)?;
            let is_done = match &resolution {
                ResolveOutcome::Resolved(plan, _) | ResolveOutcome::Outdated(Some(plan), _) => {
                    self.store.commit(user, plan, "", now).await? == Commit::Applied
                }
                ResolveOutcome::AlreadyResolved(_)
                | ResolveOutcome::ResolvedDifferently(_)
                | ResolveOutcome::Outdated(None, _) => true,
            };
            if is_done {
                return Ok(resolution);
            }
            if !rounds.again().await {
                return Err(ApiError::unavailable("the head kept moving while a conflict was resolved"));
            }
        }
    }
}
