//! Contract of [`shared::storage::SyncStore::load`]: a consistent snapshot of exactly the read set.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::{ChangeId, Conflict, ConflictId, ItemKey, ItemType, Timestamp};
use shared::sync::{ReadSet, Snapshot, resolution_copy_id};

use crate::fixtures::{
    at_second, conflict, content, device, key, other_connection, other_saved_query, query, resolved, text,
};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::{UserStore, items_of};

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, loads:
            a_load_larger_than_one_response_is_complete,
            a_new_user_has_an_empty_snapshot,
            a_load_returns_the_committed_items,
            an_update_replaces_every_field,
            text_is_stored_unchanged,
            a_load_returns_only_the_read_set,
            a_tombstone_is_loaded_with_its_content,
            a_history_entry_is_loaded_by_its_key,
            a_history_tombstone_needs_no_load,
            receipts_are_loaded_per_device,
            a_receipt_is_loaded_with_its_conflict,
            a_branch_is_loaded_with_its_newest_conflict,
            a_branch_is_loaded_with_its_copy,
            a_conflict_is_stored_unchanged,
            a_rewritten_conflict_replaces_the_old_one,
            a_conflict_is_loaded_with_the_read_set_of_its_resolution,
            a_conflict_of_another_user_is_not_loaded,
            a_load_is_a_consistent_snapshot,
        }
    };
}
pub(crate) use suite;

fn read_set(items: &[&ItemKey], changes: &[&str], branches: &[(&ItemKey, i64)]) -> ReadSet {
    ReadSet {
        device: device("laptop"),
        items: items.iter().map(|key| (*key).clone()).collect(),
        changes: changes.iter().map(|id| ChangeId::new_unchecked(*id)).collect(),
        branches: branches.iter().map(|(key, base)| ((*key).clone(), *base)).collect(),
        added_history: [].into(),
        history_receipts: [].into(),
        conflict: None,
        with_bases: false,
        version: None,
    }
}

async fn load(store: &UserStore, read_set: &ReadSet) -> Snapshot {
    store.data.load(store.user.into(), read_set).await.expect("the read succeeds")
}

/// Loads the read set for the resolution of the conflict `id` by `request`; returns the conflict and the snapshot.
async fn load_conflict(store: &UserStore, id: &str, request: &str) -> Option<(Conflict, Snapshot)> {
    let (id, request) = (ConflictId::new_unchecked(id), ChangeId::new_unchecked(request));
    let snapshot = load(store, &ReadSet::for_resolution(&id, &request)).await;
    Some((snapshot.conflicts.get(&id)?.clone(), snapshot))
}

pub(crate) async fn a_new_user_has_an_empty_snapshot(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let read_set_of_every_kind = read_set(&[&query("a")], &["change"], &[(&query("a"), 1)]);
    assert_eq!(load(&store, &read_set_of_every_kind).await, Snapshot::default());
    assert_eq!(load(&store, &read_set(&[], &[], &[])).await, Snapshot::default());
}

pub(crate) async fn a_load_returns_the_committed_items(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let keys = [key(ItemType::Connection, "a"), key(ItemType::SavedQuery, "a")];
    let plan =
        store.write(|builder| keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "one")))).await;
    assert_eq!(store.load(&[&keys[0], &keys[1]]).await.expect("the read succeeds").items, items_of(&plan));

    let add = |builder: PlanBuilder| keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "two")));
    let plan = store.write(|builder| add(builder.version(2).by("phone"))).await;
    let snapshot = store.load(&[&keys[0], &keys[1]]).await.expect("the read succeeds");
    assert_eq!((&snapshot.items, snapshot.head().time), (&items_of(&plan), plan.new_head));
}

/// Distinct ids that a layer might normalize, quote or interpret.
const IDS: [&str; 14] = [
    "a",
    "A",
    "a ",
    "1",
    "01",
    "null",
    "'; DROP TABLE connections; --",
    "\"quoted\" and \\ back",
    "$.id",
    "é",
    "e\u{301}",
    "\u{2028}\u{feff}",
    "界🦀",
    "?1",
];

pub(crate) async fn text_is_stored_unchanged(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let keys: Vec<ItemKey> = ItemType::ALL.iter().flat_map(|item_type| IDS.map(|id| key(*item_type, id))).collect();
    let add = |builder| {
        keys.iter().fold(builder, |builder: PlanBuilder, key| {
            let change = format!("{} {}", key.item_type, key.id);
            builder.put(key, content(key, key.id.as_str())).receipt(&change, key, None)
        })
    };
    let plan = store.write(add).await;

    assert_eq!(store.all_items().await, items_of(&plan));
    let changes: Vec<String> = keys.iter().map(|key| format!("{} {}", key.item_type, key.id)).collect();
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    let all = read_set(&keys.iter().collect::<Vec<_>>(), &changes, &[]);
    let snapshot = load(&store, &all).await;
    assert_eq!(snapshot.items.len(), keys.len());
    let receipts: BTreeMap<_, _> = plan.receipts.into_iter().map(|receipt| (receipt.change.clone(), receipt)).collect();
    assert_eq!(snapshot.receipts, receipts);
}

pub(crate) async fn an_update_replaces_every_field(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let (connection, query) = (key(ItemType::Connection, "a"), query("a"));
    let (old_connection, old_query) = (content(&connection, "text"), content(&query, "text"));
    let (new_connection, new_query) = (other_connection(&old_connection), other_saved_query(&old_query));
    store.write(|builder| builder.put(&connection, old_connection.clone()).put(&query, old_query.clone())).await;

    for (version, first, second) in [(2, new_connection, new_query), (3, old_connection, old_query)] {
        let written = store
            .write(|builder| {
                builder.version(version).by("phone").put(&connection, first.clone()).put(&query, second.clone())
            })
            .await;
        let loaded = store.load(&[&connection, &query]).await.expect("the read succeeds");
        assert_eq!(loaded.items, items_of(&written));
    }
}

pub(crate) async fn a_load_returns_only_the_read_set(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let connection = key(ItemType::Connection, "a");
    store
        .write(|builder| {
            builder
                .put(&query("a"), content(&query("a"), "text"))
                .put(&query("b"), content(&query("b"), "text"))
                .put(&connection, content(&connection, "text"))
                .receipt("first", &query("a"), None)
                .receipt("second", &query("b"), None)
                .conflict(conflict("c", &query("b")))
        })
        .await;
    let snapshot = load(&store, &read_set(&[&query("a"), &query("absent")], &["first", "absent"], &[])).await;
    assert_eq!(snapshot.items.keys().collect::<Vec<_>>(), [&query("a")]);
    assert_eq!(snapshot.receipts.keys().map(ChangeId::as_str).collect::<Vec<_>>(), ["first"]);
    assert!(snapshot.conflicts.is_empty() && snapshot.branches.is_empty());
}

pub(crate) async fn a_tombstone_is_loaded_with_its_content(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store.write(|builder| builder.put(&query("a"), content(&query("a"), "text"))).await;
    let deleted = store.write(|builder| builder.version(2).tombstone(&query("a"), content(&query("a"), "text"))).await;
    assert_eq!(store.load(&[&query("a")]).await.expect("the read succeeds").items, items_of(&deleted));
    let restored = store.write(|builder| builder.version(3).put(&query("a"), content(&query("a"), "again"))).await;
    assert_eq!(store.load(&[&query("a")]).await.expect("the read succeeds").items, items_of(&restored));
}

pub(crate) async fn a_history_entry_is_loaded_by_its_key(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let entry = key(ItemType::QueryHistory, "ran");
    let plan = store.write(|builder| builder.put(&entry, content(&entry, "text"))).await;
    let snapshot = store.load(&[&entry]).await.expect("the read succeeds");
    let (loaded, written) = (&snapshot.items[&entry], &items_of(&plan)[&entry]);
    assert_eq!((loaded.version, loaded.seq, loaded.deleted_at), (written.version, written.seq, None));
    assert_eq!((&loaded.device, loaded.updated_at), (&written.device, written.updated_at));
}

pub(crate) async fn a_history_tombstone_needs_no_load(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let (entry, other) = (key(ItemType::QueryHistory, "ran"), key(ItemType::QueryHistory, "ran too"));
    let add = |builder: PlanBuilder| builder.put(&entry, content(&entry, "text")).put(&other, content(&other, ""));
    let (ours, other_store) = (store.write(add).await, store.other_user());
    other_store.write(add).await;

    let plan = store.write(|builder| builder.version(2).by("phone").history_tombstone(&entry)).await;

    let deleted = store.item(&entry).await.expect("the tombstone exists");
    assert_eq!((deleted.version, deleted.seq, deleted.deleted_at), (2, plan.new_head, Some(plan.new_head)));
    assert_eq!((&deleted.device, deleted.is_live()), (&device("phone"), false));
    assert_eq!(store.item(&other).await.as_ref(), items_of(&ours).get(&other));
    assert!(other_store.item(&entry).await.expect("an entry with the same id").is_live());
}

pub(crate) async fn receipts_are_loaded_per_device(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = store
        .write(|builder| builder.receipt("change", &query("a"), None).by("phone").receipt("change", &query("b"), None))
        .await;
    let snapshot = load(&store, &read_set(&[], &["change"], &[])).await;
    assert_eq!(snapshot.receipts.values().cloned().collect::<Vec<_>>(), plan.receipts[..1]);
}

pub(crate) async fn a_receipt_is_loaded_with_its_conflict(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = store
        .write(|builder| {
            let builder = builder.conflict(conflict("caused", &query("a"))).conflict(conflict("other", &query("b")));
            builder.receipt("change", &query("a"), Some("caused")).receipt("late", &query("a"), Some("purged since"))
        })
        .await;
    let snapshot = load(&store, &read_set(&[], &["change", "late"], &[])).await;
    assert_eq!(snapshot.receipts.len(), 2);
    assert_eq!(snapshot.conflicts.values().cloned().collect::<Vec<_>>(), plan.conflicts[..1]);
}

/// Returns a conflict of the branch of `device_id` that starts at version `base` of `key`.
fn branch_conflict(id: &str, key: &ItemKey, device_id: &str, base: i64) -> Conflict {
    let mut conflict = conflict(id, key);
    conflict.local.device = device(device_id);
    conflict.local.sync_version = base;
    conflict
}

pub(crate) async fn a_branch_is_loaded_with_its_newest_conflict(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let (item, connection) = (query("a"), key(ItemType::Connection, "a"));
    store
        .write(|builder| {
            builder
                .conflict(branch_conflict("old", &item, "laptop", 1))
                .conflict(branch_conflict("new", &item, "laptop", 1))
                .conflict(branch_conflict("other base", &item, "laptop", 2))
                .conflict(branch_conflict("other device", &item, "phone", 1))
                .conflict(branch_conflict("other item", &query("b"), "laptop", 1))
                .conflict(branch_conflict("other type", &connection, "laptop", 1))
        })
        .await;
    let snapshot = load(&store, &read_set(&[&item], &[], &[(&item, 1), (&item, 7)])).await;
    assert_eq!(snapshot.branches, BTreeMap::from([((item, 1), [ConflictId::new_unchecked("new")].into())]));
    assert_eq!(snapshot.conflicts.keys().map(ConflictId::as_str).collect::<Vec<_>>(), ["new"]);
}

pub(crate) async fn a_branch_is_loaded_with_its_copy(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for item_type in [ItemType::Connection, ItemType::SavedQuery] {
        let (item, copy) = (key(item_type, "a"), key(item_type, "copy"));
        let resolved_conflict = resolved(branch_conflict(item_type.name(), &item, "laptop", 1), at_second(9));
        store.write(|builder| builder.put(&copy, content(&copy, "the copy")).conflict(resolved_conflict)).await;
        let snapshot = load(&store, &read_set(&[&item], &[], &[(&item, 1)])).await;
        assert_eq!(snapshot.items.keys().collect::<Vec<_>>(), [&copy]);
        assert_eq!(snapshot.items[&copy].item, store.item(&copy).await.and_then(|stored| stored.item));
    }
}

pub(crate) async fn a_conflict_is_stored_unchanged(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let mut of_deletion = conflict("of a deletion", &query("a"));
    of_deletion.local.item = None;
    of_deletion.remote.device = shared::models::DeviceId::none();
    let mut undecided = resolved(conflict("both kept", &query("a")), at_second(9));
    undecided.resolution.as_mut().expect("it is resolved").winner = None;
    let connection = key(ItemType::Connection, "a");
    let all =
        [of_deletion, undecided, conflict("open", &connection), resolved(conflict("done", &connection), at_second(8))];
    let plan = store.write(|builder| all.into_iter().fold(builder, PlanBuilder::conflict)).await;
    for written in plan.conflicts {
        let (read, _) = load_conflict(&store, written.id.as_str(), "request").await.expect("it exists");
        assert_eq!(read, written);
    }
}

pub(crate) async fn a_rewritten_conflict_replaces_the_old_one(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store.write(|builder| builder.conflict(conflict("c", &query("a")))).await;
    let mut rewritten = resolved(conflict("c", &query("a")), at_second(9));
    rewritten.local.item = None;
    rewritten.remote.sync_version = 5;
    rewritten.item_version = 5;
    let plan = store.write(|builder| builder.conflict(rewritten)).await;
    let (read, _) = load_conflict(&store, "c", "request").await.expect("it exists");
    assert_eq!(read, plan.conflicts[0]);
}

pub(crate) async fn a_conflict_is_loaded_with_the_read_set_of_its_resolution(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let (item, copy) = (query("a"), query("copy"));
    let plan = store
        .write(|builder| {
            let builder = builder.put(&item, content(&item, "item")).put(&copy, content(&copy, "copy"));
            let next_copy = query(resolution_copy_id(&ConflictId::new_unchecked("c")).as_str());
            let builder = builder.put(&next_copy, content(&next_copy, "replaced by the next copy"));
            let builder = builder.put(&query("b"), content(&query("b"), "unrelated"));
            builder.conflict(resolved(conflict("c", &item), at_second(9))).by("").receipt("request", &item, Some("c"))
        })
        .await;
    let (read, snapshot) = load_conflict(&store, "c", "request").await.expect("it exists");
    assert_eq!(read, plan.conflicts[0]);
    let next_copy = query(resolution_copy_id(&ConflictId::new_unchecked("c")).as_str());
    assert_eq!(snapshot.items.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&item, &copy, &next_copy]));
    assert_eq!(snapshot.receipts.values().cloned().collect::<Vec<_>>(), plan.receipts);
    assert_eq!(snapshot.head().time, plan.new_head);
    let (_, snapshot) = load_conflict(&store, "c", "another request").await.expect("it exists");
    assert!(snapshot.receipts.is_empty());
}

pub(crate) async fn a_conflict_of_another_user_is_not_loaded(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store.write(|builder| builder.conflict(conflict("c", &query("a")))).await;
    assert!(load_conflict(&store.other_user(), "c", "request").await.is_none());
    assert!(load_conflict(&store, "C", "request").await.is_none());
}

pub(crate) async fn a_load_is_a_consistent_snapshot(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let (query, connection) = (query("a"), key(ItemType::Connection, "a"));
    let writer = store.clone();
    let written = tokio::spawn(async move {
        for round in 0..150 {
            let (query, connection, text) = (self::query("a"), key(ItemType::Connection, "a"), round.to_string());
            writer
                .write(|builder| {
                    builder.put(&query, content(&query, &text)).put(&connection, content(&connection, &text))
                })
                .await;
        }
    });
    let mut last = Timestamp::EPOCH;
    while !written.is_finished() {
        let snapshot = store.load(&[&query, &connection]).await.expect("the read succeeds");
        let texts = [&query, &connection].map(|key| {
            snapshot.items.get(key).and_then(|stored| Some(text(&stored.item.as_ref()?.content).to_owned()))
        });
        assert_eq!(texts[0], texts[1]);
        let newest = snapshot.items.values().map(|stored| stored.seq).max().unwrap_or_default();
        assert_eq!(snapshot.head().time, newest);
        assert!(newest >= last, "the head moved backwards");
        last = newest;
    }
    written.await.expect("the writer does not panic");
}

pub(crate) async fn a_load_larger_than_one_response_is_complete(factory: SyncFactory<'_>) {
    // A libSQL server limits a response to 10 MB.
    let store = UserStore::new(factory).await;
    let keys: Vec<_> = (0..14).map(|index| query(&index.to_string())).collect();
    let large = "x".repeat(900_000);
    for chunk in keys.chunks(5) {
        store.write(|builder| chunk.iter().fold(builder, |builder, key| builder.put(key, content(key, &large)))).await;
    }
    let loaded = store.load(&keys.iter().collect::<Vec<_>>()).await.expect("the read succeeds");
    assert_eq!(loaded.items.len(), keys.len());
    assert_eq!(loaded.head(), store.head().await);
}
