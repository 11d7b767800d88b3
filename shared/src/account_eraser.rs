//! Removes a deleted account from every store.

use crate::models::{Timestamp, UserId};
use crate::storage::{Deletions, Retention, Sessions, StoreResult};

/// Maximum number of rows of each kind that one batch removes.
const BATCH: usize = 1_000;

/// Removes accounts from all stores.
pub struct AccountEraser<'a> {
    /// Store of the accounts.
    pub accounts: &'a dyn Deletions,
    /// Store of the sessions.
    pub sessions: &'a dyn Sessions,
    /// Store of the sync data.
    pub data: &'a dyn Retention,
}

impl AccountEraser<'_> {
    /// Removes the sessions of `user`, at most `batches` batches of sync data, and finally the account. Returns whether
    /// everything is removed. The deletion of the account must have begun.
    ///
    /// The deletion stays pending until its last step, and each step can be repeated. So the next call, at the latest that
    /// of the purge, completes a deletion that was interrupted at any point.
    ///
    /// # Errors
    /// Fails if a store fails. The deletion then stays pending.
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
