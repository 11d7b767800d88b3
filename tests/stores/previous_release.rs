//! The release before `libsql/0002_versions`, by its statements: its data after the migration, and its writes to the new tables
//! while a deployment runs.

use std::sync::Arc;

use serde_json::json;
use shared::clock::SystemRandom;
use shared::models::{ChangeId, DeviceId, Timestamp, UserId};
use shared::storage::libsql::{BatchError, FileDatabase, LibsqlSync, SYNC, Statement, Transport, migrate};
use shared::sync::ReadSet;
use tests::dump;

use crate::fixtures::{at_second, conflict, content, device, new_user_id, query, text};
use crate::store_factory::EmbeddedFolder;
use crate::user_store::UserStore;

const ENSURE_HEAD: &str = "INSERT INTO sync_heads (user_id, head) VALUES (?1, 0) ON CONFLICT DO NOTHING";
const MOVE_HEAD: &str = "
UPDATE sync_heads SET head = CASE
    WHEN head = ?2 AND purged_through = ?4 AND purged_version = ?5 AND closed_at IS NULL THEN ?3 END
WHERE user_id = ?1";
const UPSERT_SAVED_QUERIES: &str = "
WITH j AS MATERIALIZED (SELECT key, value FROM json_each(?2)) INSERT INTO saved_queries (user_id, id, name, description, query,
    connection_id, tags, favorite, metadata, created_at, updated_at, sync_version, deleted_at, seq, device_id, bytes)
SELECT ?1, j.value ->> '$.id', j.value ->> '$.item.name', j.value ->> '$.item.description',
    j.value ->> '$.item.query', j.value ->> '$.item.connection_id', j.value -> '$.item.tags',
    j.value ->> '$.item.favorite', j.value -> '$.item.metadata', j.value ->> '$.created_at',
    j.value ->> '$.updated_at', j.value ->> '$.version', j.value ->> '$.deleted_at', j.value ->> '$.seq',
    j.value ->> '$.device', octet_length(j.value)
FROM j WHERE true
ON CONFLICT (user_id, id) DO UPDATE SET name = excluded.name, description = excluded.description,
    query = excluded.query, connection_id = excluded.connection_id, tags = excluded.tags,
    favorite = excluded.favorite, metadata = excluded.metadata, created_at = excluded.created_at,
    updated_at = excluded.updated_at, sync_version = excluded.sync_version, deleted_at = excluded.deleted_at,
    seq = excluded.seq, device_id = excluded.device_id, bytes = excluded.bytes";
const RECEIPTS: &str = "
WITH j AS MATERIALIZED (SELECT key, value FROM json_each(?2))
INSERT INTO receipts (user_id, device_id, change_id, item_type, item_id, sync_version, conflict_id, seq)
SELECT ?1, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6 FROM j";
const REQUIRE_OPEN: &str = "
UPDATE sync_heads SET head = CASE WHEN closed_at IS NULL THEN head END WHERE user_id = ?1";
const APPEND: &str = "
INSERT INTO query_history (user_id, id, query, connection_id, executed_at, duration_ms, rows_affected, success, metadata,
    sync_version, seq, device_id, bytes)
SELECT user_id, ?2, 'select 1', 'shop', 1, 1, 1, 1, '{}', 1, (head / 1000 + 1) * 1000, 'laptop', 100 FROM sync_heads WHERE user_id = ?1";
const ADVANCE_HEAD: &str = "
UPDATE sync_heads SET head = (SELECT max(seq) FROM query_history WHERE user_id = ?1) WHERE user_id = ?1";

/// The previous release, on the database of a user.
struct PreviousRelease {
    file: Arc<FileDatabase>,
    user: UserId,
}

impl PreviousRelease {
    /// Writes version `version` of the saved query `a` by the laptop.
    async fn write(&self, head: Timestamp, version: i64, query: &str) -> Timestamp {
        self.try_write(head, version, query).await.expect("the previous release can write")
    }

    async fn try_write(&self, head: Timestamp, version: i64, query: &str) -> Result<Timestamp, BatchError> {
        let seq = head.next_millisecond();
        let item = json!({ "name": "n", "query": query, "tags": ["t"], "favorite": true, "metadata": {} });
        let row = json!([{ "id": "a", "item": item, "created_at": 1, "updated_at": 2_000, "version": version, "deleted_at": null,
            "seq": seq.micros(), "device": "laptop" }]);
        let receipt = json!([["laptop", format!("change {version}"), "saved_query", "a", version, null, seq.micros()]]);
        let statements = vec![
            Statement::new(ENSURE_HEAD, [self.user.into()]),
            Statement::new(MOVE_HEAD, [self.user.into(), head.into(), seq.into(), 0.into(), 0.into()]),
            Statement::new(UPSERT_SAVED_QUERIES, [self.user.into(), row.to_string().into()]),
            Statement::new(RECEIPTS, [self.user.into(), receipt.to_string().into()]),
        ];
        self.file.write("commit", statements).await.map(|_| seq)
    }

    /// Appends the entry `id` to the history.
    async fn try_append(&self, id: &str) -> Result<(), BatchError> {
        let statements = vec![
            Statement::new(ENSURE_HEAD, [self.user.into()]),
            Statement::new(REQUIRE_OPEN, [self.user.into()]),
            Statement::new(APPEND, [self.user.into(), id.into()]),
            Statement::new(ADVANCE_HEAD, [self.user.into()]),
        ];
        self.file.write("append", statements).await.map(drop)
    }
}

async fn open(folder: &EmbeddedFolder) -> (PreviousRelease, UserStore) {
    let file = Arc::new(FileDatabase::open(&folder.path().join("sync.db")).await.expect("the file opens"));
    let user = new_user_id();
    let store = UserStore { data: Arc::new(LibsqlSync::new(file.clone())), user };
    (PreviousRelease { file, user }, store)
}

#[tokio::test]
async fn its_data_has_totals_and_receipts_after_the_migration() {
    let folder = EmbeddedFolder::new();
    let (previous, store) = open(&folder).await;
    migrate(&*previous.file, &SYNC[..1]).await.expect("the migration succeeds");
    let head = previous.write(Timestamp::EPOCH, 1, "one").await;
    LibsqlSync::new(previous.file.clone()).migrate(&SystemRandom).await.expect("the migration succeeds");
    let status = store.data.status(store.user.into()).await.expect("the read succeeds");
    assert_eq!((status.head.time, status.totals.is_digest_stale), (head, false));
    let mut expected = shared::sync::ItemsDigest::default();
    expected.add(&query("a"), 1, Timestamp::from_micros(2_000));
    assert_eq!(status.totals.digest.saved_queries, expected);
    assert!(status.totals.size.bytes > 200, "{:?}", status.totals);
    let mut read_set = ReadSet::empty(device("laptop"));
    read_set.changes.insert(ChangeId::new_unchecked("change 1"));
    let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
    assert_eq!(snapshot.receipts.len(), 1);
}

#[tokio::test]
async fn its_conflicts_share_the_position_and_the_page_of_an_item() {
    let folder = EmbeddedFolder::new();
    let (previous, store) = open(&folder).await;
    LibsqlSync::new(previous.file.clone()).migrate(&SystemRandom).await.expect("the migrations succeed");
    let [first, a, last] = ["first", "a", "last"].map(query);
    store.write(|builder| builder.put(&first, content(&first, "text"))).await;
    let plan = store.write(|builder| builder.put(&a, content(&a, "text")).conflict(conflict("c", &a))).await;
    let at = plan.items[0].1.seq.micros();
    let shared = format!("UPDATE conflicts SET seq = {at}; UPDATE sync_heads SET head = {at}");
    previous.file.script("previous", shared).await.expect("the previous release can write");
    store.write(|builder| builder.put(&last, content(&last, "text"))).await;
    for (limit, expected) in [(1, [(1, 0), (1, 1), (1, 0)]), (2, [(1, 0), (1, 1), (1, 0)])] {
        let pages = store.pages(limit).await;
        let sizes: Vec<_> = pages.iter().map(|page| (page.items.len(), page.conflicts.len())).collect();
        assert_eq!(sizes, expected, "a page that ended between them would lose one; {limit} at a time");
        assert_eq!(pages[1].next_cursor().micros(), at);
    }
    assert_eq!(store.pages(3).await.len(), 2);
}

#[tokio::test]
async fn its_writes_keep_versions_and_unknown_fields_and_make_the_digest_stale() {
    let folder = EmbeddedFolder::new();
    let (previous, store) = open(&folder).await;
    LibsqlSync::new(previous.file.clone()).migrate(&SystemRandom).await.expect("the migrations succeed");
    let first = store.write(|builder| builder.put(&query("a"), content(&query("a"), "by the new release"))).await;
    let head = previous.write(first.new_head, 2, "by the previous one").await;
    assert_eq!(store.head().await.time, head);
    let stored = store.item(&query("a")).await.expect("the item exists");
    let item = stored.item.expect("the item has content");
    assert_eq!(text(&item.content), "by the previous one");
    assert_eq!(item.content.extra(), first.items[0].1.item.as_ref().expect("content").content.extra());
    let page = store.data.versions(store.user.into(), &query("a"), None, 9).await.expect("the read succeeds");
    let versions = page.expect("the item exists").versions;
    assert_eq!((versions.len(), versions[1].version.device.clone()), (2, DeviceId::new_unchecked("laptop")));
    assert_eq!(store.page(at_second(0), 9).await.digest, None);
    while store.data.repair_totals(9, 1).await.expect("the write succeeds") > 0 {}
    let digest = store.page(at_second(0), 9).await.digest.expect("the digest is known");
    assert_eq!((digest.saved_queries.count, digest.items()), (1, 1));
}

/// It does not know that a head can be moving, or elsewhere.
#[tokio::test]
async fn its_writes_are_refused_during_a_move_and_after_it() {
    let folder = EmbeddedFolder::new();
    let (previous, store) = open(&folder).await;
    LibsqlSync::new(previous.file.clone()).migrate(&SystemRandom).await.expect("the migrations succeed");
    store.write(|builder| builder.put(&query("a"), content(&query("a"), "before"))).await;
    previous.try_append("before").await.expect("the previous release can append");
    let closed = ["moving = 1", "moving = 1, moved_to = 'elsewhere'", "moving = 0, moved_to = 'elsewhere'"];
    let set_state = async |state: &str| {
        previous.file.script("move", format!("UPDATE sync_heads SET {state}")).await.expect("the write succeeds");
    };
    for (version, state) in (2..).zip(closed) {
        let head = store.head().await.time;
        set_state(state).await;
        let before = dump(&*previous.file).await;
        for written in [previous.try_append("lost").await, previous.try_write(head, version, "lost").await.map(drop)] {
            // The error by which that release notices that the head has moved or was closed.
            assert!(matches!(written, Err(BatchError::Constraint { statement: 1, .. })), "{state}: {written:?}");
            assert!(dump(&*previous.file).await == before, "{state}: something was written");
        }
        set_state("moving = 0, moved_to = NULL").await;
        previous.try_append(state).await.expect("the head is open again");
        previous.write(store.head().await.time, version, state).await;
    }
}
