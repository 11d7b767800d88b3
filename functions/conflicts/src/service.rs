use std::sync::Arc;

use axum::extract::FromRef;
use shared::clock::{Clock, Random};
use shared::contention::{Rounds, UserQueues};
use shared::http::{ApiError, Gate};
use shared::models::{ChangeId, Conflict, ConflictId, UserId};
use shared::storage::{Commit, ConflictBook, SyncData, SyncStore};
use shared::sync::{Request, Resolution, Touched, resolve};
use shared::telemetry::deciding;

/// What the endpoints of this function work with.
#[derive(Clone)]
pub struct Conflicts {
    gate: Arc<Gate>,
    pub(crate) store: Arc<dyn SyncStore>,
    pub(crate) book: Arc<dyn ConflictBook>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    queues: UserQueues,
}

impl FromRef<Conflicts> for Arc<Gate> {
    fn from_ref(conflicts: &Conflicts) -> Self {
        Self::clone(&conflicts.gate)
    }
}

impl Conflicts {
    /// The function over `store`.
    pub fn new(
        gate: Gate,
        store: Arc<dyn SyncData>,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        queues: UserQueues,
    ) -> Self {
        Self { gate: Arc::new(gate), store: store.clone(), book: store, random, clock, queues }
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
        request: impl Fn(&Conflict) -> Result<Request, ApiError>,
    ) -> Result<Resolution, ApiError> {
        let touched = Touched::by_resolving(id, request_id);
        let no_such_conflict = || ApiError::not_found("conflict");
        let _turn = self.queues.turn(user).await;
        let mut rounds = Rounds::new(&*self.random);
        let mut complete = None;
        loop {
            let snapshot = self.store.load(user, &touched).await?;
            let conflict = snapshot.conflicts.get(id).ok_or_else(no_such_conflict)?;
            let request = match &mut complete {
                Some(request) => request,
                none => {
                    let request = request(conflict)?;
                    let revision = request.revision.or(Some(conflict.revision()));
                    none.insert(Request { revision, ..request })
                }
            };
            let now = self.clock.now();
            let resolution = deciding(1, || resolve(&snapshot, id, request, now)).ok_or_else(no_such_conflict)?;
            let is_done = match &resolution {
                Resolution::Settled(plan, _) | Resolution::Outdated(Some(plan), _) => {
                    self.store.commit(user, plan, "", now).await? == Commit::Applied
                }
                Resolution::Already(_) | Resolution::SettledOtherwise(_) | Resolution::Outdated(None, _) => true,
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
