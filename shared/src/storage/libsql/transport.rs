use async_trait::async_trait;

use crate::models::{DatabaseId, SessionId, UserId};
use crate::storage::StoreError;
use crate::telemetry::CallError;

/// Value of a parameter or a column. No table contains blobs or floating-point numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// Integer; a boolean is 0 or 1.
    Integer(i64),
    /// Text.
    Text(String),
}

impl Value {
    /// Value of a `LIMIT`.
    pub(crate) fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Approximate size.
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

impl From<DatabaseId> for Value {
    fn from(id: DatabaseId) -> Self {
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

/// A statement and the values of its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// SQL text.
    pub sql: &'static str,
    /// Values of `?1`, `?2`, ….
    pub parameters: Vec<Value>,
}

impl Statement {
    /// Creates the statement `sql` with `parameters`.
    pub fn new(sql: &'static str, parameters: impl IntoIterator<Item = Value>) -> Self {
        Self { sql, parameters: parameters.into_iter().collect() }
    }
}

/// Values of a row, in the order of its columns.
pub type Row = Vec<Value>;

/// Result of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementResult {
    /// Rows that the statement returned.
    pub rows: Vec<Row>,
    /// Number of rows that the statement wrote.
    pub written: u64,
}

impl StatementResult {
    /// Returns the first row, if there is one.
    pub(crate) fn into_first_row(self) -> Option<Row> {
        self.rows.into_iter().next()
    }
}

/// Maximum size of the rows that one call returns, in bytes. Pages stay far below it. A load for an upload of many large items
/// may exceed it, and must not exhaust the memory of the instance.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// Reason why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A constraint refused a statement.
    #[error("statement {statement}: {reason}")]
    Constraint {
        /// Index of the statement, starting at 0.
        statement: usize,
        /// Message of the database.
        reason: String,
    },
    /// The database is unreachable or overloaded.
    #[error("{0}")]
    Unavailable(String),
    /// The rows exceed [`MAX_RESPONSE_BYTES`], or the limit of the transport.
    #[error("the result exceeds the size limit of one call")]
    TooLarge,
    /// The database refused a statement: a defect of this program.
    #[error("{0}")]
    Refused(String),
}

impl BatchError {
    /// Converts the error of a call whose response is small by construction: [`TooLarge`](Self::TooLarge) then means that the
    /// server is overloaded.
    pub(super) fn for_small_response(self) -> Self {
        match self {
            Self::TooLarge => Self::Unavailable("the server has no memory for a response".to_owned()),
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

/// Access to a libSQL database.
///
/// # Contract
///
/// The statements of one call run in order, in one transaction. A read sees a consistent snapshot. A write is atomic, and
/// durable once it has returned. A call whose rows exceed [`MAX_RESPONSE_BYTES`], or the limit of the transport, fails with
/// [`BatchError::TooLarge`].
///
/// A write or script whose response is lost may be executed a second time. So callers send only statements that are
/// idempotent, or that are refused the second time, as a commit is by its compare-and-swap of the head.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Runs statements that write nothing, and returns a result for each. `name` is the name of the call in logs, traces and
    /// metrics.
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError>;

    /// Runs statements that write, and returns a result for each.
    async fn write(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError>;

    /// Runs a script of several statements without parameters, such as a migration.
    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError>;

    /// Maintains a local file, outside of a transaction. Maintaining a server is not the task of its clients.
    async fn maintain(&self, _task: Maintenance) -> Result<(), BatchError> {
        Ok(())
    }
}

/// Task of maintaining a local file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// Empties the write-ahead log, which may still hold deleted data.
    TruncateLog,
    /// Writes the whole file anew, without the pages that are not used.
    Rewrite,
}

impl dyn Transport + '_ {
    /// Runs [`Transport::read`] for a fixed number of statements. The results have the order of the statements.
    pub(crate) async fn read_batch<const N: usize>(
        &self,
        name: &'static str,
        statements: [Statement; N],
    ) -> Result<[StatementResult; N], BatchError> {
        one_for_each(self.read(name, statements.into()).await?)
    }

    /// Runs [`Transport::write`] for a fixed number of statements. The results have the order of the statements.
    pub(crate) async fn write_batch<const N: usize>(
        &self,
        name: &'static str,
        statements: [Statement; N],
    ) -> Result<[StatementResult; N], BatchError> {
        one_for_each(self.write(name, statements.into()).await?)
    }
}

fn one_for_each<const N: usize>(results: Vec<StatementResult>) -> Result<[StatementResult; N], BatchError> {
    let wrong_count =
        |results: Vec<_>| BatchError::Refused(format!("expected {N} results, received {}", results.len()));
    results.try_into().map_err(wrong_count)
}
