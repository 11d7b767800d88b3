use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Check, FieldError, Metadata, limits};

/// A label of the user's own.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 128)]
struct Tag(String);

/// A query that the user keeps under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedQuery {
    /// What the user calls it.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 10000)]
    pub description: Option<String>,
    /// Its text.
    #[schema(max_length = 1000000)]
    pub query: String,
    /// The connection it is meant for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub connection_id: Option<String>,
    /// The user's own labels.
    #[serde(default)]
    #[schema(value_type = Vec<Tag>, max_items = 100)]
    pub tags: Vec<String>,
    /// Whether it is among the favourites.
    #[serde(default)]
    pub favorite: bool,
    /// Whatever else the client keeps.
    #[serde(default)]
    #[schema(value_type = Metadata)]
    pub metadata: BTreeMap<String, String>,
}

impl SavedQuery {
    pub(crate) fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Check::default();
        check.text("name", &self.name, 1, limits::NAME_CHARS);
        check.optional_text("description", self.description.as_ref(), limits::DESCRIPTION_CHARS);
        check.text("query", &self.query, 0, limits::QUERY_CHARS);
        check.optional_text("connection_id", self.connection_id.as_ref(), limits::ID_CHARS);
        if self.tags.len() > limits::TAGS {
            check.fail("tags", format!("must have at most {} entries", limits::TAGS));
        }
        for (index, tag) in self.tags.iter().enumerate() {
            check.text(&format!("tags[{index}]"), tag, 1, limits::TAG_CHARS);
        }
        check.metadata(&self.metadata);
        check.finish()
    }
}
