//! Records the conflict of a change, and resolves it by the strategy of the upload:
//!
//! - `LastWriteWins`: the later edit becomes or stays the item. On a tie the stored version stays. The conflict keeps the
//!   losing side.
//! - `KeepBoth`: the stored version stays the item, and the change becomes a conflicted copy. A deletion cannot be copied:
//!   the stored version wins.
//! - `UserChoice`, and `Merge` where merging is not possible: the stored version stays the item, and the conflict stays open
//!   until the user resolves it.
//!
//! A change may renew an earlier conflict of its branch instead of adding one (see `sync::branch`). The conflict then keeps
//! its id, its time of detection, and its conflicted copy. The sides that it replaces stay in a resolved conflict.

use std::sync::Arc;

use super::UploadState;
use crate::models::{
    Change, Conflict, ConflictId, Edit, FieldError, Item, ItemId, ItemVersion, Resolution, ResolvedBy, Stored,
    Strategy, Winner,
};
use crate::sync::RejectionCode;
use crate::sync::branch::{left_behind, renews, replaces_content};
use crate::sync::copy::{branch_copy_id, conflict_id, conflicted_copy, sibling, unused_copy_id};
use crate::sync::plan::Outcome;
use crate::sync::write::{Write, created_at_after};

/// Maximum total size of the conflicts that one upload may cause, in bytes. The largest conflict fits.
///
/// A conflict keeps both sides, so without this limit a small upload could store many copies of a large item.
pub(super) const BUDGET_BYTES: usize = 16 * 1024 * 1024;

impl UploadState<'_> {
    /// Records the conflict that `change` causes, if it fits in the quota and in the conflict budget. Otherwise rejects the
    /// change.
    pub(super) fn record_conflict(&mut self, change: &Change) -> Outcome {
        let (local_bytes, remote_bytes) = self.conflict_bytes(change);
        if let Err(outcome) = self.reserve_conflict(change, local_bytes, remote_bytes) {
            return outcome;
        }
        if !self.reserve_conflict_bytes(local_bytes + remote_bytes) {
            let message = "conflicts, and this upload has reached its limit for the size of conflicts; \
                           upload the change again";
            return Outcome::Rejected(RejectionCode::TooManyConflicts, FieldError::new("item_id", message));
        }
        let local = self.local_version(change);
        let remote = ItemVersion::of(self.records.items.get(&change.key));
        let earlier = self.renewed_conflict(change).cloned();
        if let Some(earlier) = earlier.as_ref().filter(|earlier| replaces_content(earlier, &local, &remote)) {
            let at = self.next_seq();
            self.write_conflict(left_behind(earlier, self.stored_version(&change.key), at));
        }
        let (id, earlier_copy) = match &earlier {
            Some(earlier) => (earlier.id.clone(), earlier.copy_id().cloned()),
            None => (conflict_id(&self.upload.device, &change.id), None),
        };
        let resolved = self.resolve_by_strategy(change, local_bytes, &remote, (&id, earlier_copy));
        let seq = self.next_seq();
        let detected_at = earlier.map_or(seq, |earlier| earlier.detected_at);
        let resolution = resolved.map(|(by, winner, copy_id)| Resolution { at: seq, by, winner, copy_id });
        let conflict = Conflict {
            id: id.clone(),
            key: change.key.clone(),
            local,
            remote,
            item_version: self.stored_version(&change.key),
            detected_at,
            resolution,
            seq,
        };
        self.records.branches.entry((change.key.clone(), change.base)).or_default().insert(id.clone());
        self.write_conflict(conflict);
        Outcome::Conflict(id)
    }

    fn write_conflict(&mut self, conflict: Conflict) {
        // The store subtracts the size of the row that it replaces; a row that this upload has written is not there yet.
        if let Some(replaced) = self.records.conflicts.get(&conflict.id)
            && self.written_conflicts.contains(&conflict.id)
        {
            self.growth.subtract(replaced.bytes());
        }
        self.growth.add(conflict.bytes());
        self.written_conflicts.insert(conflict.id.clone());
        self.records.conflicts.insert(conflict.id.clone(), conflict);
    }

    /// Returns the sizes of the local and the remote side of the conflict of `change`.
    fn conflict_bytes(&self, change: &Change) -> (usize, usize) {
        let local_bytes = match &change.edit {
            Edit::Put { content, .. } => Stored::bytes_of(&change.key.id, content),
            Edit::Delete => 0,
        };
        (local_bytes, self.records.items.get(&change.key).map_or(0, |stored| stored.bytes))
    }

    /// Reserves `bytes` in the budget. Returns whether there is room.
    ///
    /// After the first conflict without room, there is no room for any other: a later edit of an item must not be accepted
    /// when an earlier one was rejected.
    fn reserve_conflict_bytes(&mut self, bytes: usize) -> bool {
        self.conflict_budget = self.conflict_budget.and_then(|left| left.checked_sub(bytes));
        self.conflict_budget.is_some()
    }

    /// Returns the conflict of the change's branch that the change renews: an open one if possible, otherwise the newest.
    pub(super) fn renewed_conflict(&self, change: &Change) -> Option<&Conflict> {
        let ids = self.records.branches.get(&(change.key.clone(), change.base))?;
        let conflicts = ids.iter().filter_map(|id| self.records.conflicts.get(id));
        let renewable = conflicts.filter(|conflict| {
            let copy = conflict.copy_id().and_then(|id| self.records.items.get(&sibling(&change.key, id)));
            renews(conflict, self.upload.strategy, &change.edit, copy)
        });
        renewable.max_by_key(|conflict| (conflict.resolution.is_none(), conflict.seq))
    }

    /// Returns the local side of the conflict: the version that `change` would make.
    fn local_version(&self, change: &Change) -> ItemVersion {
        let updated_at = self.edited_at(change);
        let item = match &change.edit {
            Edit::Put { content, created_at, .. } => {
                let stored = self.records.items.get(&change.key);
                let created_at = created_at_after(stored, *created_at, updated_at);
                Some(Item { content: content.clone(), created_at })
            }
            Edit::Delete => None,
        };
        ItemVersion { item, updated_at, sync_version: change.base, device: self.upload.device.clone() }
    }

    /// Resolves the conflict by the upload's strategy, and writes the item or the copy. Returns the parts of the resolution, or
    /// `None` if the conflict stays open.
    fn resolve_by_strategy(
        &mut self,
        change: &Change,
        bytes: usize,
        remote: &ItemVersion,
        (conflict, earlier_copy): (&ConflictId, Option<ItemId>),
    ) -> Option<(ResolvedBy, Option<Winner>, Option<ItemId>)> {
        match self.upload.strategy {
            Strategy::UserChoice | Strategy::Merge | Strategy::Refuse => None,
            Strategy::LastWriteWins if self.edited_at(change) > remote.updated_at => {
                let seq = self.next_seq();
                self.write_change(change, bytes, seq);
                Some((ResolvedBy::LastWriteWins, Some(Winner::Local), None))
            }
            Strategy::LastWriteWins => Some((ResolvedBy::LastWriteWins, Some(Winner::Remote), None)),
            Strategy::KeepBoth => match self.write_copy(change, conflict, earlier_copy) {
                Some(copy) => Some((ResolvedBy::KeepBoth, None, Some(copy))),
                None => Some((ResolvedBy::KeepBoth, Some(Winner::Remote), None)),
            },
        }
    }

    /// Writes the change as a conflicted copy: `earlier_copy` if the conflict has one, otherwise a new item. Returns the id
    /// of the copy, or `None` for a deletion.
    fn write_copy(&mut self, change: &Change, conflict: &ConflictId, earlier_copy: Option<ItemId>) -> Option<ItemId> {
        let Edit::Put { content, created_at, .. } = &change.edit else { return None };
        let seq = self.next_seq();
        let id = earlier_copy.unwrap_or_else(|| {
            let preferred = branch_copy_id(&(change.key.clone(), change.base), &self.upload.device);
            unused_copy_id(&self.records.items, &change.key, preferred, conflict, seq)
        });
        let content = Arc::new(conflicted_copy(content, &self.upload.device, self.now));
        let bytes = Stored::bytes_of(&id, &content);
        let edit = &Edit::Put { content, created_at: *created_at, expects_item: false };
        let (updated_at, device) = (self.edited_at(change), &self.upload.device);
        self.write_item(&sibling(&change.key, &id), &Write { edit, bytes, updated_at, device, seq });
        Some(id)
    }
}
