use async_trait::async_trait;

use super::RedisSessions;
use super::connection::Request;
use super::keys;
use crate::models::{Timestamp, UserId};
use crate::storage::{RateLimitRequest, RateLimitStatus, RateLimiter, StoreResult};

#[async_trait]
impl RateLimiter for RedisSessions {
    async fn take(&self, rate_limit: &RateLimitRequest, now: Timestamp) -> StoreResult<RateLimitStatus> {
        let mut script = self.scripts.take.key(keys::bucket(rate_limit));
        script.arg(now.micros()).arg(rate_limit.policy.micros_per_token()).arg(rate_limit.policy.per_minute);
        let (taken, missing): (bool, i64) = self.connection.request("take", Request::Script(&script)).await?;
        Ok(rate_limit.policy.status(taken, missing))
    }

    async fn exchange(
        &self,
        user: UserId,
        taken: &RateLimitRequest,
        wanted: &RateLimitRequest,
        now: Timestamp,
    ) -> StoreResult<RateLimitStatus> {
        let mut script = self.scripts.exchange.key(keys::bucket_of(user, wanted));
        script.key(keys::bucket_of(user, taken)).arg(now.micros());
        script.arg(wanted.policy.micros_per_token()).arg(wanted.policy.per_minute).arg(taken.policy.micros_per_token());
        let (is_taken, missing): (bool, i64) = self.connection.request("exchange", Request::Script(&script)).await?;
        Ok(wanted.policy.status(is_taken, missing))
    }
}
