//! Removing an account and all its data from every store.

use crate::models::{Timestamp, UserId};
use crate::storage::{Deletions, Retention, Sessions, StoreResult};

/// Rows of each kind removed at a time.
const BATCH: usize = 1_000;

/// Where accounts leave something.
pub struct Remains<'a> {
    /// The accounts themselves.
    pub accounts: &'a dyn Deletions,
    /// Their sessions.
    pub sessions: &'a dyn Sessions,
    /// Their sync data.
    pub data: &'a dyn Retention,
}

impl Remains<'_> {
    /// Removes the account `user`, with at most `batches` batches of its data; whether nothing is left.
    ///
    /// The first step frees name and address and lists the account as pending; each further one can be repeated. So
    /// whoever is interrupted, at whatever point, is followed up by the next call, at the latest by the purge.
    ///
    /// # Errors
    /// When a store fails; what is left stays pending.
    pub async fn delete(&self, user: UserId, now: Timestamp, batches: usize) -> StoreResult<bool> {
        self.accounts.begin_deletion(user, now).await?;
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
