//! The input of a decision: the part of a user's data that it reads, as of one moment.
//!
//! The head and all records of a [`Snapshot`] come from one batch, or from batches that returned the same head. No other
//! code can construct a snapshot or replace what it holds. So a plan that is committed under the compare-and-swap on the
//! head was decided from the current state.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::{Branch, Receipt, Totals};
use crate::models::{ChangeId, Conflict, ConflictId, ItemKey, ItemType, ItemVersion, Stored, SyncVersion, Timestamp};

/// The head of a user's change sequence, with the purge horizon.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Server time of the newest accepted change; [`Timestamp::EPOCH`] before the first one.
    pub time: Timestamp,
    /// Purge horizon: server time of the newest purged tombstone.
    pub purged_through: Timestamp,
    /// Time of the newest resolution of a purged conflict.
    pub conflicts_purged_through: Timestamp,
    /// Number of purges that removed something which was written after the one before. A purge that concerns a full sync, because it
    /// removes what was written since the full sync started, is always such a one.
    pub purge_generation: i64,
    /// Highest version of any purged tombstone.
    pub purged_version: SyncVersion,
    /// Version below which no item is written. It is raised after a restore from a backup: devices may have seen versions that
    /// the restore has undone, and must not take another version for one of them.
    pub version_floor: SyncVersion,
}

impl Head {
    /// Returns the time before which no delta can start: tombstones or resolved conflicts after it have been purged.
    pub fn delta_horizon(self) -> Timestamp {
        self.purged_through.max(self.conflicts_purged_through)
    }

    /// Returns the version of an item of this type after a write. `before` is its stored version, if it exists.
    ///
    /// An item that is created again after its tombstone was purged must not get a version that the old item had.
    /// Otherwise an edit based on the old item would pass for one based on the new item. History entries are never
    /// compared by version, so they all start at 1.
    pub(super) fn next_version(self, item_type: ItemType, before: Option<SyncVersion>) -> SyncVersion {
        1 + match item_type {
            ItemType::Connection | ItemType::SavedQuery => {
                before.unwrap_or(self.purged_version).max(self.version_floor)
            }
            ItemType::QueryHistory => before.unwrap_or(0),
        }
    }
}

/// The part of a user's data that a decision reads, as of one moment. All parts of it have the same head.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Snapshot {
    head: Head,
    totals: Totals,
    records: Records,
}

/// The records of a [`Snapshot`], without the head.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Records {
    /// The existing items of the read set, including tombstones, and the conflicted copies of the conflicts below.
    pub items: BTreeMap<ItemKey, Stored>,
    /// The receipts of the changes that were accepted before.
    pub receipts: BTreeMap<ChangeId, Receipt>,
    /// The existing history tombstones and receipts of ignored edits of the read set.
    pub history_receipts: BTreeSet<ChangeId>,
    /// For each branch of the read set, the newest conflict of each kind: open, or resolved by each strategy, with a
    /// conflicted copy or without.
    pub branches: BTreeMap<Branch, BTreeSet<ConflictId>>,
    /// The conflict of the read set, and all conflicts that branches and receipts name.
    pub conflicts: BTreeMap<ConflictId, Conflict>,
    /// For each branch of an upload that merges, the version to merge against: the base version, or a later one that the
    /// device wrote itself. Loaded only if the stored version is another device's, and not the base version.
    pub bases: BTreeMap<Branch, ItemVersion>,
    /// The replaced versions of the item to restore that the decision depends on.
    pub versions: BTreeMap<SyncVersion, ItemVersion>,
}

/// Two parts of a snapshot have different heads: something was written between the two reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadMismatch;

impl Snapshot {
    /// Creates a snapshot of records that one batch returned together with `head`.
    pub const fn from_batch(head: Head, totals: Totals, records: Records) -> Self {
        Self { head, totals, records }
    }

    /// Head of the user's change sequence.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Size and digest of the account.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Splits the snapshot into the head, the totals and the records, which the decision then modifies.
    pub(super) fn into_parts(self) -> (Head, Totals, Records) {
        (self.head, self.totals, self.records)
    }

    /// Adds another part of the same user's data.
    ///
    /// # Errors
    /// Fails if `part` has a different head.
    pub fn merge(&mut self, part: Self) -> Result<(), HeadMismatch> {
        if self.head != part.head {
            return Err(HeadMismatch);
        }
        let (records, part) = (&mut self.records, part.records);
        records.items.extend(part.items);
        records.receipts.extend(part.receipts);
        records.history_receipts.extend(part.history_receipts);
        for (branch, conflicts) in part.branches {
            records.branches.entry(branch).or_default().extend(conflicts);
        }
        records.conflicts.extend(part.conflicts);
        records.bases.extend(part.bases);
        records.versions.extend(part.versions);
        Ok(())
    }
}

impl Deref for Snapshot {
    type Target = Records;

    fn deref(&self) -> &Records {
        &self.records
    }
}
