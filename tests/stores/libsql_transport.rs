//! Use of the libSQL transport: number of round trips, size of parameters, and atomicity on failure.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shared::models::{ItemType, limits};
use shared::storage::libsql::{
    BatchError, FileDatabase, LibsqlSync, SYNC, Statement, StatementResult, Transport, Value, migrate,
};
use shared::storage::{Commit, SyncStore};
use shared::sync::{Head, Plan};

use crate::fixtures::{at_second, conflict, content, key, new_user_id, query, resolved};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::EmbeddedFolder;
use crate::user_store::UserStore;

/// Maximum size of one statement parameter that the libSQL server accepts, in bytes.
const MAX_PARAMETER_BYTES: usize = 5_000_000;

/// Transport that records its calls and fails on request.
struct RecordingTransport {
    file: FileDatabase,
    reads: AtomicUsize,
    writes: AtomicUsize,
    largest_parameter: AtomicUsize,
    /// Index of the statement of a write before which to fail, if any.
    failing_statement: Mutex<Option<usize>>,
    statements: AtomicUsize,
}

impl RecordingTransport {
    async fn new(folder: &EmbeddedFolder) -> Arc<Self> {
        let file = FileDatabase::open(&folder.path().join("sync.db")).await.expect("the file opens");
        migrate(&file, SYNC).await.expect("the migrations succeed");
        Arc::new(Self {
            file,
            reads: AtomicUsize::default(),
            writes: AtomicUsize::default(),
            largest_parameter: AtomicUsize::default(),
            failing_statement: Mutex::default(),
            statements: AtomicUsize::default(),
        })
    }

    fn store(self: &Arc<Self>) -> UserStore {
        let transport: Arc<dyn Transport> = self.clone();
        UserStore { data: Arc::new(LibsqlSync::new(transport)), user: new_user_id() }
    }

    /// Returns the numbers of reads and writes since the last call, and resets them.
    fn take_round_trips(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::SeqCst), self.writes.swap(0, Ordering::SeqCst))
    }

    fn set_failing_statement(&self, position: Option<usize>) {
        *self.failing_statement.lock().expect("the task does not panic") = position;
    }

    fn record_parameters(&self, statements: &[Statement]) {
        let parameters = statements.iter().flat_map(|statement| &statement.parameters);
        let largest = parameters.map(|value| if let Value::Text(text) = value { text.len() } else { 0 }).max();
        self.largest_parameter.fetch_max(largest.unwrap_or(0), Ordering::SeqCst);
    }
}

#[async_trait]
impl Transport for RecordingTransport {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.record_parameters(&statements);
        self.file.read(name, statements).await
    }

    async fn write(
        &self,
        name: &'static str,
        mut statements: Vec<Statement>,
    ) -> Result<Vec<StatementResult>, BatchError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.record_parameters(&statements);
        self.statements.store(statements.len(), Ordering::SeqCst);
        if let Some(position) = *self.failing_statement.lock().expect("the task does not panic") {
            statements.insert(position.min(statements.len()), Statement::new("SELECT * FROM no_such_table", []));
        }
        self.file.write(name, statements).await
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        self.file.script(name, script).await
    }
}

/// Builds a plan that writes to every table.
fn plan_for_every_table(builder: PlanBuilder) -> Plan {
    let keys = ItemType::ALL.map(|item_type| key(item_type, "new"));
    let builder = keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "text")));
    let builder = builder.history_tombstone(&key(ItemType::QueryHistory, "old")).conflict(conflict("c", &keys[0]));
    builder
        .conflict(resolved(conflict("d", &keys[1]), at_second(9)))
        .receipt("change", &keys[0], None)
        .device_stats(1, 1)
        .build()
}

#[tokio::test]
async fn every_call_is_one_round_trip() {
    let folder = EmbeddedFolder::new();
    let transport = RecordingTransport::new(&folder).await;
    let store = transport.store();
    store.commit(&plan_for_every_table(PlanBuilder::on(Head::default()))).await.expect("the write succeeds");
    assert_eq!(transport.take_round_trips(), (0, 1), "a commit");
    store.load(&[&query("new")]).await.expect("the read succeeds");
    assert_eq!(transport.take_round_trips(), (1, 0), "a load");
    store.page(at_second(0), 10).await;
    assert_eq!(transport.take_round_trips(), (1, 0), "a page");
    store.head().await;
    assert_eq!(transport.take_round_trips(), (1, 0), "the status");
    store.data.purge(at_second(0), 10, 1).await.expect("the write succeeds");
    assert_eq!(transport.take_round_trips(), (0, 1), "a batch of the purge");
    store.data.erase(store.user, at_second(9), 10).await.expect("the write succeeds");
    assert_eq!(transport.take_round_trips(), (0, 1), "a batch of an erasure");
}

#[tokio::test]
async fn no_parameter_exceeds_the_server_limit() {
    let folder = EmbeddedFolder::new();
    let transport = RecordingTransport::new(&folder).await;
    let store = transport.store();
    let plan = (0..limits::UPLOAD_CHANGES).fold(PlanBuilder::on(Head::default()), |builder, position| {
        let id = format!("{position:05}{}", "\"".repeat(123));
        let key = query(&id);
        builder
            .put(&key, content(&key, &"é\"".repeat(1_000)))
            .receipt(&id, &key, Some(&id))
            .conflict(conflict(&id, &key))
    });
    let plan = plan.build();
    assert_eq!(store.commit(&plan).await.expect("the write succeeds"), Commit::Applied);
    let largest = transport.largest_parameter.load(Ordering::SeqCst);
    assert!((1_000_000..=MAX_PARAMETER_BYTES).contains(&largest), "{largest} bytes");
    assert_eq!(store.data.status(store.user.into()).await.expect("the read succeeds").items, [0, 5_000, 0]);

    let read_set = shared::sync::ReadSet {
        device: crate::fixtures::device("laptop"),
        items: plan.items.iter().map(|(key, _)| key.clone()).collect(),
        changes: plan.receipts.iter().map(|receipt| receipt.change.clone()).collect(),
        branches: plan.items.iter().map(|(key, _)| (key.clone(), 1)).collect(),
        added_history: [].into(),
        history_receipts: [].into(),
        conflict: None,
        with_bases: false,
        version: None,
    };
    let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
    let counts = (snapshot.items.len(), snapshot.receipts.len(), snapshot.branches.len(), snapshot.conflicts.len());
    assert_eq!(counts, (5_000, 5_000, 5_000, 5_000));
    let largest = transport.largest_parameter.load(Ordering::SeqCst);
    assert!(largest <= MAX_PARAMETER_BYTES, "a load has a parameter of {largest} bytes");
}

#[tokio::test]
async fn a_failure_at_any_statement_writes_nothing() {
    let folder = EmbeddedFolder::new();
    let transport = RecordingTransport::new(&folder).await;
    let store = transport.store();
    let old = key(ItemType::QueryHistory, "old");
    store.write(|builder| builder.put(&old, content(&old, "text")).device_stats(1, 0)).await;
    let before = (store.all_items().await, store.data.status(store.user.into()).await.expect("the read succeeds"));
    let plan = plan_for_every_table(PlanBuilder::on(store.head().await));
    for position in 0.. {
        transport.set_failing_statement(Some(position));
        assert!(store.commit(&plan).await.is_err(), "statement {position}");
        let after = (store.all_items().await, store.data.status(store.user.into()).await.expect("the read succeeds"));
        assert_eq!(after, before, "statement {position}");
        if position >= transport.statements.load(Ordering::SeqCst) {
            break;
        }
    }
    transport.set_failing_statement(None);
    assert_eq!(store.commit(&plan).await.expect("the write succeeds"), Commit::Applied);
}

#[tokio::test]
async fn a_failed_purge_does_not_move_the_horizon() {
    let folder = EmbeddedFolder::new();
    let transport = RecordingTransport::new(&folder).await;
    let store = transport.store();
    for item_type in ItemType::ALL {
        let key = key(item_type, "dead");
        store.write(|builder| builder.tombstone(&key, content(&key, "text"))).await;
    }
    let before = (store.all_items().await, store.head().await);
    for position in 0.. {
        transport.set_failing_statement(Some(position));
        assert!(store.data.purge(at_second(999), 10, 1).await.is_err(), "statement {position}");
        assert_eq!((store.all_items().await, store.head().await), before, "statement {position}");
        if position >= transport.statements.load(Ordering::SeqCst) {
            break;
        }
    }
}

#[tokio::test]
async fn each_migration_is_applied_once() {
    let folder = EmbeddedFolder::new();
    let path = folder.path().join("fresh.db");
    let [first_file, second_file] =
        [FileDatabase::open(&path).await, FileDatabase::open(&path).await].map(|file| file.expect("the file opens"));
    let (first, second) = tokio::join!(migrate(&first_file, SYNC), migrate(&second_file, SYNC));
    let mut applied = first.expect("the migrations succeed");
    applied.extend(second.expect("the migrations succeed"));
    // Either of the two may apply the next one.
    applied.sort_unstable();
    let names: Vec<_> = SYNC.iter().map(|migration| migration.name).collect();
    assert_eq!(applied, names, "each migration is applied by one of the two");
    assert!(migrate(&first_file, SYNC).await.expect("there is nothing to apply").is_empty());
    let store = UserStore { data: Arc::new(LibsqlSync::new(Arc::new(first_file))), user: new_user_id() };
    store.write(|builder| builder.put(&query("a"), content(&query("a"), "text"))).await;
}

#[tokio::test]
async fn an_invalid_row_is_reported_with_its_key() {
    let folder = EmbeddedFolder::new();
    let transport = RecordingTransport::new(&folder).await;
    let store = transport.store();
    store.write(|builder| builder.put(&query("bad one"), content(&query("bad one"), "text"))).await;
    transport
        .script("corrupt", "UPDATE saved_queries SET tags = 'no list'".to_owned())
        .await
        .expect("the update succeeds");
    let read_set = [&query("bad one")];
    let error = store.load(&read_set).await.expect_err("the row is invalid").to_string();
    for part in ["saved_queries", "tags", "bad one"] {
        assert!(error.contains(part), "{error}");
    }
    let data: &dyn SyncStore = &*store.data;
    assert!(
        data.commit(store.user.into(), &PlanBuilder::on(store.head().await).build(), "", at_second(1)).await.is_ok()
    );
}
