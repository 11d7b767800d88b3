//! Removing what an account leaves in every store.

use crate::models::{Timestamp, UserId};
use crate::storage::{Deletions, Retention, Sessions, StoreResult};

/// Rows of each kind removed at a time.
const BATCH: usize = 1_000;

/// Where accounts leave something.
pub struct AccountEraser<'a> {
    /// The accounts themselves.
    pub accounts: &'a dyn Deletions,
    /// Their sessions.
    pub sessions: &'a dyn Sessions,
    /// Their sync data.
    pub data: &'a dyn Retention,
}

impl AccountEraser<'_> {
    /// Removes the sessions of `user`, whose deletion has begun, at most `batches` batches of their data, and then the
    /// account itself; whether nothing is left.
    ///
    /// An account whose deletion has begun stays pending until its last step, and each step can be repeated. So an
    /// interrupted deletion, at whatever point, is finished by the next call, at the latest by the purge.
    ///
    /// # Errors
    /// When a store fails; what is left stays pending.
    pub async fn remove(&self, user: UserId, now: Timestamp, batches: usize) -> StoreResult<bool> {
        self.sessions.end_others(user, None).await?;
        for _ in 0..batches {
            if self.data.erase(user, now, BATCH).await? {
                self.accounts.finish_deletion(user).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
