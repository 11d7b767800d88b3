//! Optimistic concurrency control for the writes of one user: load, decide, commit by compare-and-swap on the head, and
//! start over if another write moved the head.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::sync::{Mutex, MutexGuard};

use crate::clock::{Random, random_bytes};
use crate::models::UserId;

/// Maximum number of rounds per request. Each lost round is a commit of another request, so eight concurrent writers
/// rarely need more than eight. Even if two of three rounds were lost, one request in ten million would need more than
/// 40.
const MAX_ROUNDS: usize = 40;

/// Jitter makes each pause up to twice as long, so the longest is 100 ms.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(1))
    .with_max_delay(Duration::from_millis(50))
    .with_max_times(MAX_ROUNDS - 1)
    .with_jitter();

/// Runs `round` until it commits, up to 40 times, with a random pause after each lost round. A round loads, decides and
/// commits; it returns `None` if the head moved meanwhile. Returns `None` if every round was lost.
///
/// # Errors
/// The first error of a round, which is not retried.
pub async fn retry_if_head_moved<T, E, F>(random: &dyn Random, mut round: impl FnMut() -> F) -> Result<Option<T>, E>
where
    F: Future<Output = Result<Option<T>, E>>,
{
    let attempt = || {
        let round = round();
        async { round.await.map_err(Some)?.ok_or(None) }
    };
    let backoff = BACKOFF.with_jitter_seed(u64::from_le_bytes(random_bytes(random)));
    match attempt.retry(backoff).when(Option::is_none).await {
        Ok(committed) => Ok(Some(committed)),
        Err(None) => Ok(None),
        Err(Some(error)) => Err(error),
    }
}

/// Number of locks. Users whose ids hash to the same lock wait for each other, which costs time only.
const LOCKS: usize = 64;

/// Locks that serialise the writes of a user within a process, so that they do not compete for the head.
#[derive(Clone)]
pub struct UserLocks(Arc<[Mutex<()>; LOCKS]>);

impl Default for UserLocks {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::new(()))))
    }
}

impl UserLocks {
    /// Acquires the lock of `user`. It is released when the guard is dropped.
    pub async fn lock(&self, user: UserId) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        self.0[index].lock().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRandom;

    #[tokio::test]
    async fn rounds_are_bounded_and_errors_final() {
        for (lost, outcome, rounds) in [(0, Ok(Some(())), 1), (2, Ok(Some(())), 3), (40, Ok(None), 40)] {
            let mut done = 0;
            let round = || {
                done += 1;
                let is_committed = done > lost;
                async move { Ok::<_, ()>(is_committed.then_some(())) }
            };
            assert_eq!(retry_if_head_moved(&SystemRandom, round).await, outcome);
            assert_eq!(done, rounds);
        }
        let mut done = 0;
        let round = || {
            done += 1;
            async { Err::<Option<()>, _>("failed") }
        };
        assert_eq!(retry_if_head_moved(&SystemRandom, round).await, Err("failed"));
        assert_eq!(done, 1);
    }
}
