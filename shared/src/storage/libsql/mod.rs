//! Sync data in libSQL, with the same SQL for a file and for a server.
//!
//! A [`Transport`] runs a list of statements as one transaction in one round trip. An upload takes one read (several if its read
//! set is large) and one write, a download one read. A statement receives a set of rows as one JSON parameter.

mod abandoned_moves;
mod append;
mod change_feed;
mod commit;
mod conflicts;
mod cursors;
mod databases;
#[cfg(feature = "turso")]
mod diagnose;
mod drain;
#[cfg(feature = "embedded")]
mod file;
#[cfg(feature = "turso")]
mod hrana;
mod identities;
mod items;
mod load;
mod migrate;
mod moved_tables;
mod moves;
#[cfg(feature = "turso")]
mod pipeline;
mod reconcile;
mod retention;
mod row_reader;
mod totals;
mod transport;
mod versions;

use std::sync::Arc;

pub use databases::Directory;
#[cfg(feature = "turso")]
pub use diagnose::diagnose;
#[cfg(feature = "embedded")]
pub use file::FileDatabase;
#[cfg(feature = "turso")]
pub use hrana::{Hrana, HranaError};
pub use identities::DataMigrationError;
pub use migrate::{EMBEDDED, Migration, SYNC, migrate};
pub(crate) use row_reader::RowReader;
pub use transport::{BatchError, MAX_RESPONSE_BYTES, Maintenance, Row, Statement, StatementResult, Transport, Value};

use futures_util::future::join_all;

use self::databases::PlacedDatabases;
use super::{StoreError, StoreResult};
use crate::models::{DatabaseId, PlacedUser, UserId};

/// Sync data in one or more libSQL databases. All data of a user is in one of them.
#[derive(Clone)]
pub struct LibsqlSync {
    databases: Databases,
}

#[derive(Clone)]
enum Databases {
    /// One that holds the data of all users.
    Only(Arc<dyn Transport>),
    /// Those that an account store distributes the users over.
    Placed(Arc<PlacedDatabases>),
}

/// A database as an operation on all of them sees it.
#[derive(Clone)]
struct Member {
    /// Its id; `None` if it is the only one.
    id: Option<DatabaseId>,
    transport: Arc<dyn Transport>,
}

impl LibsqlSync {
    /// Creates a store on one database that holds the data of all users. Its migrations must have been applied.
    pub fn new(database: Arc<dyn Transport>) -> Self {
        Self { databases: Databases::Only(database) }
    }

    /// Creates a store that finds the database of each user by `directory` among `databases`, in any order. Each database
    /// has the weight with which [`migrate`](Self::migrate) registers it.
    pub fn placed(databases: Vec<(Arc<dyn Transport>, u32)>, directory: Directory) -> Self {
        Self { databases: Databases::Placed(Arc::new(PlacedDatabases::new(databases, directory))) }
    }

    /// Compares the list of databases with those that belong to the service.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if they differ, or a database does not respond.
    pub async fn check(&self) -> StoreResult<()> {
        let Databases::Placed(databases) = &self.databases else { return Ok(()) };
        databases.members().await?.into_iter().try_for_each(|member| member.map(drop))
    }

    /// Runs `run` on the database of `user`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be found; and those of `run`.
    async fn run_for<T, F: Future<Output = StoreResult<T>>>(
        &self,
        user: PlacedUser,
        run: impl Fn(Arc<dyn Transport>) -> F,
    ) -> StoreResult<T> {
        match &self.databases {
            Databases::Only(database) => run(database.clone()).await,
            Databases::Placed(databases) => databases.run_for(user, run).await,
        }
    }

    /// Returns the database that holds the data of a user whose account is being deleted; `None` if nothing can be left.
    async fn database_to_erase(&self, user: UserId) -> StoreResult<Option<Member>> {
        match &self.databases {
            Databases::Only(database) => Ok(Some(Member { id: None, transport: database.clone() })),
            Databases::Placed(databases) => match databases.look_up(user).await {
                Ok(id) => Ok(Some(Member { id: Some(id), transport: databases.find(id).await? })),
                Err(StoreError::AccountDeleted) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Runs `run` on all databases side by side, and returns the results. If it fails on one, it continues on the others.
    ///
    /// # Errors
    /// The first error of `run`; [`StoreError::Unavailable`], before anything was run, if the list of databases is wrong.
    async fn run_on_all<T, F: Future<Output = StoreResult<T>>>(
        &self,
        run: impl Fn(Member) -> F,
    ) -> StoreResult<Vec<T>> {
        let members = match &self.databases {
            Databases::Only(database) => vec![Ok(Member { id: None, transport: database.clone() })],
            Databases::Placed(databases) => databases.members().await?,
        };
        let run = |member: StoreResult<Member>| async {
            let member = member?;
            let id = member.id;
            run(member).await.inspect_err(|error| {
                if let Some(database) = id {
                    tracing::error!(%database, %error, "database failed");
                }
            })
        };
        join_all(members.into_iter().map(run)).await.into_iter().collect()
    }
}
