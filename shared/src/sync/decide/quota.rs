//! Rejects changes that would make the account larger than its quota.
//!
//! Whatever a change adds counts: the new version, its receipt, both sides of a conflict. The version that it replaces is kept,
//! so it stays counted. The deletion of an existing item always passes, because it is the way to become smaller. Until the purge it
//! adds the size of the item once more. That is bounded: beyond the quota, no item can be created.

use super::UploadState;
use crate::models::{Change, Edit, FieldError, Stored, Strategy};
use crate::sync::plan::Outcome;
use crate::sync::{Receipt, RejectionCode};

impl UploadState<'_> {
    /// Checks that the edit of an item, or its creation, fits. Returns the size of the item after it.
    pub(super) fn reserve_edit(&self, change: &Change) -> Result<usize, Outcome> {
        let stored = self.records.items.get(&change.key);
        let live = stored.filter(|stored| stored.is_live());
        let Edit::Put { content, .. } = &change.edit else {
            return if stored.is_some() { Ok(0) } else { self.check_bytes(change, 0, self.quota.bytes) };
        };
        let bytes = Stored::bytes_of(&change.key.id, content);
        match live {
            Some(live) if bytes <= live.bytes => self.check_bytes(change, bytes, self.quota.bytes_of_shrinking_edits()),
            Some(_) => self.check_bytes(change, bytes, self.quota.bytes),
            None => {
                check_items(self.totals.digest.items(), self.quota.items)?;
                self.check_bytes(change, bytes, self.quota.bytes)
            }
        }
    }

    /// Checks that a history entry fits, also into the share of the history. Returns its size.
    pub(super) fn reserve_history(&self, change: &Change) -> Result<usize, Outcome> {
        let size = self.reserve_edit(change)?;
        let share = self.quota.of_history();
        check_items(self.totals.digest.query_history, share.items)?;
        let bytes = add(self.totals.size.history_bytes + self.growth.history_bytes, size);
        if bytes > share.bytes {
            let message = format!("would make the history larger than {} bytes; delete entries", share.bytes);
            return Err(exceeded("data", message));
        }
        Ok(size)
    }

    /// Checks that the receipt of a change that writes nothing else fits.
    pub(super) fn reserve_receipt(&self, change: &Change) -> Result<(), Outcome> {
        self.check_bytes(change, 0, self.quota.bytes_of_shrinking_edits()).map(drop)
    }

    /// Checks that the conflict of a change fits, which has two versions of `local` and `remote` bytes. A renewal may keep
    /// two more of that size, and the local one may also become an item.
    pub(super) fn reserve_conflict(&self, change: &Change, local: usize, remote: usize) -> Result<(), Outcome> {
        let limit = match change.edit {
            Edit::Put { .. } => self.quota.bytes,
            Edit::Delete => self.quota.bytes_of_shrinking_edits(),
        };
        if self.conflict_adds_item(change) {
            check_items(self.totals.digest.items(), self.quota.items)?;
        }
        self.check_bytes(change, 3 * local + 2 * remote, limit).map(drop)
    }

    /// Whether resolving the conflict of `change` by the strategy of the upload adds a live item: a copy, or the item itself
    /// if it was deleted.
    fn conflict_adds_item(&self, change: &Change) -> bool {
        if change.edit == Edit::Delete {
            return false;
        }
        let stored = self.records.items.get(&change.key);
        match self.upload.strategy {
            Strategy::KeepBoth => self.renewed_conflict(change).is_none_or(|earlier| earlier.copy_id().is_none()),
            Strategy::LastWriteWins => {
                stored.is_some_and(|stored| !stored.is_live() && self.edited_at(change) > stored.updated_at)
            }
            Strategy::UserChoice | Strategy::Merge | Strategy::Refuse => false,
        }
    }

    /// Checks that `bytes` and the receipt of `change` fit into `limit`, and returns `bytes`.
    fn check_bytes(&self, change: &Change, bytes: usize, limit: i64) -> Result<usize, Outcome> {
        let receipt = Receipt::bytes_of(&change.id, &self.upload.device, &change.key);
        if add(self.totals.size.bytes + self.growth.bytes, bytes + receipt) <= limit {
            return Ok(bytes);
        }
        let field = if matches!(change.edit, Edit::Delete) { "item_id" } else { "data" };
        let message = format!("would make the account larger than {limit} bytes; delete what is not needed");
        Err(exceeded(field, message))
    }
}

fn add(bytes: i64, more: usize) -> i64 {
    bytes.saturating_add_unsigned(more as u64)
}

fn check_items(items: i64, limit: i64) -> Result<(), Outcome> {
    if items < limit {
        return Ok(());
    }
    Err(exceeded("item_id", format!("would be an item more than the {limit} that fit; delete others")))
}

fn exceeded(field: &str, message: String) -> Outcome {
    Outcome::Rejected(RejectionCode::QuotaExceeded, FieldError::new(field, message))
}
