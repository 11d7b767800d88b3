//! Databases, accounts, and users who are moved.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::clock::{ManualClock, SystemRandom, random_uuid};
use shared::models::{DatabaseId, PlacedUser, Timestamp, UserId};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::{Directory, FileDatabase, LibsqlSync, Maintenance, Statement, Transport, Value};
use shared::storage::{
    AccountStore, Commit, MoveError, MoveOutcome, NewAccount, Page, Placement, Retention, SignUpOutcome, StoreError,
    StoreResult, SyncData, UserMoves,
};
use tests::Sqld;

use super::schema::{Rows, Schema};
use crate::accounts::new_account;
use crate::fixtures::{at_day, at_second, content, new_user_id, query};
use crate::plan_builder::PlanBuilder;
use crate::servers::{Postgres, database};
use crate::store_factory::{EmbeddedFolder, StoreFactory};
use crate::user_store::{UserStore, changes_since};

const HEAD: &str = "SELECT closed_at IS NULL AND moved_to IS NULL AND NOT moving FROM sync_heads WHERE user_id = ?1";
const WHOLE_HEAD: &str = "SELECT * FROM sync_heads WHERE user_id = ?1";

/// Several databases of one service, and its accounts.
pub(super) struct World {
    pub(super) accounts: Arc<dyn AccountStore>,
    pub(super) databases: Vec<Arc<dyn Transport>>,
    pub(super) ids: Vec<DatabaseId>,
    pub(super) sync: Arc<LibsqlSync>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) schema: Schema,
    folder: EmbeddedFolder,
    _servers: Vec<Sqld>,
}

impl World {
    /// Creates `count` databases and embedded accounts in files.
    pub(super) async fn on_files(count: usize) -> Self {
        let folder = EmbeddedFolder::new();
        let accounts = Arc::new(folder.embedded().await);
        let mut databases: Vec<Arc<dyn Transport>> = Vec::new();
        for index in 0..count {
            let path = folder.path().join(format!("{index}.db"));
            databases.push(Arc::new(FileDatabase::open(&path).await.expect("the file opens")));
        }
        Self::new(accounts, databases, folder, Vec::new()).await
    }

    /// Creates `count` libSQL servers, and accounts in PostgreSQL.
    pub(super) async fn on_servers(count: usize) -> Self {
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(Sqld::start().await);
        }
        let databases = servers.iter().map(|server| Arc::new(database(&server.url())) as Arc<dyn Transport>).collect();
        let accounts: Arc<dyn AccountStore> = Postgres::default().open().await;
        Self::new(accounts, databases, EmbeddedFolder::new(), servers).await
    }

    async fn new(
        accounts: Arc<dyn AccountStore>,
        databases: Vec<Arc<dyn Transport>>,
        folder: EmbeddedFolder,
        servers: Vec<Sqld>,
    ) -> Self {
        let listed = databases.iter().map(|database| (database.clone(), 1)).collect();
        let sync = LibsqlSync::placed(listed, Directory { placements: accounts.clone(), sessions: None });
        sync.migrate(&SystemRandom).await.expect("the migrations succeed");
        let members = accounts.database_set().await.expect("the read succeeds").members;
        let ids = members.iter().map(|member| member.id).collect();
        let (clock, schema) = (ManualClock::at(at_day(1)), Schema::of_new_database().await);
        Self { accounts, databases, ids, sync: Arc::new(sync), clock, schema, folder, _servers: servers }
    }

    /// Opens the stores of sessions and accounts in the file.
    pub(super) async fn embedded(&self) -> Arc<Embedded> {
        Arc::new(self.folder.embedded().await)
    }

    /// Folder of the files.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Copies a database in a file, as a backup does.
    pub(super) async fn back_up(&self, index: usize) -> PathBuf {
        self.databases[index].maintain(Maintenance::TruncateLog).await.expect("the log is empty");
        let path = |name: String| self.folder.path().join(name);
        let copy = path(format!("{index}-{}.db", random_uuid(&SystemRandom)));
        std::fs::copy(path(format!("{index}.db")), &copy).expect("the file can be copied");
        copy
    }

    /// Replaces a database by a backup.
    pub(super) async fn restore(&mut self, index: usize, backup: &Path) {
        self.replace(index, Arc::new(FileDatabase::open(backup).await.expect("the file opens"))).await;
    }

    /// Replaces a database.
    pub(super) async fn replace(&mut self, index: usize, database: Arc<dyn Transport>) {
        self.databases[index] = database;
        let listed = self.databases.iter().map(|database| (database.clone(), 1)).collect();
        let directory = Directory::new(self.accounts.clone(), self.embedded().await);
        self.sync = Arc::new(LibsqlSync::placed(listed, directory));
    }

    /// Creates an account whose placement is `database`, or not recorded.
    pub(super) async fn new_user(&self, database: Option<usize>) -> UserStore {
        let user = new_user_id();
        let database = database.map(|index| self.ids[index]);
        let named = new_account(&user.to_string(), &format!("{user}@example.com"));
        let account = NewAccount { id: user, database, ..named };
        assert_eq!(self.accounts.create(&account).await.expect("the write succeeds"), SignUpOutcome::Created);
        UserStore { data: self.sync.clone(), user }
    }

    /// Creates a user in the first database who has an item and the receipt of a change.
    pub(super) async fn new_writer(&self) -> UserStore {
        let store = self.new_user(Some(0)).await;
        store
            .write(|builder| builder.put(&query("a"), content(&query("a"), "first")).receipt("a", &query("a"), None))
            .await;
        store
    }

    /// Moves `user` to a database.
    pub(super) async fn move_user(&self, user: UserId, to: usize) -> Result<MoveOutcome, MoveError> {
        self.sync.move_user(user, self.ids[to], &*self.clock).await
    }

    /// Moves `user` to a database where the user is not.
    pub(super) async fn moved(&self, user: UserId, to: usize) {
        let outcome = self.move_user(user, to).await.expect("the move succeeds");
        assert!(matches!(outcome, MoveOutcome::Moved(_)), "{outcome:?}");
    }

    /// Returns the index of the database where `user` is placed.
    pub(super) async fn home(&self, user: UserId) -> usize {
        let placement = self.accounts.placement(user).await.expect("the read succeeds");
        let Placement::In(database) = placement else { panic!("{placement:?}") };
        self.ids.iter().position(|id| *id == database).expect("a database of the list")
    }

    /// Reads all rows of `user` in a database.
    pub(super) async fn rows(&self, database: usize, user: UserId) -> Rows {
        self.schema.rows(&*self.databases[database], user).await
    }

    /// Reads all rows of `user` in all databases, with the states of moves.
    pub(super) async fn everything(&self, user: UserId) -> Vec<(Rows, Vec<Vec<Value>>)> {
        let mut all = Vec::new();
        for (index, database) in self.databases.iter().enumerate() {
            let head = vec![Statement::new(WHOLE_HEAD, [user.into()])];
            let head = database.read("head", head).await.expect("the read succeeds").remove(0);
            all.push((self.rows(index, user).await, head.rows));
        }
        all
    }

    /// Returns whether each database has a head of `user`, and whether it is open to writes.
    pub(super) async fn heads(&self, user: UserId) -> Vec<Option<bool>> {
        let mut heads = Vec::new();
        for database in &self.databases {
            let select = vec![Statement::new(HEAD, [user.into()])];
            let found = database.read("head", select).await.expect("the read succeeds").remove(0);
            heads.push(found.rows.first().map(|row| row[0] == Value::Integer(1)));
        }
        heads
    }

    /// Ends abandoned moves, and removes what is left of those that are complete.
    pub(super) async fn clean_up(&self) {
        self.clean_up_in_batches(100, 100).await;
    }

    /// As [`clean_up`](Self::clean_up), in batches of this size and number. Returns the number of users of whom nothing is left behind.
    pub(super) async fn clean_up_in_batches(&self, batch: usize, batches: usize) -> u64 {
        self.sync.clean_up_moves(at_day(1_000), batch, batches).await.expect("the clean-up succeeds")
    }

    /// Asserts that nothing of `user` is left but heads, except in `home`.
    pub(super) async fn assert_nothing_left(&self, user: UserId, home: Option<usize>) {
        for database in (0..self.databases.len()).filter(|index| Some(*index) != home) {
            let rows = self.rows(database, user).await;
            let left: Vec<_> =
                rows.iter().filter(|(table, rows)| **table != "sync_heads" && !rows.is_empty()).collect();
            assert!(left.is_empty(), "in database {database}: {left:?}");
        }
    }

    /// Asserts that the only open head of `user` is in the database `home`, and the user is placed there.
    pub(super) async fn assert_open_in(&self, user: UserId, home: usize) {
        let heads = self.heads(user).await;
        let open: Vec<_> = (0..heads.len()).filter(|index| heads[*index] == Some(true)).collect();
        assert_eq!((open, self.home(user).await), (vec![home], home), "{heads:?}");
    }

    /// Asserts that no two heads of `user` are open, and none where the user is not placed.
    pub(super) async fn assert_at_most_one_open(&self, user: UserId) {
        let (heads, home) = (self.heads(user).await, self.home(user).await);
        let is_elsewhere = |index: &usize| heads[*index] == Some(true) && *index != home;
        assert!(!(0..heads.len()).any(|index| is_elsewhere(&index)), "placed in {home}: {heads:?}");
    }

    /// Writes a new version of an item and reads it, with each hint that a session may have: the databases where the user was. Asserts
    /// that the service refuses it only as unavailable, and creates no head. Returns whether the last write was accepted.
    pub(super) async fn use_with_hints(&self, store: &UserStore, hints: &[usize]) -> bool {
        let (before, home) = (self.heads(store.user).await, self.home(store.user).await);
        let mut is_accepted = false;
        for hint in [None].into_iter().chain(hints.iter().map(|index| Some(self.ids[*index]))) {
            let user = PlacedUser { id: store.user, database: hint };
            is_accepted = match write(&*store.data, user).await {
                Ok(commit) => commit == Commit::Applied,
                Err(StoreError::Unavailable { .. }) => false,
                Err(error) => panic!("{error}"),
            };
            assert!(!is_accepted || read(&*store.data, user).await.is_ok(), "a user who can write can read");
        }
        let after = self.heads(store.user).await;
        let is_new = |index: &usize| *index != home && before[*index].is_none() && after[*index].is_some();
        assert_eq!((0..after.len()).find(is_new), None, "a head was created where the user is not");
        self.assert_at_most_one_open(store.user).await;
        is_accepted
    }
}

/// Reads all items of a user.
pub(super) async fn read(data: &dyn SyncData, user: PlacedUser) -> StoreResult<Page> {
    data.page(user, &changes_since(Timestamp::EPOCH)).await
}

/// Writes the next version of an item.
pub(super) async fn write(data: &dyn SyncData, user: PlacedUser) -> StoreResult<Commit> {
    let head = data.status(user).await?.head;
    let key = query("written");
    let version = data.item(user, &key).await?.map_or(1, |stored| stored.version + 1);
    let plan = PlanBuilder::on(head).at(head.time).version(version).put(&key, content(&key, &version.to_string()));
    let change = format!("change {version}");
    data.commit(user, &plan.receipt(&change, &key, None).build(), "test/1", at_second(60)).await
}
