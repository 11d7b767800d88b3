//! What the way to a libSQL database sees: how often it is asked, how much at once, and what a failure leaves behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shared::models::{ItemType, limits};
use shared::storage::libsql::{
    BatchError, FileDatabase, LibsqlSync, SYNC, Statement, StatementResult, Transport, Value, migrate,
};
use shared::storage::{Commit, SyncStore};
use shared::sync::{Head, Plan};

use crate::draft::Draft;
use crate::fixtures::{conflict, content, key, query, second, settled, somebody};
use crate::line::Line;
use crate::place::Folder;

/// The most bytes that the libSQL server takes as one parameter.
const MAX_PARAMETER_BYTES: usize = 5_000_000;

/// A way to a database that counts, and that can be told to fail.
struct Watched {
    file: FileDatabase,
    reads: AtomicUsize,
    writes: AtomicUsize,
    largest_parameter: AtomicUsize,
    /// Before which statement of a write to fail, if at all.
    fails_at: Mutex<Option<usize>>,
    statements: AtomicUsize,
}

impl Watched {
    async fn new(folder: &Folder) -> Arc<Self> {
        let file = FileDatabase::open(&folder.path().join("watched.db")).await.expect("the file opens");
        migrate(&file, SYNC).await.expect("the tables are made");
        Arc::new(Self {
            file,
            reads: AtomicUsize::default(),
            writes: AtomicUsize::default(),
            largest_parameter: AtomicUsize::default(),
            fails_at: Mutex::default(),
            statements: AtomicUsize::default(),
        })
    }

    fn line(self: &Arc<Self>) -> Line {
        let transport: Arc<dyn Transport> = self.clone();
        Line { data: Arc::new(LibsqlSync::new(transport)), user: somebody() }
    }

    /// How often it was read and written since the last look.
    fn trips(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::SeqCst), self.writes.swap(0, Ordering::SeqCst))
    }

    fn fail_at(&self, place: Option<usize>) {
        *self.fails_at.lock().expect("no panic") = place;
    }

    fn measure(&self, statements: &[Statement]) {
        let parameters = statements.iter().flat_map(|statement| &statement.parameters);
        let largest = parameters.map(|value| if let Value::Text(text) = value { text.len() } else { 0 }).max();
        self.largest_parameter.fetch_max(largest.unwrap_or(0), Ordering::SeqCst);
    }
}

#[async_trait]
impl Transport for Watched {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.measure(&statements);
        self.file.read(name, statements).await
    }

    async fn write(
        &self,
        name: &'static str,
        mut statements: Vec<Statement>,
    ) -> Result<Vec<StatementResult>, BatchError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.measure(&statements);
        self.statements.store(statements.len(), Ordering::SeqCst);
        if let Some(place) = *self.fails_at.lock().expect("no panic") {
            statements.insert(place.min(statements.len()), Statement::new("SELECT * FROM no_such_table", []));
        }
        self.file.write(name, statements).await
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        self.file.script(name, script).await
    }
}

/// A plan with something for every table.
fn all_sorts(draft: Draft) -> Plan {
    let keys = ItemType::ALL.map(|item_type| key(item_type, "new"));
    let draft = keys.iter().fold(draft, |draft, key| draft.put(key, content(key, "text")));
    let draft = draft.tombstone_unseen(&key(ItemType::QueryHistory, "old")).conflict(conflict("c", &keys[0]));
    draft
        .conflict(settled(conflict("d", &keys[1]), second(9)))
        .receipt("change", &keys[0], None)
        .device_stats(1, 1)
        .plan()
}

#[tokio::test]
async fn every_call_is_one_trip() {
    let folder = Folder::new();
    let way = Watched::new(&folder).await;
    let line = way.line();
    line.commit(&all_sorts(Draft::on(Head::default()))).await.expect("the store writes");
    assert_eq!(way.trips(), (0, 1), "a commit");
    line.load(&[&query("new")]).await.expect("the store answers");
    assert_eq!(way.trips(), (1, 0), "a load");
    line.page(second(0), 10).await;
    assert_eq!(way.trips(), (1, 0), "a page");
    line.head().await;
    assert_eq!(way.trips(), (1, 0), "the status");
    line.data.purge(second(0), 10).await.expect("the store writes");
    assert_eq!(way.trips(), (0, 1), "a batch of the purge");
    line.data.erase(line.user, second(9), 10).await.expect("the store writes");
    assert_eq!(way.trips(), (0, 1), "a batch of an erasure");
}

#[tokio::test]
async fn no_parameter_is_larger_than_the_server_takes() {
    let folder = Folder::new();
    let way = Watched::new(&folder).await;
    let line = way.line();
    let plan = (0..limits::UPLOAD_CHANGES).fold(Draft::on(Head::default()), |draft, place| {
        let id = format!("{place:05}{}", "\"".repeat(123));
        let key = query(&id);
        draft.put(&key, content(&key, &"é\"".repeat(1_000))).receipt(&id, &key, Some(&id)).conflict(conflict(&id, &key))
    });
    let plan = plan.plan();
    assert_eq!(line.commit(&plan).await.expect("the store writes"), Commit::Applied);
    let largest = way.largest_parameter.load(Ordering::SeqCst);
    assert!((1_000_000..=MAX_PARAMETER_BYTES).contains(&largest), "{largest} bytes");
    assert_eq!(line.data.status(line.user).await.expect("the store answers").items, [0, 5_000, 0]);

    let read_set = shared::sync::ReadSet {
        device: crate::fixtures::device("laptop"),
        items: plan.items.keys().cloned().collect(),
        changes: plan.receipts.iter().map(|receipt| receipt.change.clone()).collect(),
        branches: plan.items.keys().map(|key| (key.clone(), 1)).collect(),
        history_tombstones: [].into(),
        conflict: None,
    };
    let snapshot = line.data.load(line.user, &read_set).await.expect("the store answers");
    let counts = (snapshot.items.len(), snapshot.receipts.len(), snapshot.branches.len(), snapshot.conflicts.len());
    assert_eq!(counts, (5_000, 5_000, 5_000, 5_000));
    let largest = way.largest_parameter.load(Ordering::SeqCst);
    assert!(largest <= MAX_PARAMETER_BYTES, "a load has a parameter of {largest} bytes");
}

#[tokio::test]
async fn a_failure_at_any_statement_leaves_nothing_behind() {
    let folder = Folder::new();
    let way = Watched::new(&folder).await;
    let line = way.line();
    let old = key(ItemType::QueryHistory, "old");
    line.write(|draft| draft.put(&old, content(&old, "text")).device_stats(1, 0)).await;
    let before = (line.everything().await, line.data.status(line.user).await.expect("the store answers"));
    let plan = all_sorts(Draft::on(line.head().await));
    for place in 0.. {
        way.fail_at(Some(place));
        assert!(line.commit(&plan).await.is_err(), "statement {place}");
        let after = (line.everything().await, line.data.status(line.user).await.expect("the store answers"));
        assert_eq!(after, before, "statement {place}");
        if place >= way.statements.load(Ordering::SeqCst) {
            break;
        }
    }
    way.fail_at(None);
    assert_eq!(line.commit(&plan).await.expect("the store writes"), Commit::Applied);
}

#[tokio::test]
async fn a_purge_that_fails_anywhere_moves_no_horizon() {
    let folder = Folder::new();
    let way = Watched::new(&folder).await;
    let line = way.line();
    for item_type in ItemType::ALL {
        let key = key(item_type, "dead");
        line.write(|draft| draft.tombstone(&key, content(&key, "text"))).await;
    }
    let before = (line.everything().await, line.head().await);
    for place in 0.. {
        way.fail_at(Some(place));
        assert!(line.data.purge(second(999), 10).await.is_err(), "statement {place}");
        assert_eq!((line.everything().await, line.head().await), before, "statement {place}");
        if place >= way.statements.load(Ordering::SeqCst) {
            break;
        }
    }
}

#[tokio::test]
async fn migrations_run_once_however_often_they_are_run() {
    let folder = Folder::new();
    let path = folder.path().join("fresh.db");
    let [one, other] =
        [FileDatabase::open(&path).await, FileDatabase::open(&path).await].map(|file| file.expect("opens"));
    let (ours, theirs) = tokio::join!(migrate(&one, SYNC), migrate(&other, SYNC));
    let mut applied = ours.expect("the tables are made");
    applied.extend(theirs.expect("the tables are made"));
    let names: Vec<_> = SYNC.iter().map(|migration| migration.name).collect();
    assert_eq!(applied, names, "each step is taken by one of the two");
    assert!(migrate(&one, SYNC).await.expect("nothing to do").is_empty());
    let line = Line { data: Arc::new(LibsqlSync::new(Arc::new(one))), user: somebody() };
    line.write(|draft| draft.put(&query("a"), content(&query("a"), "text"))).await;
}

#[tokio::test]
async fn a_row_that_is_no_item_is_told_with_its_key() {
    let folder = Folder::new();
    let way = Watched::new(&folder).await;
    let line = way.line();
    line.write(|draft| draft.put(&query("bad one"), content(&query("bad one"), "text"))).await;
    way.script("spoil", "UPDATE saved_queries SET tags = 'no list'".to_owned()).await.expect("the row is spoilt");
    let read_set = [&query("bad one")];
    let error = line.load(&read_set).await.expect_err("the row is bad").to_string();
    for part in ["saved_queries", "tags", "bad one"] {
        assert!(error.contains(part), "{error}");
    }
    let store: &dyn SyncStore = &*line.data;
    assert!(store.commit(line.user, &Draft::on(line.head().await).plan(), "", second(1)).await.is_ok());
}
