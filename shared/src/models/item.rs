use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChangeId, Content, DeviceId, ItemId, SyncVersion, SyncVersionSchema, Timestamp, json_bytes};

/// Type of a synchronised item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemType {
    /// A [`Connection`](super::Connection).
    Connection,
    /// A [`SavedQuery`](super::SavedQuery).
    SavedQuery,
    /// A [`QueryHistory`](super::QueryHistory) entry.
    QueryHistory,
}

impl ItemType {
    /// Every type, in the order of the lists in a download.
    pub const ALL: [Self; 3] = [Self::Connection, Self::SavedQuery, Self::QueryHistory];

    /// Name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::SavedQuery => "saved_query",
            Self::QueryHistory => "query_history",
        }
    }

    /// Names of the fields of the content of an item of this type.
    pub(super) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Connection => &[
                "name", "type", "host", "port", "database", "username", "use_ssh", "ssh_host", "ssh_port", "ssh_user",
                "color", "icon", "metadata",
            ],
            Self::SavedQuery => &["name", "description", "query", "connection_id", "tags", "favorite", "metadata"],
            Self::QueryHistory => &[
                "query",
                "connection_id",
                "executed_at",
                "duration_ms",
                "rows_affected",
                "success",
                "error",
                "metadata",
            ],
        }
    }

    /// Returns the type with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|item_type| item_type.name() == name)
    }
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Key of an item. Two items of different types may have the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    /// Type of the item.
    pub item_type: ItemType,
    /// Id of the item, chosen by the client.
    pub id: ItemId,
}

/// Bytes of an item in a response besides its content and its id: the names and values of its times and its version.
const RECORD_BYTES: usize = 256;

/// Content of an item and its time of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Content, shared with the change that it comes from.
    pub content: Arc<Content>,
    /// Time of creation, by the clock of the device that created the item.
    pub created_at: Timestamp,
}

/// An item in the store: its newest version, which may be a deletion (a tombstone).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The item; `None` if only its existence was loaded, as for history, whose content is never compared. A tombstone keeps
    /// the deleted item until the purge removes it.
    pub item: Option<Item>,
    /// Time of the last edit or deletion, by the device's clock, but never later than the server's clock at the upload.
    pub updated_at: Timestamp,
    /// Version of the item.
    pub version: SyncVersion,
    /// Position in the user's change sequence: the server time of the write.
    pub seq: Timestamp,
    /// The device that wrote this version.
    pub device: DeviceId,
    /// Server time of the deletion; `None` for a live item.
    pub deleted_at: Option<Timestamp>,
    /// Size, in bytes: at least that of the item in a response. Pages are divided by it, and the quota counts it.
    pub bytes: usize,
    /// The newest changes that wrote the item, the oldest first: receipts that need no row of their own.
    pub recent: Arc<Vec<RecentChange>>,
}

/// A change that wrote an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentChange {
    /// The change.
    pub change: ChangeId,
    /// The device that made it.
    pub device: DeviceId,
    /// The version that it made.
    pub version: SyncVersion,
    /// Whether that version was merged from the change and another device's edit.
    pub merged: bool,
}

impl Stored {
    /// Returns the size of the item `id` with this content, in bytes.
    pub fn bytes_of(id: &ItemId, content: &Content) -> usize {
        RECORD_BYTES + json_bytes(id) + json_bytes(content)
    }

    /// Whether the item is not deleted.
    pub fn is_live(&self) -> bool {
        self.deleted_at.is_none()
    }
}

/// An item as a client reads it: its content, its times and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ItemRecord<C> {
    /// Id of the item.
    pub id: ItemId,
    /// Content of the item.
    #[serde(flatten)]
    pub content: C,
    /// Time of creation, by the clock of the device that created the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub created_at: Option<Timestamp>,
    /// Time of the last edit, by the device's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub updated_at: Option<Timestamp>,
    /// Version of the item.
    #[schema(value_type = SyncVersionSchema)]
    pub sync_version: SyncVersion,
}

/// State of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentItem {
    /// Version of the item; 0 if there is none.
    pub version: SyncVersion,
    /// Whether the item is deleted, or does not exist.
    pub deleted: bool,
    /// The item and the time of its last edit; `None` if it is deleted, or if only its existence was loaded.
    pub item: Option<(Item, Timestamp)>,
}

impl CurrentItem {
    /// Returns the state of the stored item; `None` stands for an item that does not exist.
    pub fn of(stored: Option<&Stored>) -> Self {
        let live = stored.filter(|stored| stored.is_live());
        Self {
            version: stored.map_or(0, |stored| stored.version),
            deleted: live.is_none(),
            item: live.and_then(|live| Some((live.item.clone()?, live.updated_at))),
        }
    }
}

/// State of an item, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Current)]
pub struct CurrentRecord {
    /// Version of the item; 0 if there is none.
    #[schema(value_type = SyncVersionSchema)]
    pub sync_version: SyncVersion,
    /// Whether the item is deleted, or does not exist.
    pub deleted: bool,
    /// The item. Absent if it is deleted, if the response would have grown too large, or if the change deletes a history entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub data: Option<ItemRecord<Content>>,
}

impl CurrentRecord {
    /// Returns the record of the item `id`.
    pub fn new(id: &ItemId, current: CurrentItem) -> Self {
        let CurrentItem { version, deleted, item } = current;
        let data = item.map(|(item, updated_at)| ItemRecord::new(id.clone(), item, updated_at, version));
        Self { sync_version: version, deleted, data }
    }
}

impl ItemRecord<Content> {
    /// Returns the record of `item`. A history entry has no times besides the one in its content.
    pub fn new(id: ItemId, item: Item, updated_at: Timestamp, sync_version: SyncVersion) -> Self {
        let has_times = !matches!(*item.content, Content::QueryHistory(_));
        Self {
            id,
            content: Arc::unwrap_or_clone(item.content),
            created_at: has_times.then_some(item.created_at),
            updated_at: has_times.then_some(updated_at),
            sync_version,
        }
    }
}
