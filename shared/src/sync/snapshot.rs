use std::collections::{BTreeMap, BTreeSet};

use super::copy::copy_id;
use super::{Receipt, Upload};
use crate::models::{
    ChangeId, Conflict, ConflictId, DeviceId, Edit, ItemKey, ItemType, Stored, Strategy, SyncVersion, Timestamp,
};

/// Where a user's line of changes stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The server time of the newest accepted change; [`Timestamp::EPOCH`] before the first.
    pub time: Timestamp,
    /// The server time of the newest tombstone that was purged: no delta can start before it.
    pub purged_through: Timestamp,
}

/// A line of edits that one device made on one version of an item: however many uploads bring it, it is one edit that
/// went on. The device is that of the upload at hand.
pub type Branch = (ItemKey, SyncVersion);

/// What an upload touches: what has to be loaded to decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The uploading device.
    pub device: DeviceId,
    /// The changed items, and the copies that keeping both would make.
    pub items: BTreeSet<ItemKey>,
    /// The changes themselves, any of which may be a repeat.
    pub changes: BTreeSet<ChangeId>,
    /// The branches that the changes go on with.
    pub branches: BTreeSet<Branch>,
}

impl Touched {
    /// What `upload` touches.
    pub fn by(upload: &Upload) -> Self {
        let mut touched = Self {
            device: upload.device.clone(),
            items: BTreeSet::new(),
            changes: BTreeSet::new(),
            branches: BTreeSet::new(),
        };
        for change in &upload.changes {
            touched.items.insert(change.key.clone());
            let appends = change.key.item_type == ItemType::QueryHistory;
            if appends && change.edit != Edit::Delete {
                continue; // recognised by its row, and never in conflict
            }
            touched.changes.insert(change.id.clone());
            if appends {
                continue;
            }
            touched.branches.insert((change.key.clone(), change.base));
            if upload.strategy == Strategy::KeepBoth {
                let id = copy_id(&change.key, &upload.device, change.base);
                touched.items.insert(ItemKey { item_type: change.key.item_type, id });
            }
        }
        touched
    }
}

/// The part of a user's data that an upload touches, as of one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The user's head.
    pub head: Head,
    /// The touched items that exist, deleted ones included, and the copies that the branches made.
    pub items: BTreeMap<ItemKey, Stored>,
    /// The receipts of those changes that were accepted before.
    pub receipts: BTreeMap<ChangeId, Receipt>,
    /// The newest conflict of each touched branch that has met one.
    pub branches: BTreeMap<Branch, ConflictId>,
    /// The conflicts that branches and receipts name, as they stand.
    pub conflicts: BTreeMap<ConflictId, Conflict>,
}
