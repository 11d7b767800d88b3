//! Rate limiter in memory, for the local server, which is a single process.

use std::collections::HashMap;
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{RateLimitPolicy, RateLimitRequest, RateLimitStatus, RateLimiter, StoreResult};
use crate::models::Timestamp;

/// Minimum number of buckets for a sweep. A sweep removes full buckets, which are equivalent to missing ones.
const MIN_SWEEP: usize = 10_000;

/// One minute, in microseconds.
const MINUTE: i64 = 60_000_000;

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

    /// Returns the time that the bucket lacks of being full, in microseconds.
    fn missing(&self, bucket: &RateLimitRequest, now: Timestamp) -> i64 {
        let full_at = self.full_at.get(&bucket.key);
        full_at.map_or(0, |full_at| clamp(full_at.micros() - now.micros(), bucket.policy))
    }

    fn set_missing(&mut self, bucket: &RateLimitRequest, missing: i64, now: Timestamp) {
        self.full_at.insert(bucket.key.clone(), Timestamp::from_micros(now.micros() + missing));
    }

    fn take(&mut self, buckets: &[RateLimitRequest], now: Timestamp) -> Option<RateLimitStatus> {
        let lacks_token = |bucket: &&RateLimitRequest| self.missing(bucket, now) > most_missing(bucket.policy);
        if let Some(empty) = buckets.iter().find(lacks_token) {
            let missing = self.missing(empty, now);
            // After the clock was set back.
            self.set_missing(empty, missing, now);
            return Some(empty.policy.status(false, missing));
        }
        for bucket in buckets {
            self.set_missing(bucket, self.missing(bucket, now) + bucket.policy.micros_per_token(), now);
        }
        buckets.last().map(|bucket| bucket.policy.status(true, self.missing(bucket, now)))
    }

    fn give_back(&mut self, buckets: &[RateLimitRequest], now: Timestamp) {
        for bucket in buckets {
            self.set_missing(bucket, (self.missing(bucket, now) - bucket.policy.micros_per_token()).max(0), now);
        }
    }
}

impl MemoryRateLimiter {
    /// Locks the buckets, after a sweep if one is due.
    fn buckets(&self, now: Timestamp) -> MutexGuard<'_, Buckets> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(now);
        buckets
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn take(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<RateLimitStatus> {
        Ok(self.buckets(now).take(buckets, now).expect("there is at least one bucket"))
    }

    async fn give_back(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<()> {
        self.buckets(now).give_back(buckets, now);
        Ok(())
    }

    async fn exchange(
        &self,
        taken: &RateLimitRequest,
        wanted: &RateLimitRequest,
        now: Timestamp,
    ) -> StoreResult<RateLimitStatus> {
        let mut buckets = self.buckets(now);
        let status = buckets.take(slice::from_ref(wanted), now).expect("there is one bucket");
        if status.taken {
            buckets.give_back(slice::from_ref(taken), now);
        }
        Ok(status)
    }
}

/// Returns the most that a bucket with a token may lack of being full, in microseconds.
fn most_missing(policy: RateLimitPolicy) -> i64 {
    policy.micros_per_token() * i64::from(policy.tokens - 1)
}

/// Returns `missing`, at least 0.
///
/// An empty bucket is full after its window. If it lacks a minute more than that, the clock was set back by more than a minute, and the
/// bucket counts as empty. Smaller steps of the clock do not add tokens.
fn clamp(missing: i64, policy: RateLimitPolicy) -> i64 {
    let window = i64::from(policy.seconds) * 1_000_000;
    if missing > window + MINUTE { window } else { missing.max(0) }
}
