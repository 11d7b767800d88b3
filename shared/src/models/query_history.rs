use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Check, Extra, FieldError, Metadata, Timestamp, limits};

/// One run of a query. Entries are append-only: they can be deleted, but not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueryHistory {
    /// Text of the query.
    #[schema(max_length = 1000000, pattern = r"^[^\x00]*$")]
    pub query: String,
    /// Id of the connection that ran the query.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00]*$")]
    pub connection_id: String,
    /// Time of the run, by the client's clock.
    pub executed_at: Timestamp,
    /// Duration, in milliseconds.
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    pub duration_ms: i64,
    /// Number of rows returned or changed; −1 if the database does not report it.
    #[schema(minimum = -1, maximum = 9007199254740991i64)]
    pub rows_affected: i64,
    /// Whether the query succeeded.
    pub success: bool,
    /// Error message of a failed query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100000, pattern = r"^[^\x00]*$")]
    pub error: Option<String>,
    /// Further properties that clients store.
    #[serde(default)]
    #[schema(value_type = Metadata)]
    pub metadata: BTreeMap<String, String>,
    /// Fields that this release does not know.
    #[serde(skip)]
    pub extra: Extra,
}

impl QueryHistory {
    /// Checks every field against its limits.
    pub(crate) fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Check::default();
        check.text("query", &self.query, 0, limits::QUERY_CHARS);
        check.text("connection_id", &self.connection_id, 1, limits::ID_CHARS);
        check.integer("duration_ms", self.duration_ms, 0, limits::INTEGER);
        check.integer("rows_affected", self.rows_affected, -1, limits::INTEGER);
        check.optional_text("error", self.error.as_ref(), limits::ERROR_CHARS);
        check.metadata(&self.metadata);
        check.finish()
    }
}
