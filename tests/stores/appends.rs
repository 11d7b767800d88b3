//! Contract of [`shared::storage::SyncStore::append`]: appends new history entries at the end of the change
//! feed and ignores known ones.

use shared::models::{Change, ChangeId, Edit, ItemKey, ItemType, Quota, Strategy, Timestamp};
use shared::storage::{Commit, StoreError};
use shared::sync::{Append, ReadSet, Upload, decide};
use tokio::task::JoinSet;

use crate::fixtures::{at_second, content, device, key, query, text};
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::UserStore;

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, appends:
            entries_are_appended_in_upload_order,
            an_append_has_the_effect_of_a_commit,
            a_known_entry_is_not_overwritten,
            a_deleted_entry_is_not_restored,
            the_head_advances_when_the_clock_runs_backwards,
            a_large_append_is_one_transaction,
            concurrent_appends_and_commits_are_serialized,
            an_append_is_refused_after_the_account_was_erased,
        }
    };
}
pub(crate) use suite;

fn entry(id: &str) -> ItemKey {
    key(ItemType::QueryHistory, id)
}

/// Returns an upload of the entries `ids` by `device_id`.
pub(crate) fn upload(device_id: &str, ids: &[&str], query: &str) -> Upload {
    let changes = ids.iter().map(|id| Change {
        id: ChangeId::parse(id).expect("a valid id"),
        key: entry(id),
        edit: Edit::Put { content: content(&entry(id), query), created_at: None, expects_item: false },
        updated_at: at_second(1),
        base: 0,
    });
    let strategy = Strategy::LastWriteWins;
    Upload { device: device(device_id), last_sync_at: None, strategy, changes: changes.map(Ok).collect() }
}

impl UserStore {
    /// Appends at the time `now` and returns the new head.
    async fn append(&self, upload: &Upload, now: Timestamp) -> Timestamp {
        self.try_append(upload, now).await.expect("the entries are new and fit")
    }

    async fn try_append(&self, upload: &Upload, now: Timestamp) -> Option<Timestamp> {
        let append = Append::from_upload(upload, Quota::default(), now).expect("history entries only");
        self.data.append(self.user.into(), &append, "test/1", now).await.expect("the write succeeds")
    }

    /// Appends two entries at the time `now` and returns the new head.
    pub(crate) async fn append_at(&self, now: Timestamp) -> Timestamp {
        self.append(&upload("laptop", &["first", "second"], "select 1"), now).await
    }

    async fn synced_counts(&self) -> Vec<(String, i64)> {
        let status = self.data.status(self.user.into()).await.expect("the read succeeds");
        let counts = status.devices.iter().map(|device| (device.id.as_str().to_owned(), device.total_synced));
        counts.collect()
    }
}

pub(crate) async fn entries_are_appended_in_upload_order(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let head = store.append(&upload("laptop", &["b", "a", "c"], "select 1"), at_second(5)).await;
    let page = store.page(Timestamp::EPOCH, 10).await;
    let ids: Vec<_> = page.items.iter().map(|(key, _)| key.id.as_str()).collect();
    assert_eq!(ids, ["b", "a", "c"]);
    let sequence_times: Vec<_> =
        page.items.iter().map(|(_, stored)| stored.seq.micros() - at_second(5).micros()).collect();
    assert_eq!(sequence_times, [1_000, 2_000, 3_000]);
    assert_eq!((page.head.time, head), (page.items[2].1.seq, page.items[2].1.seq));
    assert_eq!(store.synced_counts().await, [("laptop".to_owned(), 3)]);
}

pub(crate) async fn an_append_has_the_effect_of_a_commit(factory: SyncFactory<'_>) {
    let appending = UserStore::new(factory).await;
    let committing = appending.other_user();
    for (index, ids) in [&["a", "b", "a"] as &[_], &["c"], &["d"]].iter().enumerate() {
        let (upload, now) = (upload("laptop", ids, "select 1"), at_second(index as i64));
        let head = appending.append(&upload, now).await;
        let snapshot = committing
            .data
            .load(committing.user.into(), &ReadSet::for_upload(&upload))
            .await
            .expect("the read succeeds");
        let decision = decide(snapshot, &upload, Quota::default(), now);
        assert_eq!(committing.commit(&decision.plan).await.expect("the write succeeds"), Commit::Applied);
        assert_eq!(head, decision.plan.new_head);
        assert_eq!(Append::decision(&upload, head).results, decision.results);
    }
    assert_eq!(appending.all_items().await, committing.all_items().await);
    assert_eq!(appending.synced_counts().await, committing.synced_counts().await);
}

pub(crate) async fn a_known_entry_is_not_overwritten(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let first = store.append(&upload("laptop", &["a"], "select 1"), at_second(1)).await;
    for query in ["select 1", "select 2"] {
        assert_eq!(store.try_append(&upload("phone", &["a"], query), at_second(2)).await, None, "it takes a decision");
        assert_eq!(store.head().await.time, first, "the head does not move");
    }
    assert_eq!(store.try_append(&upload("phone", &["b", "a"], "select 1"), at_second(2)).await, None);
    assert_eq!(store.item(&entry("b")).await, None, "all or nothing is added");
    let stored = store.item(&entry("a")).await.expect("it exists");
    assert_eq!((text(&stored.item.expect("it has content").content), stored.device.as_str()), ("select 1", "laptop"));
    assert_eq!(store.synced_counts().await, [("laptop".to_owned(), 1)], "a repeated entry is not counted");
}

pub(crate) async fn a_deleted_entry_is_not_restored(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store.append(&upload("laptop", &["a", "b"], "select 1"), at_second(1)).await;
    let deletion = Change { edit: Edit::Delete, ..upload("laptop", &["a"], "").changes.remove(0).expect("a change") };
    let deletion = Upload { changes: vec![Ok(deletion)], ..upload("laptop", &[], "") };
    let snapshot =
        store.data.load(store.user.into(), &ReadSet::for_upload(&deletion)).await.expect("the read succeeds");
    store.commit(&decide(snapshot, &deletion, Quota::default(), at_second(2)).plan).await.expect("the write succeeds");
    for purged in [false, true] {
        let appended = store.try_append(&upload("phone", &["c", "a"], "select 1"), at_second(3)).await;
        assert_eq!(appended, None, "purged: {purged}");
        let page = store.page_without_tombstones(Timestamp::EPOCH, 10).await;
        let ids: Vec<_> = page.items.iter().map(|(key, _)| key.id.as_str()).collect();
        assert_eq!(ids, ["b"], "purged: {purged}");
        store.data.purge(at_second(9_999), 10, 1).await.expect("the write succeeds");
    }
}

pub(crate) async fn the_head_advances_when_the_clock_runs_backwards(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let first = store.append(&upload("laptop", &["a"], "select 1"), at_second(9)).await;
    let next = store.append(&upload("laptop", &["b"], "select 1"), at_second(1)).await;
    assert_eq!(next, first.next_millisecond());
}

pub(crate) async fn a_large_append_is_one_transaction(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let ids: Vec<String> = (0..500).map(|index| index.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    // The entries fill three statement parameters.
    let large = upload("laptop", &ids, &"x".repeat(20_000));
    let head = store.append(&large, at_second(1)).await;
    assert_eq!(head.micros() - at_second(1).micros(), 500_000, "each entry has its own sequence time");
    assert_eq!(store.try_append(&large, at_second(2)).await, None, "a repeat takes a decision");
    assert_eq!(store.head().await.time, head);
    let pages = store.pages(1_000).await;
    let order: Vec<_> = pages.iter().flat_map(|page| &page.items).map(|(key, _)| key.id.as_str()).collect();
    assert_eq!(order, ids);
    assert_eq!(store.synced_counts().await, [("laptop".to_owned(), 500)]);
}

pub(crate) async fn concurrent_appends_and_commits_are_serialized(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store = store.clone();
        writers.spawn(async move {
            for round in 0..10 {
                let id = format!("{writer} {round}");
                if writer % 2 == 0 {
                    store.append(&upload("laptop", &[&id, &format!("{id} too")], "select 1"), at_second(1)).await;
                } else {
                    store.write_with_retry(|builder| builder.put(&query(&id), content(&query(&id), "select 1"))).await;
                }
            }
        });
    }
    writers.join_all().await;
    let all_items = store.all_items().await;
    let mut sequence_times: Vec<_> = all_items.values().map(|stored| stored.seq).collect();
    sequence_times.sort();
    sequence_times.dedup();
    assert_eq!((all_items.len(), sequence_times.len()), (60, 60));
    assert_eq!(store.head().await.time, sequence_times[59]);
}

pub(crate) async fn an_append_is_refused_after_the_account_was_erased(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store.data.erase(store.user, at_second(1), 10).await.expect("the write succeeds");
    let append = Append::from_upload(&upload("laptop", &["a"], "select 1"), Quota::default(), at_second(2))
        .expect("history entries only");
    let refused = store.data.append(store.user.into(), &append, "test/1", at_second(2)).await;
    assert!(matches!(refused, Err(StoreError::AccountDeleted)), "{refused:?}");
    assert_eq!(store.item(&entry("a")).await, None);
    assert!(
        store.data.erase(store.user, at_second(3), 10).await.expect("the write succeeds"),
        "the erasure is complete"
    );
}
