use async_trait::async_trait;

use crate::models::{SessionId, UserId};
use crate::storage::StoreError;
use crate::telemetry::CallError;

/// A value of a parameter or a column. No table here holds blobs or floating-point numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A whole number; a boolean is 0 or 1.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Value {
    /// What it takes up, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) => 8,
            Self::Text(text) => text.len(),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(flag.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<crate::models::Timestamp> for Value {
    fn from(time: crate::models::Timestamp) -> Self {
        Self::Integer(time.micros())
    }
}

impl From<UserId> for Value {
    fn from(id: UserId) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<SessionId> for Value {
    fn from(id: SessionId) -> Self {
        Self::Text(id.to_string())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One statement and the values of `?1`, `?2`, ….
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text.
    pub sql: &'static str,
    /// Its parameters.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// The statement `sql` with `parameters`.
    pub fn new(sql: &'static str, parameters: impl IntoIterator<Item = Value>) -> Self {
        Self { sql, parameters: parameters.into_iter().collect() }
    }
}

/// The values of one row, in the order of its columns.
pub type Row = Vec<Value>;

/// What a statement did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementResult {
    /// The rows it returned.
    pub rows: Vec<Row>,
    /// How many rows it wrote.
    pub written: u64,
}

/// Most bytes of text that one call returns. Pages stay far below; an upload that touches a great many large items does
/// not, and must not take the memory of the whole instance.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The statement at this place, from 0, was refused by a constraint.
    #[error("statement {statement}: {reason}")]
    Constraint {
        /// Its place.
        statement: usize,
        /// What the database said.
        reason: String,
    },
    /// The database could not be asked, or was too busy.
    #[error("{0}")]
    Unavailable(String),
    /// The rows asked for are more than [`MAX_RESPONSE_BYTES`], or more than the way carries at once.
    #[error("more was asked for than is carried at once")]
    TooLarge,
    /// The database refused a statement: a defect of ours.
    #[error("{0}")]
    Refused(String),
}

impl BatchError {
    /// The same about an answer that is small by construction: if it was too large, then for a server that carries too
    /// much at the time.
    pub(super) fn for_small_response(self) -> Self {
        match self {
            Self::TooLarge => Self::Unavailable("the server has no room for an answer".to_owned()),
            other => other,
        }
    }
}

impl CallError for BatchError {
    fn is_failed_call(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Refused(_))
    }
}

impl From<BatchError> for StoreError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Unavailable(reason) => Self::Unavailable { store: "libsql", reason },
            BatchError::TooLarge => Self::TooLarge,
            BatchError::Constraint { .. } | BatchError::Refused(_) => {
                Self::Refused { store: "libsql", reason: error.to_string() }
            }
        }
    }
}

/// A way to a libSQL database.
///
/// **Law.** The statements of one call run in order in one transaction: a read sees one moment; a write is committed
/// whole, and is then durable, or leaves nothing behind. A call that would return more than [`MAX_RESPONSE_BYTES`], or than
/// the way carries, fails with [`BatchError::TooLarge`].
///
/// A write or script whose answer was lost on the way may be carried out a second time. So whatever is written must bear
/// that: because it changes nothing the second time, or because it is refused then, as whoever finds the head moved is.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Runs statements that write nothing. `name` is what the log and traces call them, here and below.
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError>;

    /// Runs statements that write.
    async fn write(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError>;

    /// Runs a script of several statements without parameters: a migration.
    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError>;
}
