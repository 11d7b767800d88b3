//! Sync data in libSQL, with the same SQL for a file and for a server.
//!
//! A [`Transport`] runs a list of statements as one transaction in one round trip. An upload takes one read (several if its read
//! set is large) and one write, a download one read. A statement receives a set of rows as one JSON parameter.

mod append;
mod change_feed;
mod commit;
mod conflicts;
mod cursors;
#[cfg(feature = "turso")]
mod diagnose;
#[cfg(feature = "embedded")]
mod file;
#[cfg(feature = "turso")]
mod hrana;
mod items;
mod load;
mod migrate;
#[cfg(feature = "turso")]
mod pipeline;
mod retention;
mod row_reader;
mod totals;
mod transport;
mod versions;

use std::sync::Arc;

#[cfg(feature = "turso")]
pub use diagnose::diagnose;
#[cfg(feature = "embedded")]
pub use file::FileDatabase;
#[cfg(feature = "turso")]
pub use hrana::{Hrana, HranaError};
pub use migrate::{EMBEDDED, Migration, SYNC, migrate};
pub(crate) use row_reader::RowReader;
pub use transport::{BatchError, MAX_RESPONSE_BYTES, Maintenance, Row, Statement, StatementResult, Transport, Value};

use sha2::{Digest, Sha256};

use crate::models::UserId;

/// Number of accounts whose totals one batch computes.
const REPAIRED_ACCOUNTS: usize = 100;
/// Maximum number of such batches in a migration, which has to end within the 15 minutes of a function.
const MAX_REPAIRS: usize = 1_000;

/// Sync data in one or more libSQL databases. All data of a user is in one of them.
#[derive(Clone)]
pub struct LibsqlSync {
    databases: Arc<[Arc<dyn Transport>]>,
}

impl LibsqlSync {
    /// Creates a store on one database. Its migrations must have been applied.
    pub fn new(database: Arc<dyn Transport>) -> Self {
        Self { databases: Arc::new([database]) }
    }

    /// Creates a store that distributes the users over `databases`. The database of a user depends on the user and on the number
    /// of databases. To add a database, move the users that it takes over to it, and then append it to the list.
    ///
    /// # Panics
    /// When `databases` is empty.
    pub fn sharded(databases: Vec<Arc<dyn Transport>>) -> Self {
        assert!(!databases.is_empty(), "at least one database is required");
        Self { databases: databases.into() }
    }

    /// Applies the pending migrations to every database and returns their names.
    ///
    /// # Errors
    /// As [`migrate`].
    pub async fn migrate(&self) -> Result<Vec<&'static str>, BatchError> {
        let mut applied = Vec::new();
        for database in &*self.databases {
            applied.extend(migrate(&**database, SYNC).await?);
        }
        self.compute_missing_totals().await?;
        Ok(applied)
    }

    /// Computes size and digest of the accounts that have none, in batches. Accounts that are written meanwhile, and those beyond
    /// the last batch, are left to the purge.
    pub(super) async fn compute_missing_totals(&self) -> Result<(), BatchError> {
        for _ in 0..MAX_REPAIRS {
            match self.repair(REPAIRED_ACCOUNTS).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(BatchError::Refused(error.to_string())),
            }
        }
        Ok(())
    }

    /// Returns the database of `user`: the one with the highest score (rendezvous hashing). An added database takes over an
    /// equal share of the users of each other database, and no other user moves.
    fn database_of(&self, user: UserId) -> &dyn Transport {
        let score =
            |index: usize| Sha256::new().chain_update(index.to_be_bytes()).chain_update(user.as_uuid()).finalize();
        let index = (0..self.databases.len()).max_by_key(|index| score(*index));
        &*self.databases[index.unwrap_or_default()]
    }
}
