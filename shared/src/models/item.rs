use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Connection, DeviceId, FieldError, ItemId, QueryHistory, SavedQuery, SyncVersion, Timestamp, whole};

/// The kinds of item that are synchronised.
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
    /// Every kind, in the order of the download's lists.
    pub const ALL: [Self; 3] = [Self::Connection, Self::SavedQuery, Self::QueryHistory];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::SavedQuery => "saved_query",
            Self::QueryHistory => "query_history",
        }
    }

    /// The kind with this name on the wire.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|item_type| item_type.name() == name)
    }
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which item: its kind and its id. Two items of different kinds may share an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    /// The item's kind.
    pub item_type: ItemType,
    /// The client's id for it.
    pub id: ItemId,
}

/// What an item says, times and version aside: two edits with equal contents are the same edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    /// A connection template.
    Connection(Connection),
    /// A saved query.
    SavedQuery(SavedQuery),
    /// An entry of the query history.
    QueryHistory(QueryHistory),
}

impl Content {
    /// Reads the content of an item of kind `item_type` from the JSON object `data`, ignoring what it does not know.
    ///
    /// # Errors
    /// Every field that is wrong, by its path below `data`; of fields with a wrong type only the first.
    pub fn parse(item_type: ItemType, mut data: serde_json::Value) -> Result<Self, Vec<FieldError>> {
        for field in data.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            if let Some(number) = whole(field) {
                *field = number.into();
            }
        }
        let content = Self::stored(item_type, data).map_err(|error| vec![error])?;
        match &content {
            Self::Connection(connection) => connection.check()?,
            Self::SavedQuery(query) => query.check()?,
            Self::QueryHistory(entry) => entry.check()?,
        }
        Ok(content)
    }

    /// As [`parse`](Self::parse), for what was let in before: the limits may have been others then.
    ///
    /// # Errors
    /// The first field that is missing or of a wrong type.
    pub fn stored(item_type: ItemType, data: serde_json::Value) -> Result<Self, FieldError> {
        Ok(match item_type {
            ItemType::Connection => Self::Connection(read(data)?),
            ItemType::SavedQuery => Self::SavedQuery(read(data)?),
            ItemType::QueryHistory => Self::QueryHistory(read(data)?),
        })
    }

    /// When it was done, of an entry of the history; other items do not say.
    pub fn executed_at(&self) -> Option<Timestamp> {
        match self {
            Self::QueryHistory(entry) => Some(entry.executed_at),
            Self::Connection(_) | Self::SavedQuery(_) => None,
        }
    }

    /// What its texts take up, about; the short ones are not counted.
    pub fn bytes(&self) -> usize {
        let map = |metadata: &std::collections::BTreeMap<String, String>| -> usize {
            metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
        };
        match self {
            Self::Connection(connection) => connection.database.len() + map(&connection.metadata),
            Self::SavedQuery(query) => {
                let description = query.description.as_ref().map_or(0, String::len);
                query.query.len() + description + map(&query.metadata)
            }
            Self::QueryHistory(entry) => entry.query.len() + map(&entry.metadata),
        }
    }

    /// The name that a person sees; history has none.
    pub fn name_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Connection(connection) => Some(&mut connection.name),
            Self::SavedQuery(query) => Some(&mut query.name),
            Self::QueryHistory(_) => None,
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(data: serde_json::Value) -> Result<T, FieldError> {
    let read = serde_path_to_error::deserialize(data);
    read.map_err(|error| FieldError::of_json(&error.path().to_string(), error.inner()))
}

/// An item's content and when it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it says. Shared by the change that brought it and whatever is made of that.
    pub content: Arc<Content>,
    /// When it was made, by its maker's clock.
    pub created_at: Timestamp,
}

/// An item as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The item; absent where only its existence was asked for (history is never compared).
    pub item: Option<Item>,
    /// When it was last edited or deleted, by the editor's clock, but never later than the server's was then.
    pub updated_at: Timestamp,
    /// How often it has been written.
    pub version: SyncVersion,
    /// Its place in the user's line of changes: the server time of the write.
    pub seq: Timestamp,
    /// The device that wrote it last.
    pub device: DeviceId,
    /// When it was deleted, by the server's clock.
    pub deleted_at: Option<Timestamp>,
}

impl Stored {
    /// Whether it has not been deleted.
    pub fn is_live(&self) -> bool {
        self.deleted_at.is_none()
    }
}

/// An item as a client reads it: its content and what the server adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ItemRecord<C> {
    /// The client's id for the item.
    pub id: ItemId,
    /// What it says.
    #[serde(flatten)]
    pub content: C,
    /// When it was made, by its maker's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub created_at: Option<Timestamp>,
    /// When it was last edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub updated_at: Option<Timestamp>,
    /// How often it has been written.
    pub sync_version: SyncVersion,
}

impl ItemRecord<Content> {
    /// The record of `item`; an entry of the history has its time in its content and no other.
    pub fn new(id: ItemId, item: Item, updated_at: Timestamp, sync_version: SyncVersion) -> Self {
        let edited = !matches!(*item.content, Content::QueryHistory(_));
        Self {
            id,
            content: Arc::unwrap_or_clone(item.content),
            created_at: edited.then_some(item.created_at),
            updated_at: edited.then_some(updated_at),
            sync_version,
        }
    }
}
