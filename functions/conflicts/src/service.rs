use std::sync::Arc;

use axum::extract::FromRef;
use shared::clock::Clock;
use shared::http::{ApiError, Gate};
use shared::models::{ConflictId, UserId};
use shared::storage::{Commit, ConflictBook, Feed, SyncData, SyncStore};
use shared::sync::{Plan, Request, Resolution, resolve};
use shared::telemetry::deciding;

/// How often a conflict is settled anew because an upload came first.
const ROUNDS: usize = 10;

/// What the endpoints of this function work with.
#[derive(Clone)]
pub struct Conflicts {
    gate: Arc<Gate>,
    pub(crate) store: Arc<dyn SyncStore>,
    pub(crate) book: Arc<dyn ConflictBook>,
    pub(crate) feed: Arc<dyn Feed>,
    clock: Arc<dyn Clock>,
}

impl FromRef<Conflicts> for Arc<Gate> {
    fn from_ref(conflicts: &Conflicts) -> Self {
        Self::clone(&conflicts.gate)
    }
}

impl Conflicts {
    /// The function over `store`.
    pub fn new(gate: Gate, store: Arc<dyn SyncData>, clock: Arc<dyn Clock>) -> Self {
        Self { gate: Arc::new(gate), store: store.clone(), book: store.clone(), feed: store, clock }
    }

    /// Loads, decides and applies until no upload of the user comes in between. `request` says what is wanted once it
    /// is known what kind of item is in conflict.
    pub(crate) async fn settle(
        &self,
        user: UserId,
        id: &ConflictId,
        request: impl Fn(&shared::models::Conflict) -> Result<Request, ApiError>,
        request_id: &shared::models::ChangeId,
    ) -> Result<Resolution, ApiError> {
        for _ in 0..ROUNDS {
            let found = self.store.load_conflict(user, id, request_id).await?;
            let (conflict, snapshot) = found.ok_or_else(|| ApiError::not_found("conflict"))?;
            let request = request(&conflict)?;
            let now = self.clock.now();
            let resolution = deciding(1, || resolve(conflict, &snapshot, &request, now));
            let written = match &resolution {
                Resolution::Settled(plan, ..) | Resolution::MovedOn(plan, _) => self.commit(user, plan).await?,
                Resolution::Already(..) | Resolution::SettledOtherwise => Commit::Applied,
            };
            if written == Commit::Applied {
                return Ok(resolution);
            }
        }
        Err(ApiError::unavailable(format!("the head moved {ROUNDS} times while a conflict was settled")))
    }

    async fn commit(&self, user: UserId, plan: &Plan) -> Result<Commit, ApiError> {
        Ok(self.store.commit(user, plan, "", self.clock.now()).await?)
    }
}
