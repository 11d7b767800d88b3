//! Concurrent writes of one user: the later one is decided again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::backoff::Backoff;
use crate::clock::Random;
use crate::models::UserId;

/// Most rounds of one request. Each lost round is a commit of another request, so eight writers at once rarely need more than
/// eight; if two of three rounds were lost, one request in ten million would need more than these.
const ROUNDS: u32 = 40;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(2), longest: Duration::from_millis(100) };

/// The rounds of one request: load, decide, commit, and once more if the user's head has moved meanwhile.
pub struct Rounds<'a> {
    random: &'a dyn Random,
    lost: u32,
}

impl<'a> Rounds<'a> {
    /// The first round.
    pub const fn new(random: &'a dyn Random) -> Self {
        Self { random, lost: 0 }
    }

    /// Waits a random while before the next round; whether there is one.
    pub async fn again(&mut self) -> bool {
        self.lost += 1;
        if self.lost == ROUNDS {
            return false;
        }
        tokio::time::sleep(BACKOFF.pause(self.lost - 1, self.random)).await;
        true
    }
}

/// Queues within a process: users share one now and then, which costs them no more than time.
const QUEUES: usize = 64;

/// Lets the writes of one user within a process wait for each other rather than collide.
#[derive(Clone)]
pub struct UserLocks(Arc<[Mutex<()>; QUEUES]>);

impl Default for UserLocks {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::new(()))))
    }
}

impl UserLocks {
    /// Waits for the turn of `user`, which lasts until the guard is dropped.
    pub async fn turn(&self, user: UserId) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or_default();
        self.0[place].lock().await
    }
}
