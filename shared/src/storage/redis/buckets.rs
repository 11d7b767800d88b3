use async_trait::async_trait;

use super::RedisSessions;
use super::keys;
use super::link::Ask;
use crate::models::Timestamp;
use crate::storage::{BucketState, Buckets, StoreResult, Toll};

#[async_trait]
impl Buckets for RedisSessions {
    async fn take(&self, toll: &Toll, now: Timestamp) -> StoreResult<BucketState> {
        let mut script = self.scripts.take.key(keys::bucket(toll));
        script.arg(now.micros()).arg(toll.policy.micros_per_token()).arg(toll.policy.per_minute);
        let (taken, missing): (bool, i64) = self.link.ask("take", Ask::Script(&script)).await?;
        Ok(toll.policy.state(taken, missing))
    }
}
