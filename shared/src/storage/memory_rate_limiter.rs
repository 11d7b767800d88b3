//! Token buckets in this process's memory: for the local server, which is alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{MICROS_PER_MINUTE, RateLimitRequest, RateLimitStatus, RateLimiter, StoreResult};
use crate::models::Timestamp;

/// RateLimiter from which on the full ones are swept out, which say no more than missing ones.
const FIRST_SWEEP: usize = 10_000;

/// Token buckets in memory.
///
/// A bucket is kept as the moment at which it will be full (the generic cell rate algorithm): a full one needs no
/// entry, and the flow needs no timer.
#[derive(Debug, Default)]
pub struct MemoryRateLimiter(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    full_at: HashMap<String, Timestamp>,
    /// How many there must be for the next sweep: twice as many as the last one left, so that sweeping costs each call
    /// next to nothing.
    sweep_at: usize,
}

impl Kept {
    fn sweep(&mut self, now: Timestamp) {
        if self.full_at.len() >= self.sweep_at.max(FIRST_SWEEP) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = 2 * self.full_at.len();
        }
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn take(&self, rate_limit: &RateLimitRequest, now: Timestamp) -> StoreResult<RateLimitStatus> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(now);
        let full_at = buckets.full_at.get(&rate_limit.key).map_or(now, |full_at| as_seen_from(*full_at, now));
        let (state, full_at) = take(rate_limit, full_at, now);
        buckets.full_at.insert(rate_limit.key.clone(), full_at);
        Ok(state)
    }
}

/// When a bucket that was to be full at `full_at` will be. An empty one needs a minute. A clock that has gone back by less
/// than another one is waited for, so that none of its wobbling fills a bucket; one that was set back further is believed.
fn as_seen_from(full_at: Timestamp, now: Timestamp) -> Timestamp {
    if full_at.micros() - now.micros() > 2 * MICROS_PER_MINUTE {
        Timestamp::from_micros(now.micros() + MICROS_PER_MINUTE)
    } else {
        full_at.max(now)
    }
}

/// Takes a token from a bucket that would be full at `full_at`; how it stands then, and when it will be full.
fn take(rate_limit: &RateLimitRequest, full_at: Timestamp, now: Timestamp) -> (RateLimitStatus, Timestamp) {
    let per_token = rate_limit.policy.micros_per_token();
    let missing = full_at.micros() - now.micros();
    let taken = missing + per_token <= per_token * i64::from(rate_limit.policy.per_minute);
    let missing = if taken { missing + per_token } else { missing };
    (rate_limit.policy.state(taken, missing), Timestamp::from_micros(now.micros() + missing))
}
