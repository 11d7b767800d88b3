//! Rate limiter in memory, for the local server, which is a single process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{MICROS_PER_MINUTE, RateLimitRequest, RateLimitStatus, RateLimiter, StoreResult};
use crate::models::{Timestamp, UserId};

/// Minimum number of buckets for a sweep. A sweep removes full buckets, which are equivalent to missing ones.
const MIN_SWEEP: usize = 10_000;

/// Rate limiter in memory.
///
/// A bucket is stored as the time at which it will be full (the generic cell rate algorithm). A full bucket needs no entry, and
/// adding tokens needs no timer.
#[derive(Debug, Default)]
pub struct MemoryRateLimiter(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    full_at: HashMap<String, Timestamp>,
    /// Number of buckets at which the next sweep runs: twice as many as the last one left, so that the amortized cost of sweeps
    /// is constant per call.
    sweep_at: usize,
}

impl Buckets {
    /// Removes full buckets, if there are enough buckets for a sweep.
    fn sweep(&mut self, now: Timestamp) {
        if self.full_at.len() >= self.sweep_at.max(MIN_SWEEP) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = 2 * self.full_at.len();
        }
    }

    /// Returns the time at which the bucket `key` is full.
    fn full_at(&self, key: &str, now: Timestamp) -> Timestamp {
        self.full_at.get(key).map_or(now, |full_at| clamp(*full_at, now))
    }

    fn take(&mut self, rate_limit: &RateLimitRequest, now: Timestamp) -> RateLimitStatus {
        let (status, full_at) = take(rate_limit, self.full_at(&rate_limit.key, now), now);
        self.full_at.insert(rate_limit.key.clone(), full_at);
        status
    }

    fn give_back(&mut self, rate_limit: &RateLimitRequest, now: Timestamp) {
        let full_at = self.full_at(&rate_limit.key, now).micros() - rate_limit.policy.micros_per_token();
        self.full_at.insert(rate_limit.key.clone(), Timestamp::from_micros(full_at).max(now));
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn take(&self, rate_limit: &RateLimitRequest, now: Timestamp) -> StoreResult<RateLimitStatus> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(now);
        Ok(buckets.take(rate_limit, now))
    }

    async fn exchange(
        &self,
        _user: UserId,
        taken: &RateLimitRequest,
        wanted: &RateLimitRequest,
        now: Timestamp,
    ) -> StoreResult<RateLimitStatus> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(now);
        let status = buckets.take(wanted, now);
        if status.taken {
            buckets.give_back(taken, now);
        }
        Ok(status)
    }
}

/// Returns `full_at`, or `now` if that is later.
///
/// An empty bucket is full in a minute. If `full_at` is more than two minutes ahead, the clock was set back by more than a minute,
/// and the bucket counts as empty. Smaller steps of the clock do not add tokens.
fn clamp(full_at: Timestamp, now: Timestamp) -> Timestamp {
    if full_at.micros() - now.micros() > 2 * MICROS_PER_MINUTE {
        Timestamp::from_micros(now.micros() + MICROS_PER_MINUTE)
    } else {
        full_at.max(now)
    }
}

/// Takes a token from a bucket that is full at `full_at`. Returns its status, and when it is full afterwards.
fn take(rate_limit: &RateLimitRequest, full_at: Timestamp, now: Timestamp) -> (RateLimitStatus, Timestamp) {
    let per_token = rate_limit.policy.micros_per_token();
    let missing = full_at.micros() - now.micros();
    let taken = missing + per_token <= per_token * i64::from(rate_limit.policy.per_minute);
    let missing = if taken { missing + per_token } else { missing };
    (rate_limit.policy.status(taken, missing), Timestamp::from_micros(now.micros() + missing))
}
