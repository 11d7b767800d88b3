use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    ChangeId, Connection, DeviceId, Extra, FieldError, ItemId, QueryHistory, SavedQuery, SyncVersion,
    SyncVersionSchema, Timestamp, json_bytes, whole_number,
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

/// Content of an item, without times and version. Two edits with equal content are the same edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    /// A connection template.
    Connection(#[serde(serialize_with = "with_extra")] Connection),
    /// A saved query.
    SavedQuery(#[serde(serialize_with = "with_extra")] SavedQuery),
    /// A query history entry.
    QueryHistory(#[serde(serialize_with = "with_extra")] QueryHistory),
}

/// The fields of an item that this release knows. They are serialised as a struct, which is faster than as a map.
#[derive(Serialize)]
#[serde(untagged)]
pub enum KnownFields<'a> {
    /// Those of a connection.
    Connection(&'a Connection),
    /// Those of a saved query.
    SavedQuery(&'a SavedQuery),
    /// Those of a history entry.
    QueryHistory(&'a QueryHistory),
}

/// Serialises the known and the unknown fields of an item as one object.
fn with_extra<T: Serialize + HasExtra, S: Serializer>(fields: &T, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct All<'a, T> {
        #[serde(flatten)]
        known: &'a T,
        #[serde(flatten)]
        extra: &'a Extra,
    }
    match fields.extra() {
        extra if extra.is_empty() => fields.serialize(serializer),
        extra => All { known: fields, extra }.serialize(serializer),
    }
}

/// Content that may have unknown fields.
trait HasExtra {
    fn extra(&self) -> &Extra;
}

impl HasExtra for Connection {
    fn extra(&self) -> &Extra {
        &self.extra
    }
}

impl HasExtra for SavedQuery {
    fn extra(&self) -> &Extra {
        &self.extra
    }
}

impl HasExtra for QueryHistory {
    fn extra(&self) -> &Extra {
        &self.extra
    }
}

impl Content {
    /// Parses and checks the content of an item of type `item_type` from the JSON object `data`. Unknown fields become
    /// [`extra`](Self::extra).
    ///
    /// # Errors
    /// Returns an error per wrong field, by its path below `data`. Only the first field of a wrong type is reported.
    pub fn parse(item_type: ItemType, mut data: Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let extra = Extra::take_from(item_type, &mut data);
        for field in data.values_mut() {
            if let Some(number) = whole_number(field) {
                *field = number.into();
            }
        }
        let mut content = Self::deserialize(item_type, data.into()).map_err(|error| vec![error])?;
        *content.extra_mut() = extra;
        content.check()?;
        Ok(content)
    }

    /// Checks every field against its limits.
    ///
    /// # Errors
    /// Returns an error per wrong field, by its path below `data`.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        match self {
            Self::Connection(connection) => connection.check()?,
            Self::SavedQuery(query) => query.check()?,
            Self::QueryHistory(entry) => entry.check()?,
        }
        self.extra().check().map_err(|error| vec![error])
    }

    /// Parses stored content without checking limits, which may have been different when it was stored.
    ///
    /// # Errors
    /// Returns the first field that is missing or has a wrong type.
    pub fn from_stored(item_type: ItemType, mut data: Map<String, Value>) -> Result<Self, FieldError> {
        let extra = Extra::take_from(item_type, &mut data);
        let mut content = Self::deserialize(item_type, data.into())?;
        *content.extra_mut() = extra;
        Ok(content)
    }

    fn deserialize(item_type: ItemType, data: Value) -> Result<Self, FieldError> {
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

    /// The fields that this release knows.
    pub const fn known(&self) -> KnownFields<'_> {
        match self {
            Self::Connection(connection) => KnownFields::Connection(connection),
            Self::SavedQuery(query) => KnownFields::SavedQuery(query),
            Self::QueryHistory(entry) => KnownFields::QueryHistory(entry),
        }
    }

    /// The fields that this release does not know.
    pub fn extra(&self) -> &Extra {
        match self {
            Self::Connection(connection) => &connection.extra,
            Self::SavedQuery(query) => &query.extra,
            Self::QueryHistory(entry) => &entry.extra,
        }
    }

    /// The fields that this release does not know.
    pub fn extra_mut(&mut self) -> &mut Extra {
        match self {
            Self::Connection(connection) => &mut connection.extra,
            Self::SavedQuery(query) => &mut query.extra,
            Self::QueryHistory(entry) => &mut entry.extra,
        }
    }

    /// Returns this content with the unknown fields of `stored` that it leaves out, and without those that it removes.
    #[must_use]
    pub(crate) fn completed_from(self: &Arc<Self>, stored: Option<&Self>) -> Arc<Self> {
        let stored = stored.map(Self::extra).filter(|extra| !extra.is_empty());
        if stored.is_none() && !self.extra().has_removals() {
            return Arc::clone(self);
        }
        let mut completed = Self::clone(self);
        *completed.extra_mut() = self.extra().completed_from(stored.unwrap_or(&Extra::default()));
        Arc::new(completed)
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

fn deserialize<T: serde::de::DeserializeOwned>(data: Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(data)
        .map_err(|error| FieldError::from_json_error(&error.path().to_string(), error.inner()))
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

/// State of an item, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Current)]
pub struct CurrentRecord {
    /// Version of the item; 0 if there is none.
    #[schema(value_type = SyncVersionSchema)]
    pub sync_version: SyncVersion,
    /// Whether the item is deleted, or does not exist.
    pub deleted: bool,
    /// The item. Absent if it is deleted, or if the response would have grown too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub data: Option<ItemRecord<Content>>,
}

impl CurrentRecord {
    /// Returns the record of the item `id`; `None` stands for an item that does not exist.
    pub fn new(id: &ItemId, stored: Option<Stored>) -> Self {
        let sync_version = stored.as_ref().map_or(0, |stored| stored.version);
        let live = stored.filter(Stored::is_live);
        let data = live.and_then(|live| Some(ItemRecord::new(id.clone(), live.item?, live.updated_at, live.version)));
        Self { sync_version, deleted: data.is_none(), data }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Every field is present, so that each known one is named by [`ItemType::fields`].
    fn complete(item_type: ItemType) -> Value {
        match item_type {
            ItemType::Connection => json!({ "name": "n", "type": "mysql", "host": "h", "port": 1, "database": "d",
                "username": "u", "use_ssh": true, "ssh_host": "s", "ssh_port": 2, "ssh_user": "v", "color": "c", "icon": "i",
                "metadata": { "k": "v" } }),
            ItemType::SavedQuery => {
                json!({ "name": "n", "description": "d", "query": "q", "connection_id": "c", "tags": ["t"],
                "favorite": true, "metadata": { "k": "v" } })
            }
            ItemType::QueryHistory => {
                json!({ "query": "q", "connection_id": "c", "executed_at": "2026-01-01T00:00:00.000000Z",
                "duration_ms": 1, "rows_affected": 2, "success": true, "error": "e", "metadata": { "k": "v" } })
            }
        }
    }

    #[test]
    fn known_fields_are_no_unknown_ones() {
        for item_type in ItemType::ALL {
            let data = complete(item_type);
            let fields = data.as_object().expect("an object");
            let mut names: Vec<&str> = item_type.fields().to_vec();
            names.sort_unstable();
            assert_eq!(fields.keys().collect::<Vec<_>>(), names);
            let content = Content::parse(item_type, fields.clone()).expect("valid content");
            assert!(content.extra().is_empty());
            assert_eq!(serde_json::to_value(&content).expect("JSON"), data, "no field is lost");
        }
    }

    #[test]
    fn unknown_fields_are_part_of_the_content() {
        let mut data = complete(ItemType::SavedQuery);
        data["folder"] = json!({ "name": "work", "empty": null });
        data["sync_version"] = json!(3);
        let content =
            Content::parse(ItemType::SavedQuery, data.as_object().expect("an object").clone()).expect("valid");
        data.as_object_mut().expect("an object").remove("sync_version");
        assert_eq!(serde_json::to_value(&content).expect("JSON"), data);
        assert_eq!(Stored::bytes_of(&ItemId::new_unchecked("a"), &content), data.to_string().len() + 3 + RECORD_BYTES);
    }
}
