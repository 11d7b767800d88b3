use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Head;
use crate::models::{
    Change, ChangeHead, ChangeId, Conflict, ConflictId, DeviceId, Edit, FieldError, ItemKey, Stored, Strategy,
    SyncVersion, Timestamp,
};

/// One upload, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The uploading device.
    pub device: DeviceId,
    /// When the device last heard from the server, if ever.
    pub last_sync_at: Option<Timestamp>,
    /// How its conflicts are settled.
    pub strategy: Strategy,
    /// Its changes, in order; those that could not even be parsed as the rejections that they are answered with.
    pub changes: Vec<Result<Change, Box<Rejection>>>,
}

/// What an upload comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to write.
    pub plan: Plan,
    /// The result of each change, in order.
    pub results: Vec<ChangeResult>,
}

/// The result of one change of an upload, with all that its answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeResult {
    /// The change is applied.
    Applied {
        /// The change.
        change: ChangeId,
        /// The item.
        key: ItemKey,
        /// The version that the item has by this change; 0 where there was nothing to delete.
        version: SyncVersion,
    },
    /// The change conflicts.
    Conflict {
        /// The change.
        change: ChangeId,
        /// The conflict as it is after the whole upload.
        conflict: Conflict,
    },
    /// The change is rejected; nothing was altered by it.
    Rejected(Box<Rejection>),
}

/// What is to be written. Made by [`super::decide`] and [`super::resolve`], executed by
/// [`crate::storage::SyncStore::commit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The head that the plan was made for: if it has moved, nothing of this may be written.
    pub expected: Head,
    /// Where the head moves.
    pub new_head: Timestamp,
    /// The items to write, whole. Where [`Stored::item`] is absent only the tombstone is set.
    pub items: BTreeMap<ItemKey, Stored>,
    /// The conflicts to write, whole.
    pub conflicts: Vec<Conflict>,
    /// What makes repeats recognisable.
    pub receipts: Vec<Receipt>,
    /// What to remember of the device.
    pub device_stats: Option<DeviceStats>,
}

impl Plan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.conflicts.is_empty() && self.receipts.is_empty()
    }
}

/// What one upload adds to the record of its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStats {
    /// The device.
    pub device: DeviceId,
    /// Changes applied for the first time.
    pub synced: i64,
    /// Changes that met a conflict for the first time.
    pub conflicts: i64,
}

/// How a change was answered, kept so that a repeat changes nothing and is answered alike, however late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The device that made the change; change ids of different devices do not meet.
    pub device: DeviceId,
    /// The change.
    pub change: ChangeId,
    /// The item it changed.
    pub key: ItemKey,
    /// The version it was given, or the one that it met.
    pub version: SyncVersion,
    /// The conflict it met, if any.
    pub conflict: Option<ConflictId>,
    /// When it was accepted.
    pub seq: Timestamp,
}

/// The outcome of one change, while others of its upload may still alter the conflict that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there, as this version.
    Applied(SyncVersion),
    /// It met a conflict.
    Conflict(ConflictId),
    /// It was refused, and nothing was changed.
    Rejected(RejectionCode, FieldError),
}

/// Why a change was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionCode {
    /// A field is missing or wrong.
    InvalidChange,
    /// The item's data is too large.
    ItemTooLarge,
    /// The change carries a credential, which is never stored.
    CredentialsPresent,
    /// The checksum is not that of the data.
    ChecksumMismatch,
    /// The change's id was used before, for another item.
    ChangeIdReused,
    /// The upload meets more, or larger, conflicts than are kept at once: send the rest again, in smaller parts.
    TooManyConflicts,
    /// The item was deleted so long ago that nothing is left of it: download afresh, then upload again.
    ResyncRequired,
}

impl fmt::Display for RejectionCode {
    /// As on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A change that was refused before the store was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What the change said of itself.
    pub change: ChangeHead,
    /// Why it was refused.
    pub code: RejectionCode,
    /// What is wrong, by field; never empty.
    pub details: Vec<FieldError>,
}

impl Rejection {
    /// The rejection of `change`, at place `index` of its upload, which only the stored data showed to be wrong.
    pub fn late(index: usize, change: &Change, code: RejectionCode, error: FieldError) -> Self {
        let action = match &change.edit {
            Edit::Put { expects_item: true, .. } => "update",
            Edit::Put { .. } => "create",
            Edit::Delete => "delete",
        };
        let head = ChangeHead {
            index,
            id: Some(change.id.to_string()),
            item_type: Some(change.key.item_type.to_string()),
            item_id: Some(change.key.id.to_string()),
            action: Some(action.to_owned()),
            updated_at: Some(change.updated_at.to_string()),
            sync_version: Some(change.base),
        };
        let field = format!("changes[{index}].{}", error.field);
        Self { change: head, code, details: vec![FieldError::new(field, error.message)] }
    }
}
