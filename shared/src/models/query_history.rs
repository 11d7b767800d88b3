use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Check, FieldError, Metadata, Timestamp, limits};

/// One query that was run. Written once; it can be deleted, but not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueryHistory {
    /// What was run.
    #[schema(max_length = 1000000)]
    pub query: String,
    /// Where it was run.
    #[schema(min_length = 1, max_length = 128)]
    pub connection_id: String,
    /// When it was run, by the client's clock.
    pub executed_at: Timestamp,
    /// How long it took, in milliseconds.
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    pub duration_ms: i64,
    /// How many rows it returned or changed; −1 where the database does not say.
    #[schema(minimum = -1, maximum = 9007199254740991i64)]
    pub rows_affected: i64,
    /// Whether it succeeded.
    pub success: bool,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100000)]
    pub error: Option<String>,
    /// Whatever else the client keeps.
    #[serde(default)]
    #[schema(value_type = Metadata)]
    pub metadata: BTreeMap<String, String>,
}

impl QueryHistory {
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
