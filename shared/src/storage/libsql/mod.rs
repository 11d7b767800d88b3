//! Sync data in libSQL: one SQL, whatever carries it to the database.
//!
//! A [`Transport`] runs a list of statements as one transaction in one round trip; everything here is written for that:
//! an upload reads once and writes once, a download reads once. Sets of rows travel as one JSON parameter each.

mod commit;
mod conflicts;
mod feed;
#[cfg(feature = "embedded")]
mod file;
mod items;
mod load;
mod migrate;
mod retention;
mod rows;
mod transport;

use std::sync::Arc;

#[cfg(feature = "embedded")]
pub use file::FileDatabase;
pub use migrate::{EMBEDDED, Migration, SYNC, migrate};
pub(crate) use rows::Columns;
pub use transport::{BatchError, Done, MOST_ANSWER_BYTES, Row, Statement, Transport, Value};

/// Sync data of many users in one libSQL database.
#[derive(Clone)]
pub struct LibsqlSync {
    transport: Arc<dyn Transport>,
}

impl LibsqlSync {
    /// The data that `transport` leads to; its migrations must have run.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }
}
