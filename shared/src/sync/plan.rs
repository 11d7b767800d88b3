//! Input and output of the decisions: uploads, plans, and results of changes.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Digest, Head, Size};
use crate::models::{
    Change, ChangeId, ChangeSummary, Conflict, ConflictId, CurrentItem, DeviceId, Edit, FieldError, ItemKey, Stored,
    Strategy, SyncVersion, Timestamp,
};

/// A parsed upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The uploading device.
    pub device: DeviceId,
    /// The cursor of the device's last download; `None` if it has none.
    pub last_sync_at: Option<Timestamp>,
    /// Strategy for the conflicts of this upload.
    pub strategy: Strategy,
    /// The changes, in order. A change that could not be parsed is a rejection.
    pub changes: Vec<Result<Change, Box<Rejection>>>,
}

/// The decision for an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The rows to write.
    pub plan: Plan,
    /// The result of each change, in order.
    pub results: Vec<ChangeResult>,
}

/// The result of one change of an upload, for the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeResult {
    /// The change is applied.
    Applied {
        /// The change.
        change: ChangeId,
        /// The item.
        key: ItemKey,
        /// The version that the change gave the item; 0 if it deleted an item that does not exist.
        version: SyncVersion,
        /// Effect of the change on the item.
        effect: Effect,
        /// The item after the whole upload, if it is not what the change made it.
        current: Option<CurrentItem>,
    },
    /// The change conflicts.
    Conflict {
        /// The change.
        change: ChangeId,
        /// The conflict after the whole upload.
        conflict: Conflict,
        /// Version of the item after the whole upload; 0 if it is gone.
        version: SyncVersion,
        /// The item after the whole upload, if it is not what the change said.
        current: Option<CurrentItem>,
    },
    /// The item is not at the version that the change names, under [`Strategy::Refuse`]. The change wrote nothing.
    Refused {
        /// The change.
        change: ChangeId,
        /// The item.
        key: ItemKey,
        /// Version of the item after the whole upload; 0 if there is none.
        version: SyncVersion,
        /// The item after the whole upload. Only the last result that concerns the item has it.
        current: Option<CurrentItem>,
    },
    /// The change is rejected and wrote nothing.
    Rejected(Box<Rejection>),
}

/// The rows to write. [`super::decide`] and [`super::resolve`] make plans, [`crate::storage::SyncStore::commit`] executes
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The head that the plan was made for. If the head has moved, the plan must not be committed.
    pub expected: Head,
    /// Time of the new head.
    pub new_head: Timestamp,
    /// The written versions of items, in the order of their server times. An item that the upload changes several times has
    /// several: the store keeps those that are replaced. If [`Stored::item`] is `None`, the write sets the tombstone only.
    pub items: Vec<(ItemKey, Stored)>,
    /// The new state of the written conflicts.
    pub conflicts: Vec<Conflict>,
    /// The new receipts, including history tombstones.
    pub receipts: Vec<Receipt>,
    /// The numbers to add to the device's statistics.
    pub device_stats: Option<DeviceStats>,
    /// The size of the written rows. The store subtracts that of the rows that they replace or displace.
    pub growth: Size,
    /// The new digest of the live items.
    pub digest: Digest,
    /// Whether the digest misses an earlier write.
    pub is_digest_stale: bool,
}

impl Plan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.conflicts.is_empty() && self.receipts.is_empty()
    }

    /// The first server time that the plan assigns; `None` if it writes nothing.
    pub fn first_seq(&self) -> Option<Timestamp> {
        let items = self.items.iter().map(|(_, stored)| stored.seq);
        let conflicts = self.conflicts.iter().map(|conflict| conflict.seq);
        items.chain(conflicts).chain(self.receipts.iter().map(|receipt| receipt.seq)).min()
    }
}

/// The numbers that one upload adds to the statistics of its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStats {
    /// The device.
    pub device: DeviceId,
    /// Number of changes applied, without repeats.
    pub synced: i64,
    /// Number of changes that conflicted, without repeats.
    pub conflicts: i64,
}

/// The record of an accepted change. It lets a repeat of the change, however late, change nothing and get the same result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The device that made the change. Change ids are unique per device. Resolutions and history tombstones have
    /// [`DeviceId::none`].
    pub device: DeviceId,
    /// The change.
    pub change: ChangeId,
    /// The item that it changed.
    pub key: ItemKey,
    /// The version of the item after the change.
    pub version: SyncVersion,
    /// The conflict that the change caused or renewed, if any.
    pub conflict: Option<ConflictId>,
    /// Whether the version was merged from the change and another device's edit.
    pub merged: bool,
    /// Server time of the change.
    pub seq: Timestamp,
}

impl Receipt {
    /// Bytes of a receipt besides its ids.
    const RECORD_BYTES: usize = 64;

    /// Size of the receipt of a change, in bytes, for the quota.
    pub(super) fn bytes_of(change: &ChangeId, device: &DeviceId, key: &ItemKey) -> usize {
        Self::RECORD_BYTES + change.as_str().len() + device.as_str().len() + key.id.as_str().len()
    }
}

/// Effect of an applied change on its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The item became what the change said, if it was not that already.
    AsSent,
    /// The item became a merge of the change and another device's edit.
    Merged,
    /// Nothing: the change edits a history entry. The first one with an id stays.
    Unchanged,
}

/// The outcome of one change. A later change of the same upload may still renew the conflict that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The change is applied, as this version.
    Applied(SyncVersion, Effect),
    /// The change conflicts.
    Conflict(ConflictId),
    /// The item is not at the version that the change names. Nothing is recorded.
    Refused,
    /// The change is rejected and wrote nothing.
    Rejected(RejectionCode, FieldError),
}

/// Reason for rejecting a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionCode {
    /// A field is missing or invalid.
    InvalidChange,
    /// The item's data is too large.
    ItemTooLarge,
    /// The change contains a credential. Credentials are never stored.
    CredentialsPresent,
    /// The checksum does not match the data.
    ChecksumMismatch,
    /// The change's id was already used for a change of another item. Not every such use is noticed.
    ChangeIdReused,
    /// The upload has reached its limit for the total size of conflicts. Upload the rejected changes again, in smaller
    /// uploads.
    TooManyConflicts,
    /// The change would make the account larger than its quota.
    QuotaExceeded,
    /// The item was deleted, and its tombstone was purged before this device saw it. Download without `since`, then upload
    /// the edit again if it is still wanted.
    ResyncRequired,
}

impl fmt::Display for RejectionCode {
    /// Writes the code as on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A rejected change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Summary of the change.
    pub change: ChangeSummary,
    /// Reason for the rejection.
    pub code: RejectionCode,
    /// The errors, by field. Never empty.
    pub details: Vec<FieldError>,
}

impl Rejection {
    /// Rejects a change that was parsed, at `index` of its upload, because of the stored data. The field of `error` is
    /// relative to the change.
    pub fn of_parsed(index: usize, change: &Change, code: RejectionCode, error: FieldError) -> Self {
        let action = match &change.edit {
            Edit::Put { expects_item: true, .. } => "update",
            Edit::Put { .. } => "create",
            Edit::Delete => "delete",
        };
        let summary = ChangeSummary {
            index,
            id: Some(change.id.to_string()),
            item_type: Some(change.key.item_type.to_string()),
            item_id: Some(change.key.id.to_string()),
            action: Some(action.to_owned()),
            updated_at: Some(change.updated_at.to_string()),
            sync_version: Some(change.base),
        };
        Self { change: summary, code, details: vec![error.below(&format!("changes[{index}]"))] }
    }
}
