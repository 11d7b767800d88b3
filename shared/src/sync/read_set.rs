use std::collections::BTreeSet;

use super::copy::branch_copy_id;
use super::{Branch, Upload, canonical_hash};
use crate::models::{Change, ChangeId, ConflictId, DeviceId, Edit, ItemId, ItemKey, ItemType, Strategy, SyncVersion};

/// The read set of an upload or of a resolution: the keys of everything that the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSet {
    /// The uploading device.
    pub device: DeviceId,
    /// The changed items, and the conflicted copies that [`Strategy::KeepBoth`] would make.
    pub items: BTreeSet<ItemKey>,
    /// The changes whose receipts are read, because each may be a repeat.
    pub changes: BTreeSet<ChangeId>,
    /// The branches whose conflicts are read, because the changes may renew them.
    pub branches: BTreeSet<Branch>,
    /// The added history entries, which are read with their content.
    pub added_history: BTreeSet<ItemId>,
    /// The history tombstones of these entries, and the receipts of edits of them that were ignored.
    pub history_receipts: BTreeSet<ChangeId>,
    /// The conflict to resolve. It is read together with its item, its conflicted copy, and the copy that resolving it may
    /// make.
    pub conflict: Option<ConflictId>,
    /// Whether the versions to merge against are read for the branches.
    pub with_bases: bool,
    /// Replaced version of an item that is read, with those that the receipts of [`changes`](Self::changes) name.
    pub version: Option<(ItemKey, SyncVersion)>,
}

/// Returns the id of the history tombstone of `entry`: a receipt without a device that deleting the entry writes.
///
/// Adding a history entry leaves no receipt, because the stored entry itself serves as one. Once the purge has
/// removed the entry and its tombstone, only the history tombstone keeps a late repeat from adding the entry again.
pub(super) fn history_tombstone_id(entry: &ItemId) -> ChangeId {
    // Stores contain ids with this prefix.
    ChangeId::new_unchecked(format!("buried:{entry}"))
}

/// Returns the id of the receipt of a change of `device` that edits a history entry: a receipt without a device, like a history
/// tombstone. The id of the change itself has no meaning: clients have always been free to choose those of added history.
pub(super) fn ignored_edit_id(change: &Change, device: &DeviceId) -> ChangeId {
    let edit = canonical_hash(&(device, &change.key.id, &change.id));
    ChangeId::new_unchecked(format!("ignored:{edit}"))
}

impl ReadSet {
    /// Returns the empty read set of `device`.
    pub const fn empty(device: DeviceId) -> Self {
        Self {
            device,
            items: BTreeSet::new(),
            changes: BTreeSet::new(),
            branches: BTreeSet::new(),
            added_history: BTreeSet::new(),
            history_receipts: BTreeSet::new(),
            conflict: None,
            with_bases: false,
            version: None,
        }
    }

    /// Returns the read set for restoring the version `version` of the item `key` by the request `request`.
    pub fn for_restore(key: &ItemKey, version: SyncVersion, request: &ChangeId) -> Self {
        Self {
            items: BTreeSet::from([key.clone()]),
            changes: BTreeSet::from([request.clone()]),
            version: Some((key.clone(), version)),
            ..Self::empty(DeviceId::none())
        }
    }

    /// Returns the read set for resolving the conflict `id` by the request `request`.
    pub fn for_resolution(id: &ConflictId, request: &ChangeId) -> Self {
        let changes = BTreeSet::from([request.clone()]);
        Self { changes, conflict: Some(id.clone()), ..Self::empty(DeviceId::none()) }
    }

    /// Returns the read set of `upload`.
    pub fn for_upload(upload: &Upload) -> Self {
        let mut read_set =
            Self { with_bases: upload.strategy == Strategy::Merge, ..Self::empty(upload.device.clone()) };
        for change in upload.changes.iter().flatten() {
            let is_history = change.key.item_type == ItemType::QueryHistory;
            if is_history && change.edit != Edit::Delete {
                read_set.added_history.insert(change.key.id.clone());
                let receipts = [history_tombstone_id(&change.key.id), ignored_edit_id(change, &upload.device)];
                read_set.history_receipts.extend(receipts);
                continue;
            }
            read_set.changes.insert(change.id.clone());
            read_set.items.insert(change.key.clone());
            if is_history {
                continue;
            }
            let branch = (change.key.clone(), change.base);
            if upload.strategy == Strategy::KeepBoth {
                let id = branch_copy_id(&branch, &upload.device);
                read_set.items.insert(ItemKey { item_type: change.key.item_type, id });
            }
            read_set.branches.insert(branch);
        }
        let is_added =
            |key: &ItemKey| key.item_type == ItemType::QueryHistory && read_set.added_history.contains(&key.id);
        read_set.items.retain(|key| !is_added(key));
        read_set
    }

    /// Splits the read set in two halves, to be loaded separately. Returns `None` if it is too small to split.
    pub fn split(&self) -> Option<[Self; 2]> {
        let [mut first, mut second] = [Self::empty(self.device.clone()), Self::empty(self.device.clone())];
        (first.items, second.items) = halves(&self.items);
        (first.changes, second.changes) = halves(&self.changes);
        (first.branches, second.branches) = halves(&self.branches);
        (first.added_history, second.added_history) = halves(&self.added_history);
        // A statement of the added history reads both.
        first.history_receipts.clone_from(&self.history_receipts);
        second.history_receipts.clone_from(&self.history_receipts);
        first.conflict.clone_from(&self.conflict);
        first.version.clone_from(&self.version);
        (first.with_bases, second.with_bases) = (self.with_bases, self.with_bases);
        let sizes = [self.items.len(), self.added_history.len(), self.changes.len(), self.branches.len()];
        let can_split = sizes.into_iter().any(|size| size > 1);
        can_split.then_some([first, second])
    }
}

fn halves<T: Ord + Clone>(set: &BTreeSet<T>) -> (BTreeSet<T>, BTreeSet<T>) {
    let (first, second) = (set.iter().take(set.len() / 2), set.iter().skip(set.len() / 2));
    (first.cloned().collect(), second.cloned().collect())
}
