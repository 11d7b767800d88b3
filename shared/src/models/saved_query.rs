use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Check, Extra, FieldError, Metadata, limits};

/// A label that the user chose.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 128, pattern = r"^[^\x00]*$")]
struct Tag(String);

/// A query that the user saved under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedQuery {
    /// Name, chosen by the user.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00]*$")]
    pub name: String,
    /// Description, written by the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 10000, pattern = r"^[^\x00]*$")]
    pub description: Option<String>,
    /// Text of the query.
    #[schema(max_length = 1000000, pattern = r"^[^\x00]*$")]
    pub query: String,
    /// Id of the connection that the query is meant for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128, pattern = r"^[^\x00]*$")]
    pub connection_id: Option<String>,
    /// Labels that the user chose.
    #[serde(default)]
    #[schema(value_type = Vec<Tag>, max_items = 100)]
    pub tags: Vec<String>,
    /// Whether the user marked the query as a favourite.
    #[serde(default)]
    pub favorite: bool,
    /// Further properties that clients store.
    #[serde(default)]
    #[schema(value_type = Metadata)]
    pub metadata: BTreeMap<String, String>,
    /// Fields that this release does not know.
    #[serde(skip)]
    pub extra: Extra,
}

impl SavedQuery {
    /// Checks every field against its limits.
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
