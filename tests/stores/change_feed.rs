//! Contract of [`shared::storage::ChangeFeed`]: a reader that continues after the last item of each page
//! misses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::models::{ItemKey, ItemType, Stored, Timestamp, limits};
use shared::storage::{Page, PageRequest};
use shared::sync::{Digest, FullSyncCursor};
use tokio::task::JoinSet;

use crate::fixtures::{at_second, conflict, content, device, key, query, resolved, text};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::{UserStore, items_of};

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, change_feed:
            pages_are_in_sequence_order,
            a_page_starts_after_the_since_time,
            a_page_has_at_most_limit_items,
            a_rewritten_item_moves_to_the_end_of_the_feed,
            tombstones_are_included_on_request,
            excluded_tombstones_do_not_count_as_more,
            a_page_is_a_consistent_snapshot,
            a_reader_concurrent_with_writers_reads_every_item_once,
            open_conflicts_are_listed_newest_first,
            open_conflicts_are_limited_in_number,
            a_full_sync_cursor_is_stored_per_device,
            status_counts_items_and_open_conflicts,
            devices_are_listed_by_last_sync_newest_first,
            item_returns_live_items_and_tombstones,
            a_page_excludes_the_data_of_other_users,
            ping_succeeds,
        }
    };
}
pub(crate) use suite;

/// Writes `count` items of alternating types and returns them in sequence order.
async fn write_items_of_all_types(store: &UserStore, count: usize) -> Vec<(ItemKey, Stored)> {
    let keys: Vec<ItemKey> = (0..count).map(|index| key(ItemType::ALL[index % 3], &format!("item {index}"))).collect();
    let plan =
        store.write(|builder| keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "text")))).await;
    let mut items: Vec<_> = plan.items.into_iter().collect();
    items.sort_by_key(|(_, stored)| stored.seq);
    items
}

fn ids(page: &Page) -> Vec<&str> {
    page.items.iter().map(|(key, _)| key.id.as_str()).collect()
}

pub(crate) async fn pages_are_in_sequence_order(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let items = write_items_of_all_types(&store, 20).await;
    for limit in [1, 2, 3, 7, 19, 20, 21] {
        let pages = store.pages(limit).await;
        assert_eq!(pages.len(), 20usize.div_ceil(limit), "{limit} at a time");
        assert!(pages.iter().all(|page| page.head.time == items[19].1.seq));
        let paged: Vec<_> = pages.into_iter().flat_map(|page| page.items).collect();
        assert_eq!(paged, items, "{limit} at a time");
    }
}

pub(crate) async fn a_page_starts_after_the_since_time(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let items = write_items_of_all_types(&store, 4).await;
    let [first, second] = [items[0].1.seq, items[1].1.seq];
    assert_eq!(store.page(first, 10).await.items, items[1..]);
    assert_eq!(store.page(Timestamp::from_micros(second.micros() - 1), 10).await.items, items[1..]);
    assert_eq!(store.page(items[3].1.seq, 10).await.items, []);
    assert_eq!(store.page(Timestamp::MIN, 10).await.items, items);
    assert_eq!(store.page(Timestamp::MAX, 10).await.items, []);
}

pub(crate) async fn a_page_has_at_most_limit_items(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    assert_eq!(store.page(Timestamp::EPOCH, 1).await, Page { digest: Some(Digest::default()), ..Page::default() });
    write_items_of_all_types(&store, 6).await;
    for (limit, more) in [(5, true), (6, false), (7, false)] {
        let page = store.page(Timestamp::EPOCH, limit).await;
        assert_eq!((page.items.len(), page.has_more), (limit.min(6), more));
    }
}

pub(crate) async fn a_rewritten_item_moves_to_the_end_of_the_feed(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let items = write_items_of_all_types(&store, 4).await;
    let first = items[0].0.clone();
    store.write(|builder| builder.version(2).put(&first, content(&first, "again"))).await;
    assert_eq!(ids(&store.page(Timestamp::EPOCH, 10).await), ["item 1", "item 2", "item 3", "item 0"]);
    assert_eq!(ids(&store.page(items[3].1.seq, 10).await), ["item 0"]);
}

pub(crate) async fn tombstones_are_included_on_request(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let items = write_items_of_all_types(&store, 6).await;
    let plan = store
        .write(|builder| {
            let builder = builder.version(2).tombstone(&items[0].0, content(&items[0].0, "text"));
            builder.tombstone(&items[1].0, content(&items[1].0, "text")).history_tombstone(&items[2].0)
        })
        .await;

    assert_eq!(store.page_without_tombstones(Timestamp::EPOCH, 10).await.items, items[3..]);

    store.write(|builder| builder.put(&query("after them"), content(&query("after them"), "text"))).await;
    assert_eq!(
        ids(&store.page_without_tombstones(Timestamp::EPOCH, 10).await),
        ["item 3", "item 4", "item 5", "after them"]
    );

    let page = store.page(Timestamp::EPOCH, 10).await;
    assert_eq!(ids(&page), ["item 3", "item 4", "item 5", "item 0", "item 1", "item 2", "after them"]);
    for (key, stored) in &page.items[3..6] {
        let written = &items_of(&plan)[key];
        assert_eq!((stored.deleted_at, stored.version), (written.deleted_at, 2));
    }
}

pub(crate) async fn excluded_tombstones_do_not_count_as_more(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let items = write_items_of_all_types(&store, 3).await;
    let deleted: Vec<ItemKey> = (0..5).map(|index| query(&format!("deleted {index}"))).collect();
    store
        .write(|builder| deleted.iter().fold(builder, |builder, key| builder.tombstone(key, content(key, "text"))))
        .await;
    let page = store.page_without_tombstones(Timestamp::EPOCH, 3).await;
    assert_eq!((page.items, page.has_more), (items, false));
    assert!(store.page(Timestamp::EPOCH, 3).await.has_more);
}

pub(crate) async fn a_page_is_a_consistent_snapshot(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let keys = ItemType::ALL[..2].iter().map(|item_type| key(*item_type, "a")).collect::<Vec<_>>();
    let (writer, written) = (store.clone(), keys.clone());
    let writing = tokio::spawn(async move {
        for round in 0..150 {
            let add = |builder: PlanBuilder| {
                written.iter().fold(builder, |builder, key| builder.put(key, content(key, &round.to_string())))
            };
            writer.write(|builder| add(builder).conflict(conflict("c", &written[0]))).await;
        }
    });
    while !writing.is_finished() {
        let page = store.page(Timestamp::EPOCH, 10).await;
        let texts: Vec<_> = page.items.iter().filter_map(|(_, stored)| stored.item.as_ref()).collect();
        assert!(texts.windows(2).all(|pair| text(&pair[0].content) == text(&pair[1].content)), "{texts:?}");
        let expected = page.conflicts.iter().map(|conflict| conflict.seq).max().unwrap_or_default();
        assert_eq!((page.head.time, page.items.len() % 2), (expected, 0));
    }
    writing.await.expect("the writer does not panic");
}

/// Cursor and items of a client.
#[derive(Default)]
struct Reader {
    cursor: Timestamp,
    items: BTreeMap<ItemKey, Stored>,
}

impl Reader {
    /// Reads one page and returns whether more pages follow.
    async fn read(&mut self, store: &UserStore, limit: usize) -> bool {
        let page = store.page(self.cursor, limit).await;
        let mut cursor = self.cursor;
        for (key, stored) in page.items {
            assert!(stored.seq > cursor, "{key:?} is out of order");
            cursor = stored.seq;
            let before = self.items.insert(key, stored);
            assert!(before.is_none_or(|before| before.seq < cursor), "an item is returned twice");
        }
        assert!(cursor <= page.head.time);
        self.cursor = if page.has_more { cursor } else { page.head.time };
        page.has_more
    }
}

/// Writes items of all types and deletes some, retrying when other writers move the head.
async fn write_concurrently(store: UserStore, writer: usize) {
    for round in 0..40 {
        let item = key(ItemType::ALL[round % 2], &format!("{writer} {}", round % 5));
        let entry = key(ItemType::QueryHistory, &format!("{writer} {round}"));
        let text = round.to_string();
        let add = |builder: PlanBuilder| {
            let builder =
                builder.version(i64::try_from(round).expect("the count fits")).put(&entry, content(&entry, &text));
            if round % 7 == 6 {
                builder.tombstone(&item, content(&item, &text))
            } else {
                builder.put(&item, content(&item, &text))
            }
        };
        store.write_with_retry(add).await;
    }
}

pub(crate) async fn a_reader_concurrent_with_writers_reads_every_item_once(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for limit in [1, 3, 50] {
        let (store, done) = (store.clone(), done.clone());
        readers.spawn(async move {
            let mut reader = Reader::default();
            while !done.load(Ordering::SeqCst) {
                reader.read(&store, limit).await;
            }
            while reader.read(&store, limit).await {}
            reader.items
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        writers.spawn(write_concurrently(store.clone(), writer));
    }
    writers.join_all().await;
    done.store(true, Ordering::SeqCst);
    let all_items = store.all_items().await;
    assert_eq!(all_items.len(), 4 * (40 + 10));
    for items in readers.join_all().await {
        assert_eq!(items, all_items);
    }
}

pub(crate) async fn open_conflicts_are_listed_newest_first(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store
        .write(|builder| {
            let builder = builder.conflict(conflict("a", &query("a"))).conflict(conflict("b", &query("b")));
            builder.conflict(resolved(conflict("resolved", &query("c")), at_second(9)))
        })
        .await;
    let rewritten = store.write(|builder| builder.conflict(conflict("a", &query("a")))).await;
    let page = store.page(Timestamp::EPOCH, 10).await;
    assert_eq!(page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(page.conflicts[0], rewritten.conflicts[0]);
}

pub(crate) async fn open_conflicts_are_limited_in_number(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let limit = limits::PAGE_CONFLICTS;
    let many = |builder| {
        (0..limit + 5)
            .fold(builder, |builder: PlanBuilder, index| builder.conflict(conflict(&format!("c {index}"), &query("a"))))
    };
    let plan = store.write(many).await;
    let page = store.page(Timestamp::EPOCH, 10).await;
    let expected: Vec<_> = plan.conflicts.into_iter().rev().take(limit).collect();
    assert_eq!(page.conflicts, expected);
}

pub(crate) async fn a_full_sync_cursor_is_stored_per_device(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let full_sync = FullSyncCursor { head: at_second(9), cursor: at_second(5), previous: at_second(4) };
    let further = FullSyncCursor { cursor: at_second(6), previous: at_second(5), ..full_sync };
    for (device_id, full_sync) in [("laptop", full_sync), ("desk", full_sync), ("laptop", further)] {
        store.data.save_full_sync_cursor(store.user, &device(device_id), full_sync).await.expect("the write succeeds");
    }
    let full_sync_of = async |store: &UserStore, device_id: &str| {
        let request = PageRequest { device: device(device_id), since: at_second(0), tombstones: true, limit: 1 };
        store.data.page(store.user, &request).await.expect("the read succeeds").full_sync
    };
    assert_eq!(full_sync_of(&store, "laptop").await, Some(further));
    assert_eq!(full_sync_of(&store, "desk").await, Some(full_sync));
    assert_eq!(full_sync_of(&store, "phone").await, None);
    assert_eq!(full_sync_of(&store.other_user(), "laptop").await, None);
}

pub(crate) async fn status_counts_items_and_open_conflicts(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    assert_eq!(store.data.status(store.user).await.expect("the read succeeds"), shared::storage::Status::default());
    let items = write_items_of_all_types(&store, 8).await;
    let plan = store
        .write(|builder| {
            let builder = builder.tombstone(&items[0].0, content(&items[0].0, "text")).history_tombstone(&items[2].0);
            let builder = builder.conflict(conflict("a", &query("a"))).conflict(conflict("b", &query("b")));
            builder.conflict(resolved(conflict("c", &query("c")), at_second(9)))
        })
        .await;
    let status = store.data.status(store.user).await.expect("the read succeeds");
    assert_eq!((status.items, status.open_conflicts, status.head.time), ([2, 3, 1], 2, plan.new_head));
}

pub(crate) async fn devices_are_listed_by_last_sync_newest_first(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for (device_id, now, version) in [("laptop", 1, "old"), ("phone", 2, "p"), ("laptop", 3, "new"), ("desk", 2, "d")] {
        let plan = PlanBuilder::on(store.head().await).by(device_id).receipt(&now.to_string(), &query("a"), None);
        let plan = plan.device_stats(2, 1).build();
        store.data.commit(store.user, &plan, version, at_second(now)).await.expect("the write succeeds");
    }
    let devices = store.data.status(store.user).await.expect("the read succeeds").devices;
    let listed: Vec<_> =
        devices.iter().map(|device| (device.id.as_str(), device.total_synced, device.version.as_str())).collect();
    assert_eq!(listed, [("laptop", 4, "new"), ("desk", 2, "d"), ("phone", 2, "p")]);
    assert_eq!((devices[0].conflicts_count, devices[0].last_sync_at), (2, at_second(3)));
}

pub(crate) async fn item_returns_live_items_and_tombstones(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for item_type in ItemType::ALL {
        let (live, deleted) = (key(item_type, "live"), key(item_type, "deleted"));
        let plan = store
            .write(|builder| builder.put(&live, content(&live, "")).tombstone(&deleted, content(&deleted, "")))
            .await;
        assert_eq!(store.item(&live).await.as_ref(), items_of(&plan).get(&live));
        assert_eq!(store.item(&deleted).await.as_ref(), items_of(&plan).get(&deleted));
        assert_eq!(store.item(&key(item_type, "absent")).await, None);
        assert_eq!(store.other_user().item(&live).await, None);
    }
}

pub(crate) async fn a_page_excludes_the_data_of_other_users(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let other_user = store.other_user();
    let (ours, theirs) = (write_items_of_all_types(&store, 5).await, write_items_of_all_types(&other_user, 9).await);
    other_user.write(|builder| builder.conflict(conflict("c", &query("a"))).device_stats(1, 1)).await;
    let page = store.page(Timestamp::EPOCH, 5).await;
    assert_eq!((page.items, page.has_more, page.conflicts.len()), (ours, false, 0));
    assert_eq!(other_user.page(Timestamp::EPOCH, 100).await.items, theirs);
    let status = store.data.status(store.user).await.expect("the read succeeds");
    assert_eq!((status.items, status.open_conflicts, status.devices.len()), ([2, 2, 1], 0, 0));
}

pub(crate) async fn ping_succeeds(factory: SyncFactory<'_>) {
    UserStore::new(factory).await.data.ping().await.expect("the read succeeds");
}
