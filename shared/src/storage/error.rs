use crate::models::DatabaseId;

/// Error of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is down, slow or overloaded. A retry may succeed later.
    #[error("the {store} store is unavailable: {reason}")]
    Unavailable {
        /// Name of the store.
        store: &'static str,
        /// Details for the log; not for clients.
        reason: String,
    },
    /// The account is being deleted and accepts no more writes.
    #[error("the account is being deleted")]
    AccountDeleted,
    /// The data of the user is in another database. Only inside of the store of sync data, which looks there.
    #[error("the data of the user is in the database {to}")]
    Moved {
        /// The other database.
        to: DatabaseId,
    },
    /// The request needs more data than one request may load.
    #[error("the request needs more data than one request may load")]
    TooLarge,
    /// A stored row cannot be decoded.
    #[error("corrupt row in table {table}, column {column}, key {key}: {reason}")]
    Corrupt {
        /// Table of the row.
        table: &'static str,
        /// Column that cannot be decoded.
        column: &'static str,
        /// Key of the row; never a token.
        key: String,
        /// Reason for which the value cannot be decoded.
        reason: String,
    },
    /// The store refused a statement that should never fail: a defect of this program.
    #[error("the {store} store refused a statement: {reason}")]
    Refused {
        /// Name of the store.
        store: &'static str,
        /// Details for the log; not for clients.
        reason: String,
    },
}

/// Result of a call of a store.
pub type StoreResult<T> = Result<T, StoreError>;
