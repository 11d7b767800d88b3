//! Sync data in libSQL: one SQL, whatever carries it to the database.
//!
//! A [`Transport`] runs a list of statements as one transaction in one round trip; everything here is written for that:
//! an upload reads once and writes once (large edits are read in parts), a download reads once. Sets of rows travel as one JSON parameter each.

mod append;
mod change_feed;
mod commit;
mod conflicts;
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
mod transport;

use std::sync::Arc;

#[cfg(feature = "turso")]
pub use diagnose::diagnose;
#[cfg(feature = "embedded")]
pub use file::FileDatabase;
#[cfg(feature = "turso")]
pub use hrana::Hrana;
pub use migrate::{EMBEDDED, Migration, SYNC, migrate};
pub(crate) use row_reader::RowReader;
pub use transport::{BatchError, MAX_RESPONSE_BYTES, Row, Statement, StatementResult, Transport, Value};

use sha2::{Digest, Sha256};

use crate::models::UserId;

/// Sync data of many users in libSQL databases, each user's in one of them.
#[derive(Clone)]
pub struct LibsqlSync {
    databases: Arc<[Arc<dyn Transport>]>,
}

impl LibsqlSync {
    /// The data in one database; its migrations must have run.
    pub fn new(database: Arc<dyn Transport>) -> Self {
        Self { databases: Arc::new([database]) }
    }

    /// The data that is spread over several databases, at least one. A further one goes to the end of the list, once the
    /// users that become its own were moved to it: no user's place depends on more than their number.
    pub fn sharded(databases: Vec<Arc<dyn Transport>>) -> Self {
        assert!(!databases.is_empty(), "data needs a database");
        Self { databases: databases.into() }
    }

    /// Brings every database up to date and returns the names of the steps that took.
    ///
    /// # Errors
    /// As [`migrate`].
    pub async fn migrate(&self) -> Result<Vec<&'static str>, BatchError> {
        let mut applied = Vec::new();
        for database in &*self.databases {
            applied.extend(migrate(&**database, SYNC).await?);
        }
        Ok(applied)
    }

    /// The database of `user`: the one with the highest score for them (rendezvous hashing), so that one more database
    /// takes a fair share of users from each of the others and moves nobody else.
    fn database_of(&self, user: UserId) -> &dyn Transport {
        let score =
            |place: usize| Sha256::new().chain_update(place.to_be_bytes()).chain_update(user.as_uuid()).finalize();
        let place = (0..self.databases.len()).max_by_key(|place| score(*place));
        &*self.databases[place.unwrap_or_default()]
    }
}
