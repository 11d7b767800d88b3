//! Contract of [`shared::storage::Retention::purge`]: removes tombstones and resolved conflicts older than a cutoff,
//! and moves the purge horizon in the same transaction.

use std::collections::BTreeMap;

use shared::models::{ItemKey, ItemType, Timestamp};
use shared::storage::{ConflictFilter, Purged};
use shared::sync::ReadSet;

use crate::fixtures::{at_day, conflict, content, device, just_after, key, query, resolved};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::{UserStore, items_of};

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, purge:
            tombstones_older_than_the_cutoff_are_removed,
            live_items_are_kept,
            a_tombstone_at_the_cutoff_is_kept,
            resolved_conflicts_are_removed_and_open_ones_kept,
            receipts_are_kept,
            the_horizon_is_the_newest_removed_tombstone,
            the_horizon_never_moves_back,
            the_horizon_is_per_user,
            the_highest_removed_version_is_stored,
            batches_are_bounded_and_repeatable,
            removal_and_horizon_are_visible_together,
            concurrent_purges_remove_each_row_once,
            an_abandoned_purge_can_be_repeated,
        }
    };
}
pub(crate) use suite;

/// Purges, and returns the numbers of removed rows except for that of gaps.
async fn purge(store: &UserStore, cutoff: Timestamp, batch: usize) -> Purged {
    Purged { gaps: 0, unfinished: false, ..store.data.purge(cutoff, batch, 1).await.expect("the write succeeds") }
}

/// Purges until nothing is left; returns the total and the number of calls.
async fn purge_all(store: &UserStore, cutoff: Timestamp, batch: usize) -> (Purged, usize) {
    let mut total = Purged::default();
    for call in 1..1_000 {
        let purged = purge(store, cutoff, batch).await;
        assert!(purged.tombstones <= 3 * batch as u64 && purged.conflicts <= batch as u64, "{purged:?}");
        total.tombstones += purged.tombstones;
        total.conflicts += purged.conflicts;
        total.accounts += purged.accounts;
        if purged.total() == 0 {
            return (total, call);
        }
    }
    panic!("the purge does not end");
}

/// Writes the tombstone of `key` on day `days` and returns its sequence time.
async fn tombstone(store: &UserStore, key: &ItemKey, days: i64) -> Timestamp {
    store.write(|builder| builder.at(at_day(days)).tombstone(key, content(key, "text"))).await.new_head
}

fn removed(tombstones: u64, conflicts: u64) -> Purged {
    Purged { tombstones, conflicts, ..Purged::default() }
}

pub(crate) async fn tombstones_older_than_the_cutoff_are_removed(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for item_type in ItemType::ALL {
        tombstone(&store, &key(item_type, "old"), 1).await;
    }
    tombstone(&store, &query("new"), 3).await;
    assert_eq!(purge(&store, at_day(2), 100).await, removed(3, 0));
    assert_eq!(store.all_items().await.into_keys().collect::<Vec<_>>(), [query("new")]);
    assert_eq!(purge(&store, at_day(2), 100).await, Purged::default());
}

pub(crate) async fn live_items_are_kept(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let restored = query("restored");
    tombstone(&store, &restored, 1).await;
    let keys = ItemType::ALL.map(|item_type| key(item_type, "live"));
    store
        .write(|builder| {
            let builder = keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "text")));
            builder.put(&restored, content(&restored, "again"))
        })
        .await;
    let before = (store.all_items().await, store.head().await);
    assert_eq!(purge(&store, at_day(99), 100).await, Purged { versions: 1, ..Purged::default() });
    assert_eq!((store.all_items().await, store.head().await), before);
}

pub(crate) async fn a_tombstone_at_the_cutoff_is_kept(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let deleted_at = tombstone(&store, &query("a"), 1).await;
    assert_eq!(purge(&store, deleted_at, 100).await, Purged::default());
    assert_eq!(purge(&store, just_after(deleted_at), 100).await, removed(1, 0));
}

pub(crate) async fn resolved_conflicts_are_removed_and_open_ones_kept(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store
        .write(|builder| {
            let builder = builder.conflict(conflict("open", &query("a")));
            let builder = builder.conflict(resolved(conflict("early", &query("a")), at_day(1)));
            builder.conflict(resolved(conflict("late", &query("a")), at_day(3)))
        })
        .await;
    assert_eq!(purge(&store, at_day(1), 100).await, removed(0, 0), "a conflict resolved at the cutoff is kept");
    assert_eq!(purge(&store, at_day(2), 100).await, removed(0, 1));
    let page = store.data.list(store.user.into(), ConflictFilter::All, None, 10).await.expect("the read succeeds");
    assert_eq!(page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect::<Vec<_>>(), ["late", "open"]);
    let head = store.head().await;
    assert_eq!(head.purged_through, Timestamp::EPOCH, "no deletion has been purged");
    assert_eq!(
        (head.conflicts_purged_through, head.delta_horizon()),
        (at_day(1), at_day(1)),
        "devices may show it as open"
    );
}

pub(crate) async fn receipts_are_kept(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store
        .write(|builder| {
            let builder = builder.conflict(resolved(conflict("c", &query("a")), at_day(1)));
            builder.tombstone(&query("a"), content(&query("a"), "")).receipt("change", &query("a"), Some("c"))
        })
        .await;
    assert_eq!(purge_all(&store, at_day(2), 100).await.0, removed(1, 1));
    let read_set = ReadSet {
        device: device("laptop"),
        items: [query("a")].into(),
        changes: [shared::models::ChangeId::new_unchecked("change")].into(),
        branches: [].into(),
        added_history: [].into(),
        history_receipts: [].into(),
        conflict: None,
        with_bases: false,
        version: None,
    };
    let snapshot = store.data.load(store.user.into(), &read_set).await.expect("the read succeeds");
    assert_eq!((snapshot.receipts.len(), snapshot.conflicts.len(), snapshot.items.len()), (1, 0, 0));
}

pub(crate) async fn the_horizon_is_the_newest_removed_tombstone(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let first = tombstone(&store, &query("a"), 1).await;
    let second = tombstone(&store, &key(ItemType::Connection, "a"), 2).await;
    let third = tombstone(&store, &key(ItemType::QueryHistory, "a"), 3).await;
    for (cutoff, horizon) in [(0, Timestamp::EPOCH), (2, first), (3, second), (9, third)] {
        purge_all(&store, at_day(cutoff), 100).await;
        let head = store.head().await;
        assert_eq!((head.purged_through, head.time), (horizon, third));
    }
    assert_eq!(store.page(Timestamp::EPOCH, 10).await.head.purged_through, third);
    assert_eq!(store.load(&[]).await.expect("the read succeeds").head().purged_through, third);
}

pub(crate) async fn the_horizon_never_moves_back(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    // Constructed by hand: the tombstone with the earlier sequence time has the later deletion time.
    let (early, late) = (query("early"), query("late"));
    let mut plan = PlanBuilder::on(store.head().await)
        .tombstone(&early, content(&early, ""))
        .tombstone(&late, content(&late, ""))
        .build();
    for (key, days) in [(&early, 3), (&late, 1)] {
        let (_, written) =
            plan.items.iter_mut().find(|(written, _)| written == key).expect("the plan contains the item");
        written.deleted_at = Some(at_day(days));
    }
    store.commit(&plan).await.expect("the write succeeds");
    let horizon = items_of(&plan)[&late].seq;
    for cutoff in [2, 4] {
        assert_eq!(purge(&store, at_day(cutoff), 100).await, removed(1, 0));
        assert_eq!(store.head().await.purged_through, horizon);
    }
}

pub(crate) async fn the_horizon_is_per_user(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let [other, without_tombstones] = [store.other_user(), store.other_user()];
    let (our_horizon, other_horizon) =
        (tombstone(&store, &query("a"), 1).await, tombstone(&other, &query("a"), 2).await);
    without_tombstones.write(|builder| builder.put(&query("a"), content(&query("a"), ""))).await;
    assert_eq!(purge(&store, at_day(9), 100).await, removed(2, 0));
    let horizons =
        [store.head().await, other.head().await, without_tombstones.head().await].map(|head| head.purged_through);
    assert_eq!(horizons, [our_horizon, other_horizon, Timestamp::EPOCH]);
}

pub(crate) async fn the_highest_removed_version_is_stored(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for (days, item_type, version) in [
        (1, ItemType::SavedQuery, 3),
        (2, ItemType::Connection, 7),
        (3, ItemType::SavedQuery, 5),
        (4, ItemType::QueryHistory, 9),
    ] {
        let key = key(item_type, &days.to_string());
        store.write(|builder| builder.at(at_day(days)).version(version).tombstone(&key, content(&key, "text"))).await;
    }
    for (cutoff, version) in [(1, 0), (2, 3), (3, 7), (4, 7), (9, 7)] {
        purge_all(&store, at_day(cutoff), 1).await;
        assert_eq!(store.head().await.purged_version, version, "history versions do not count");
        assert_eq!(store.load(&[]).await.expect("the read succeeds").head().purged_version, version);
    }
}

/// Writes ten tombstones of each type and ten resolved conflicts.
async fn write_purgeable_rows(store: &UserStore) {
    for index in 0..10 {
        let keys = ItemType::ALL.map(|item_type| key(item_type, &index.to_string()));
        store
            .write(|builder| {
                let builder = keys.iter().fold(builder, |builder, key| builder.tombstone(key, content(key, "text")));
                builder.conflict(resolved(conflict(&index.to_string(), &keys[0]), at_day(1)))
            })
            .await;
    }
}

pub(crate) async fn batches_are_bounded_and_repeatable(factory: SyncFactory<'_>) {
    for batch in [1, 3, 10, 1_000] {
        let store = UserStore::new(factory).await;
        write_purgeable_rows(&store).await;
        let head = store.head().await.time;
        let (total, calls) = purge_all(&store, at_day(2), batch).await;
        assert_eq!((total, calls), (removed(30, 10), 10usize.div_ceil(batch) + 1), "batches of {batch}");
        assert_eq!((store.all_items().await.len(), store.head().await.time), (0, head));
    }
}

/// Reads one page repeatedly until `purging` is done and asserts that the horizon covers exactly the missing items.
async fn read_until_done(
    store: &UserStore,
    sequence_times: &BTreeMap<ItemKey, Timestamp>,
    purging: tokio::task::JoinHandle<()>,
) {
    let mut reads = 0;
    while !purging.is_finished() || reads == 0 {
        let page = store.page(Timestamp::EPOCH, 1_000).await;
        let present: BTreeMap<ItemKey, _> = page.items.into_iter().collect();
        let missing = sequence_times.iter().filter(|(key, _)| !present.contains_key(key));
        let newest = missing.map(|(_, seq)| *seq).max().unwrap_or_default();
        assert_eq!(page.head.purged_through, newest);
        reads += 1;
    }
    purging.await.expect("the purge does not panic");
}

pub(crate) async fn removal_and_horizon_are_visible_together(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for round in 0..50 {
        let key = key(ItemType::ALL[round % 3], &round.to_string());
        store.write(|builder| builder.tombstone(&key, content(&key, "text"))).await;
    }
    let sequence_times = store.all_items().await.into_iter().map(|(key, stored)| (key, stored.seq)).collect();
    let purger = store.clone();
    let purging = tokio::spawn(async move {
        purge_all(&purger, at_day(2), 1).await;
    });
    read_until_done(&store, &sequence_times, purging).await;
    assert_eq!(store.all_items().await.len(), 0);
}

pub(crate) async fn concurrent_purges_remove_each_row_once(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_purgeable_rows(&store).await;
    let other = store.reopen(factory).await;
    let (ours, other) = tokio::join!(purge_all(&store, at_day(2), 2), purge_all(&other, at_day(2), 2));
    assert_eq!(ours.0.tombstones + other.0.tombstones, 30);
    assert_eq!(ours.0.conflicts + other.0.conflicts, 10);
}

pub(crate) async fn an_abandoned_purge_can_be_repeated(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_purgeable_rows(&store).await;
    let newest = store.all_items().await.into_values().map(|stored| stored.seq).max();
    for _ in 0..3 {
        // The call is abandoned; it may or may not have taken effect.
        tokio::time::timeout(std::time::Duration::ZERO, store.data.purge(at_day(2), 2, 1)).await.ok();
    }
    purge_all(&store, at_day(2), 2).await;
    assert_eq!((store.all_items().await.len(), Some(store.head().await.purged_through)), (0, newest));
}
