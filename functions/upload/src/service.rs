use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use shared::clock::{Clock, Random, random_bytes};
use shared::http::{ApiError, Gate};
use shared::models::{Strategy, UserId};
use shared::storage::{Commit, SyncStore};
use shared::sync::{Decision, Touched, Upload, decide};
use tokio::sync::Mutex;

/// How often an upload is decided anew because another one of the same user came first. Eight devices that write at
/// once need about as many rounds in the worst case.
const ROUNDS: u32 = 20;
/// The longest pause before a second round; it doubles with each round, up to [`LONGEST_PAUSE_MICROS`].
const FIRST_PAUSE_MICROS: u64 = 2_000;
const LONGEST_PAUSE_MICROS: u64 = 100_000;
/// Uploads of one user queue within a process rather than collide. Users share a queue now and then; no matter.
const QUEUES: usize = 64;

/// What the endpoint works with.
#[derive(Clone)]
pub struct Uploads {
    gate: Arc<Gate>,
    store: Arc<dyn SyncStore>,
    default_strategy: Strategy,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    queues: Arc<[Mutex<()>; QUEUES]>,
}

impl FromRef<Uploads> for Arc<Gate> {
    fn from_ref(uploads: &Uploads) -> Self {
        Self::clone(&uploads.gate)
    }
}

impl Uploads {
    /// The function over `store`.
    pub fn new(
        gate: Gate,
        store: Arc<dyn SyncStore>,
        default_strategy: Strategy,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let queues = Arc::new(std::array::from_fn(|_| Mutex::new(())));
        Self { gate: Arc::new(gate), store, default_strategy, random, clock, queues }
    }

    pub(crate) const fn default_strategy(&self) -> Strategy {
        self.default_strategy
    }

    /// Loads, decides and applies until no other upload of the user comes in between.
    pub(crate) async fn apply(&self, user: UserId, upload: &Upload, version: &str) -> Result<Decision, ApiError> {
        let _turn = self.queue(user).lock().await;
        let touched = Touched::by(upload);
        for round in 0..ROUNDS {
            let snapshot = self.store.load(user, &touched).await?;
            let now = self.clock.now();
            let decision = decide(snapshot, upload, now);
            let plan = &decision.plan;
            if plan.is_empty() || self.store.commit(user, plan, version, now).await? == Commit::Applied {
                return Ok(decision);
            }
            tokio::time::sleep(self.pause(round)).await;
        }
        Err(ApiError::unavailable(format!("the head moved {ROUNDS} times during one upload")))
    }

    fn queue(&self, user: UserId) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or_default();
        &self.queues[place]
    }

    /// A random pause, so that those who collided do not collide again.
    fn pause(&self, round: u32) -> Duration {
        let longest = (FIRST_PAUSE_MICROS << round.min(16)).min(LONGEST_PAUSE_MICROS);
        Duration::from_micros(u64::from_le_bytes(random_bytes(&*self.random)) % longest)
    }
}
