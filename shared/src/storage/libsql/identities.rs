//! Migration of the databases: their tables, their identities, and the placements of the users.

use futures_util::future::try_join_all;

use super::databases::{Identity, ListedDatabase, PlacedDatabases, check_new_list};
use super::{BatchError, Databases, LibsqlSync, SYNC, Statement, Transport, migrate};
use crate::clock::{Random, random_uuid};
use crate::models::DatabaseId;
use crate::storage::{DatabaseSet, Retention, StoreError, StoreResult};

/// Writes the identity of a database that has none. `?1` id of the database, `?2` id of the set.
const IDENTIFY: &str = "
INSERT INTO placement (database_id, set_id) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM placement)";

/// Number of users whose placement one step records.
const RECORDED_USERS: usize = 1_000;
/// Maximum number of such steps in a migration, which has to end within the 15 minutes of a function. The placements of the other
/// users are recorded when they are needed.
const MAX_STEPS: usize = 2_000;

/// Number of accounts whose totals one batch computes.
const REPAIRED_ACCOUNTS: usize = 100;
/// Maximum number of such batches in a migration.
const MAX_REPAIRS: usize = 1_000;

/// The databases cannot be migrated.
#[derive(Debug, thiserror::Error)]
pub enum DataMigrationError {
    /// The list of databases is wrong. Nothing was registered, and no database changed, except that new ones may have got tables
    /// and an identity.
    #[error("{0}")]
    List(String),
    /// A migration failed.
    #[error(transparent)]
    Failed(#[from] BatchError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LibsqlSync {
    /// Applies the pending migrations to every database and returns their names. Gives new databases an identity, registers them,
    /// and records the placements of users that have none. Safe to run repeatedly and concurrently.
    ///
    /// # Errors
    /// When the list of databases is wrong, a database is unreachable, or a migration fails.
    pub async fn migrate(&self, random: &dyn Random) -> Result<Vec<&'static str>, DataMigrationError> {
        let applied = match &self.databases {
            Databases::Only(database) => migrate(&**database, SYNC).await?,
            Databases::Placed(databases) => databases.migrate(random).await?,
        };
        self.compute_missing_totals().await?;
        Ok(applied)
    }

    /// Computes size and digest of the accounts that have none, in batches. Accounts that are written meanwhile, and those beyond
    /// the last batch, are left to the purge.
    pub(in crate::storage) async fn compute_missing_totals(&self) -> StoreResult<()> {
        self.repair_totals(REPAIRED_ACCOUNTS, MAX_REPAIRS).await.map(drop)
    }
}

impl PlacedDatabases {
    async fn migrate(&self, random: &dyn Random) -> Result<Vec<&'static str>, DataMigrationError> {
        // Otherwise a database whose users are not recorded yet counts as unused.
        self.record_all().await?;
        let set = self.directory.placements.database_set().await?;
        self.check(&set).await?;
        let applied = try_join_all(self.listed.iter().map(|listed| migrate(&*listed.transport, SYNC))).await?;
        for listed in &self.listed {
            let id = DatabaseId::new(random_uuid(random));
            identify(&*listed.transport, Identity { id, set: set.id }).await?;
        }
        // A new database that is listed twice is known only now.
        self.check(&set).await?;
        self.register().await?;
        self.record_all().await?;
        let mut names: Vec<_> = applied.into_iter().flatten().collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Compares the list with the members of `set`, before it is registered.
    async fn check(&self, set: &DatabaseSet) -> Result<(), DataMigrationError> {
        let identities = try_join_all(self.listed.iter().map(ListedDatabase::identity)).await?;
        check_new_list(set, &identities, true).map_err(|error| DataMigrationError::List(error.to_string()))
    }

    /// Registers the databases of the list with their weights.
    async fn register(&self) -> Result<(), DataMigrationError> {
        let mut databases = Vec::new();
        for listed in &self.listed {
            let identity = listed.identity().await?;
            databases.extend(identity.map(|identity| (identity.id, listed.weight)));
        }
        match self.directory.placements.register(&databases).await?.first() {
            None => Ok(()),
            Some(missing) => Err(DataMigrationError::List(format!("users are placed in the database {missing}"))),
        }
    }

    /// Records the placements of all users that have none, in steps.
    async fn record_all(&self) -> StoreResult<()> {
        let set = self.directory.placements.database_set().await?;
        if set.members.is_empty() {
            return Ok(());
        }
        for _ in 0..MAX_STEPS {
            let users = self.directory.placements.unrecorded(RECORDED_USERS).await?;
            if users.is_empty() {
                break;
            }
            self.record(&users, &set).await?;
        }
        Ok(())
    }
}

/// Gives a database an identity, unless it has one.
async fn identify(database: &dyn Transport, identity: Identity) -> Result<(), BatchError> {
    let parameters = [identity.id.into(), identity.set.to_string().into()];
    database.write_batch("identify", [Statement::new(IDENTIFY, parameters)]).await.map(drop)
}
