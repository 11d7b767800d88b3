use async_trait::async_trait;

use super::RedisSessions;
use super::connection::Request;
use super::keys;
use crate::models::Timestamp;
use crate::storage::{RateLimitRequest, RateLimitStatus, RateLimiter, StoreResult};

#[async_trait]
impl RateLimiter for RedisSessions {
    async fn take(&self, rate_limit: &RateLimitRequest, now: Timestamp) -> StoreResult<RateLimitStatus> {
        let mut script = self.scripts.take.key(keys::bucket(rate_limit));
        script.arg(now.micros()).arg(rate_limit.policy.micros_per_token()).arg(rate_limit.policy.per_minute);
        let (taken, missing): (bool, i64) = self.connection.request("take", Request::Script(&script)).await?;
        Ok(rate_limit.policy.status(taken, missing))
    }
}
