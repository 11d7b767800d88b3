use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Connection, Extra, FieldError, ItemType, QueryHistory, SavedQuery, Timestamp, whole_number};

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
        assert_eq!(crate::models::json_bytes(&content), data.to_string().len());
    }
}
