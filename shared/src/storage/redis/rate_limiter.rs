use ::redis::FromRedisValue;
use async_trait::async_trait;

use super::RedisSessions;
use super::connection::Request;
use super::keys;
use super::script::Script;
use crate::models::Timestamp;
use crate::storage::{RateLimitRequest, RateLimitStatus, RateLimiter, StoreResult};

impl RedisSessions {
    /// Calls `script` with the time, the keys and the policies of `buckets`.
    async fn run_on_buckets<'a, T: FromRedisValue>(
        &self,
        name: &'static str,
        script: &Script,
        buckets: impl IntoIterator<Item = &'a RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<T> {
        let mut script = script.prepare_invoke();
        script.arg(now.micros());
        for bucket in buckets {
            script.key(keys::bucket(bucket)).arg(bucket.policy.micros_per_token()).arg(bucket.policy.tokens);
        }
        self.connection.request(name, Request::Script(&script)).await
    }
}

#[async_trait]
impl RateLimiter for RedisSessions {
    async fn take(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<RateLimitStatus> {
        let (taken, index, missing): (bool, usize, i64) =
            self.run_on_buckets("take", &self.scripts.take, buckets, now).await?;
        Ok(buckets[index - 1].policy.status(taken, missing))
    }

    async fn give_back(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<()> {
        self.run_on_buckets("give_back", &self.scripts.give_back, buckets, now).await
    }

    async fn exchange(
        &self,
        taken: &RateLimitRequest,
        wanted: &RateLimitRequest,
        now: Timestamp,
    ) -> StoreResult<RateLimitStatus> {
        let (is_taken, _, missing): (bool, usize, i64) =
            self.run_on_buckets("exchange", &self.scripts.exchange, [wanted, taken], now).await?;
        Ok(wanted.policy.status(is_taken, missing))
    }
}
