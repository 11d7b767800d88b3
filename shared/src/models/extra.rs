use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FieldError, ItemType, limits};

/// The fields of an item that this release does not know, by name.
///
/// A newer client may add fields to an item. They are stored, compared, merged and returned with it, so that the newer
/// clients of a user keep them although an older one edits the item. The value `null` removes a field; a stored item has none.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(Map<String, Value>);

/// Fields of an item of any type that [`super::ItemRecord`] adds to its content.
const RECORD_FIELDS: [&str; 4] = ["id", "created_at", "updated_at", "sync_version"];

impl Extra {
    /// Removes the fields from `data` that an item of type `item_type` does not have, and returns them.
    pub(super) fn take_from(item_type: ItemType, data: &mut Map<String, Value>) -> Self {
        let fields = item_type.fields();
        let is_known = |name: &str| fields.contains(&name) || RECORD_FIELDS.contains(&name);
        if data.keys().all(|name| is_known(name)) {
            return Self::default();
        }
        let (known, unknown) = std::mem::take(data).into_iter().partition(|(name, _)| is_known(name));
        *data = known;
        Self(unknown)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a field is `null`, which stands for its removal.
    pub(crate) fn has_removals(&self) -> bool {
        self.0.values().any(Value::is_null)
    }

    /// Returns the value of the field `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns the fields in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// Returns these fields together with those of `stored` that are not among them, without the removed ones.
    pub(crate) fn completed_from(&self, stored: &Self) -> Self {
        let kept = stored.0.iter().filter(|(name, _)| !self.0.contains_key(*name));
        let all = kept.chain(&self.0).filter(|(_, value)| !value.is_null());
        Self(all.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Checks the number of the fields and their size.
    ///
    /// # Errors
    /// When there are too many, or they are too large.
    pub(crate) fn check(&self) -> Result<(), FieldError> {
        if self.0.len() > limits::EXTRA_FIELDS {
            let message = format!("must have at most {} fields besides those of this API", limits::EXTRA_FIELDS);
            return Err(FieldError::new("", message));
        }
        let bytes = if self.is_empty() { 0 } else { super::json_bytes(self) };
        if bytes > limits::EXTRA_BYTES {
            let message = format!(
                "must have at most {} bytes of JSON in fields besides those of this API, but has {bytes}",
                limits::EXTRA_BYTES
            );
            return Err(FieldError::new("", message));
        }
        Ok(())
    }
}

impl FromIterator<(String, Value)> for Extra {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}
