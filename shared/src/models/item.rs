use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Connection, DeviceId, FieldError, ItemId, QueryHistory, SavedQuery, SyncVersion, SyncVersionSchema, Timestamp,
    whole_number,
};

/// Type of a synchronised item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemType {
    /// A [`Connection`].
    Connection,
    /// A [`SavedQuery`].
    SavedQuery,
    /// A [`QueryHistory`] entry.
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

/// Content of an item, without times and version. Two edits with equal content are the same edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    /// A connection template.
    Connection(Connection),
    /// A saved query.
    SavedQuery(SavedQuery),
    /// A query history entry.
    QueryHistory(QueryHistory),
}

impl Content {
    /// Parses and checks the content of an item of type `item_type` from the JSON object `data`. Ignores unknown fields.
    ///
    /// # Errors
    /// Returns an error per wrong field, by its path below `data`. Only the first field of a wrong type is reported.
    pub fn parse(item_type: ItemType, mut data: serde_json::Value) -> Result<Self, Vec<FieldError>> {
        for field in data.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            if let Some(number) = whole_number(field) {
                *field = number.into();
            }
        }
        let content = Self::from_stored(item_type, data).map_err(|error| vec![error])?;
        match &content {
            Self::Connection(connection) => connection.check()?,
            Self::SavedQuery(query) => query.check()?,
            Self::QueryHistory(entry) => entry.check()?,
        }
        Ok(content)
    }

    /// Parses stored content without checking limits, which may have been different when it was stored.
    ///
    /// # Errors
    /// Returns the first field that is missing or has a wrong type.
    pub fn from_stored(item_type: ItemType, data: serde_json::Value) -> Result<Self, FieldError> {
        Ok(match item_type {
            ItemType::Connection => Self::Connection(deserialize(data)?),
            ItemType::SavedQuery => Self::SavedQuery(deserialize(data)?),
            ItemType::QueryHistory => Self::QueryHistory(deserialize(data)?),
        })
    }

    /// Time of the run of a history entry; `None` for other types.
    pub fn executed_at(&self) -> Option<Timestamp> {
        match self {
            Self::QueryHistory(entry) => Some(entry.executed_at),
            Self::Connection(_) | Self::SavedQuery(_) => None,
        }
    }

    /// Approximate size, in bytes: the sum of the texts that can be long.
    pub fn bytes(&self) -> usize {
        let metadata_bytes = |metadata: &BTreeMap<String, String>| -> usize {
            metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
        };
        match self {
            Self::Connection(connection) => connection.database.len() + metadata_bytes(&connection.metadata),
            Self::SavedQuery(query) => {
                let description = query.description.as_ref().map_or(0, String::len);
                query.query.len() + description + metadata_bytes(&query.metadata)
            }
            Self::QueryHistory(entry) => entry.query.len() + metadata_bytes(&entry.metadata),
        }
    }

    /// Name of the item; `None` for history entries, which have none.
    pub fn name_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Connection(connection) => Some(&mut connection.name),
            Self::SavedQuery(query) => Some(&mut query.name),
            Self::QueryHistory(_) => None,
        }
    }
}

fn deserialize<T: serde::de::DeserializeOwned>(data: serde_json::Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(data)
        .map_err(|error| FieldError::from_json_error(&error.path().to_string(), error.inner()))
}

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
}

impl Stored {
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
