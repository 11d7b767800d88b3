//! Databases of sync data and accounts, as a service has them, for tests of the list of databases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::clock::SystemRandom;
use shared::models::{DatabaseId, UserId};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::{DataMigrationError, Directory, FileDatabase, LibsqlSync, Transport, Value};
use shared::storage::{DatabaseSet, Placement};
use tempfile::TempDir;
use tests::{Sqld, dump, select};

use crate::fixtures::{content, query};
use crate::servers::{Postgres, database};
use crate::store_factory::{AccountStore, StoreFactory};
use crate::user_store::UserStore;

/// Kind of the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Files, and accounts in another file.
    Files,
    /// libSQL servers and PostgreSQL.
    Servers,
}

/// Place of a database.
enum Location {
    File(PathBuf),
    Server(Box<Sqld>),
    /// A server that does not exist.
    Nowhere,
}

/// Databases, each at an index by which the lists of a test name it, and accounts. None is migrated.
pub(crate) struct Databases {
    locations: Vec<Location>,
    accounts: Arc<dyn AccountStore>,
    folder: TempDir,
}

impl Databases {
    /// Creates `count` empty databases, and no accounts.
    pub(crate) async fn new(kind: Kind, count: usize) -> Self {
        let (mut locations, folder) = (Vec::new(), tests::scratch_dir());
        for index in 0..count {
            locations.push(match kind {
                Kind::Files => Location::File(folder.path().join(format!("{index}.db"))),
                Kind::Servers => Location::Server(Box::new(Sqld::start().await)),
            });
        }
        let accounts: Arc<dyn AccountStore> = match kind {
            Kind::Files => {
                let accounts = Embedded::open(folder.path()).await.expect("the stores open");
                accounts.migrate().await.expect("the migrations succeed");
                Arc::new(accounts)
            }
            Kind::Servers => Postgres::default().open().await,
        };
        Self { locations, accounts, folder }
    }

    /// Adds a place where there is no database. Returns its index.
    pub(crate) fn add_nowhere(&mut self) -> usize {
        self.locations.push(Location::Nowhere);
        self.locations.len() - 1
    }

    /// Adds a copy of a database in a file. Returns its index.
    pub(crate) fn add_copy_of(&mut self, index: usize) -> usize {
        let Location::File(original) = &self.locations[index] else { panic!("the database is not in a file") };
        let copy = self.folder.path().join(format!("copy of {index}.db"));
        let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
        std::fs::copy(original, &copy).expect("the file can be copied");
        if log(original).exists() {
            std::fs::copy(log(original), log(&copy)).expect("the log can be copied");
        }
        self.locations.push(Location::File(copy));
        self.locations.len() - 1
    }

    /// Accounts.
    pub(crate) fn accounts(&self) -> Arc<dyn AccountStore> {
        self.accounts.clone()
    }

    /// Opens another handle to the database `index`.
    pub(crate) async fn open(&self, index: usize) -> Arc<dyn Transport> {
        match &self.locations[index] {
            Location::File(path) => Arc::new(FileDatabase::open(path).await.expect("the file opens")),
            Location::Server(server) => Arc::new(database(&server.url())),
            Location::Nowhere => Arc::new(database("http://127.0.0.1:1")),
        }
    }

    /// Opens the store of a process whose list has these databases with these weights.
    pub(crate) async fn weighted_list(&self, list: &[(usize, u32)]) -> Arc<LibsqlSync> {
        let mut databases = Vec::new();
        for (index, weight) in list {
            databases.push((self.open(*index).await, *weight));
        }
        let directory = Directory { placements: self.accounts.clone(), sessions: None };
        Arc::new(LibsqlSync::placed(databases, directory))
    }

    /// Opens the store of a process whose list has these databases with equal weights.
    pub(crate) async fn list(&self, list: &[usize]) -> Arc<LibsqlSync> {
        let list: Vec<_> = list.iter().map(|index| (*index, 1)).collect();
        self.weighted_list(&list).await
    }

    /// Runs `migrate` with such a list.
    pub(crate) async fn try_migrate(&self, list: &[usize]) -> Result<Vec<&'static str>, DataMigrationError> {
        self.list(list).await.migrate(&SystemRandom).await
    }

    /// Runs `migrate`, which succeeds. Returns the ids of the databases in the order of the list.
    pub(crate) async fn migrate(&self, list: &[usize]) -> Vec<DatabaseId> {
        self.try_migrate(list).await.expect("the list is right");
        let mut ids = Vec::new();
        for index in list {
            ids.push(self.id(*index).await);
        }
        ids
    }

    /// Runs `migrate`, which must fail without changing the register or any database. Returns the error.
    pub(crate) async fn migrate_in_vain(&self, list: &[usize]) -> String {
        let before = self.state().await;
        let error = self.try_migrate(list).await.expect_err("the list is wrong").to_string();
        assert!(self.state().await == before, "something has changed: {error}");
        error
    }

    /// Returns the id that the database `index` holds.
    pub(crate) async fn id(&self, index: usize) -> DatabaseId {
        let rows = select(&*self.open(index).await, "SELECT database_id FROM placement").await;
        let [row] = rows.as_slice() else { panic!("one identity, not {rows:?}") };
        let [Value::Text(id)] = row.as_slice() else { panic!("a text, not {row:?}") };
        id.parse().expect("an id")
    }

    /// Returns the registered databases.
    pub(crate) async fn set(&self) -> DatabaseSet {
        self.accounts.database_set().await.expect("the read succeeds")
    }

    /// Returns where `user` is placed.
    pub(crate) async fn placement(&self, user: UserId) -> Placement {
        self.accounts.placement(user).await.expect("the read succeeds")
    }

    /// Returns what the databases contain, and which are registered.
    pub(crate) async fn state(&self) -> (DatabaseSet, Vec<Vec<String>>) {
        let mut dumps = Vec::new();
        for (index, location) in self.locations.iter().enumerate() {
            let is_anywhere = !matches!(location, Location::Nowhere);
            dumps.push(if is_anywhere { dump(&*self.open(index).await).await } else { Vec::new() });
        }
        (self.set().await, dumps)
    }
}

/// Writes an item of `user` through a process with the list `list`.
pub(crate) async fn write_item(data: &Arc<LibsqlSync>, user: UserId) {
    let key = query("q");
    let store = UserStore { data: data.clone(), user };
    store.write(|builder| builder.put(&key, content(&key, &user.to_string()))).await;
}

/// Whether a process finds the item that [`write_item`] has written.
pub(crate) async fn finds_item(data: &Arc<LibsqlSync>, user: UserId) -> bool {
    UserStore { data: data.clone(), user }.item(&query("q")).await.is_some()
}
