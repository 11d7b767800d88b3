use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::copy::copy_id;
use super::{Receipt, Upload};
use crate::models::{
    ChangeId, Conflict, ConflictId, DeviceId, Edit, ItemId, ItemKey, ItemType, Stored, Strategy, SyncVersion, Timestamp,
};

/// Where a user's line of changes stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The server time of the newest accepted change; [`Timestamp::EPOCH`] before the first.
    pub time: Timestamp,
    /// The server time of the newest tombstone that was purged: no delta can start before it.
    pub purged_through: Timestamp,
    /// The highest version of any tombstone that was purged. An item that is made anew starts above it: were versions
    /// given twice, an edit of the old item would pass for one of the new.
    pub purged_version: SyncVersion,
}

impl Head {
    /// The version above which a new item of this kind starts. The history's versions are never compared, and all start
    /// at 1.
    pub(super) const fn version_floor(self, item_type: ItemType) -> SyncVersion {
        match item_type {
            ItemType::Connection | ItemType::SavedQuery => self.purged_version,
            ItemType::QueryHistory => 0,
        }
    }
}

/// The server time that the next accepted change gets: the first whole millisecond after every one before it and after
/// the clock.
///
/// Whole milliseconds, so that a client which keeps no more of a cursor than these loses nothing by it. Were there
/// several changes in one, a page could end in its middle, and such a client would ask for the same page for ever. A
/// large upload runs ahead of the clock by this, a millisecond a change, which nothing minds.
pub(super) fn next_time(head: Timestamp, now: Timestamp) -> Timestamp {
    head.max(now).next_millisecond()
}

/// A line of edits that one device made on one version of an item: however many uploads bring it, it is one edit that
/// went on. The device is that of the upload at hand.
pub type Branch = (ItemKey, SyncVersion);

/// What an upload touches: what has to be loaded to decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSet {
    /// The uploading device.
    pub device: DeviceId,
    /// The changed items, and the copies that keeping both would make.
    pub items: BTreeSet<ItemKey>,
    /// The changes themselves, any of which may be a repeat.
    pub changes: BTreeSet<ChangeId>,
    /// The branches that the changes go on with.
    pub branches: BTreeSet<Branch>,
    /// What receipts a deletion would have left of the entries that are appended to the history.
    pub history_tombstones: BTreeSet<ChangeId>,
    /// A conflict to be resolved, with its item and the copies that it made or may make.
    pub conflict: Option<ConflictId>,
}

/// The receipt that the deletion of an entry of the history leaves, of nobody's device: the entry's row was its receipt,
/// and once its tombstone is purged a late repeat would bring it back.
pub(super) fn history_tombstone_id(entry: &ItemId) -> ChangeId {
    ChangeId::trusted(format!("buried:{entry}"))
}

impl ReadSet {
    /// Nothing yet, by `device`.
    pub const fn nothing(device: DeviceId) -> Self {
        Self {
            device,
            items: BTreeSet::new(),
            changes: BTreeSet::new(),
            branches: BTreeSet::new(),
            history_tombstones: BTreeSet::new(),
            conflict: None,
        }
    }

    /// What resolving the conflict `id` by `request` touches.
    pub fn for_resolution(id: &ConflictId, request: &ChangeId) -> Self {
        let changes = BTreeSet::from([request.clone()]);
        Self { changes, conflict: Some(id.clone()), ..Self::nothing(DeviceId::none()) }
    }

    /// The same in two halves; `None` where there is nothing to halve.
    pub fn split(&self) -> Option<[Self; 2]> {
        let [mut one, mut other] = [Self::nothing(self.device.clone()), Self::nothing(self.device.clone())];
        (one.items, other.items) = halved(&self.items);
        (one.changes, other.changes) = halved(&self.changes);
        (one.branches, other.branches) = halved(&self.branches);
        (one.history_tombstones, other.history_tombstones) = halved(&self.history_tombstones);
        one.conflict.clone_from(&self.conflict);
        let split = self.items.len().max(self.changes.len()).max(self.branches.len()) > 1;
        split.then_some([one, other])
    }

    /// What `upload` touches.
    pub fn for_upload(upload: &Upload) -> Self {
        let mut read_set = Self::nothing(upload.device.clone());
        for change in upload.changes.iter().flatten() {
            read_set.items.insert(change.key.clone());
            let appends = change.key.item_type == ItemType::QueryHistory;
            if appends && change.edit != Edit::Delete {
                read_set.history_tombstones.insert(history_tombstone_id(&change.key.id));
                continue; // recognised by its row, and never in conflict
            }
            read_set.changes.insert(change.id.clone());
            if appends {
                continue;
            }
            read_set.branches.insert((change.key.clone(), change.base));
            if upload.strategy == Strategy::KeepBoth {
                let id = copy_id(&change.key, &upload.device, change.base);
                read_set.items.insert(ItemKey { item_type: change.key.item_type, id });
            }
        }
        read_set
    }
}

fn halved<T: Ord + Clone>(set: &BTreeSet<T>) -> (BTreeSet<T>, BTreeSet<T>) {
    let (one, other) = (set.iter().take(set.len() / 2), set.iter().skip(set.len() / 2));
    (one.cloned().collect(), other.cloned().collect())
}

/// The part of a user's data that a decision reads, as of one moment.
///
/// The head and everything else come from one batch, or from batches that returned the same head: there is no other way to
/// make a snapshot, and what is in one cannot be replaced. So a plan made from a snapshot is written only if nothing that
/// it was decided from has changed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Snapshot {
    head: Head,
    records: Records,
}

/// What a [`Snapshot`] holds besides the head.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Records {
    /// The touched items that exist, deleted ones included, and the copies that branches and conflicts made.
    pub items: BTreeMap<ItemKey, Stored>,
    /// The receipts of those changes that were accepted before.
    pub receipts: BTreeMap<ChangeId, Receipt>,
    /// Which of the touched burials there are.
    pub history_tombstones: BTreeSet<ChangeId>,
    /// Of each touched branch the newest conflict that it met of each kind: open, settled in one of the ways, with a copy
    /// or without.
    pub branches: BTreeMap<Branch, BTreeSet<ConflictId>>,
    /// The conflicts that were asked for, or that branches and receipts name, as they stand.
    pub conflicts: BTreeMap<ConflictId, Conflict>,
}

/// Two parts of a snapshot are not of the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadMismatch;

impl Snapshot {
    /// The records that one batch returned together with `head`.
    pub const fn from_batch(head: Head, records: Records) -> Self {
        Self { head, records }
    }

    /// Where the user's line of changes stood.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The head and the records, for a decision to be made on.
    pub(super) fn into_parts(self) -> (Head, Records) {
        (self.head, self.records)
    }

    /// Adds another part of the same data.
    ///
    /// # Errors
    /// When the head of `part` is another: something was written in between.
    pub fn merge(&mut self, part: Self) -> Result<(), HeadMismatch> {
        if self.head != part.head {
            return Err(HeadMismatch);
        }
        let (records, part) = (&mut self.records, part.records);
        records.items.extend(part.items);
        records.receipts.extend(part.receipts);
        records.history_tombstones.extend(part.history_tombstones);
        for (branch, conflicts) in part.branches {
            records.branches.entry(branch).or_default().extend(conflicts);
        }
        records.conflicts.extend(part.conflicts);
        Ok(())
    }
}

impl Deref for Snapshot {
    type Target = Records;

    fn deref(&self) -> &Records {
        &self.records
    }
}
