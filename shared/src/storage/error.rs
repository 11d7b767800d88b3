/// A store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is down, slow or overloaded: trying again later may help.
    #[error("the {store} store is unavailable: {reason}")]
    Unavailable {
        /// Which store.
        store: &'static str,
        /// What happened, for the log alone.
        reason: String,
    },
    /// The account is being deleted: its data takes no more writes.
    #[error("the account is being deleted")]
    AccountDeleted,
    /// What was asked for is more than one request may load.
    #[error("one request asked for too much")]
    TooLarge,
    /// A row does not hold what its table promises.
    #[error("table {table} holds a bad {column} at {key}: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The key of the row, as far as it is known.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A defect of ours: the store refused a statement that should never fail.
    #[error("the {store} store refused a statement: {reason}")]
    Refused {
        /// Which store.
        store: &'static str,
        /// What it said, for the log alone.
        reason: String,
    },
}

/// What a store answers.
pub type StoreResult<T> = Result<T, StoreError>;
