//! Contract of [`shared::storage::ChangeFeed`]: a reader that continues after the last item of each page
//! misses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::models::{ItemKey, ItemType, Stored, Timestamp};
use shared::storage::{Page, PageRequest};
use shared::sync::{Cursor, Digest, DownloadMode, download_mode};
use tokio::task::JoinSet;

use crate::fixtures::{at_day, at_second, conflict, content, just_after, key, query, resolved, text};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::{UserStore, changes_since, items_of};

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
            conflicts_have_places_among_the_items,
            a_page_has_the_requested_types_alone,
            cursors_of_full_syncs_differ_from_older_ones,
            a_cursor_between_two_writes_is_in_a_gap,
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

fn conflict_ids(page: &Page) -> Vec<&str> {
    page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect()
}

pub(crate) async fn conflicts_have_places_among_the_items(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = store
        .write(|builder| {
            let builder = builder.conflict(conflict("a", &query("a"))).put(&query("a"), content(&query("a"), "text"));
            let builder = builder.conflict(conflict("b", &query("b")));
            builder.conflict(resolved(conflict("resolved", &query("c")), at_second(9)))
        })
        .await;
    let rewritten = store.write(|builder| builder.conflict(conflict("a", &query("a")))).await;
    for limit in 1..=5 {
        let pages = store.pages(limit).await;
        assert_eq!(pages.len(), 4_usize.div_ceil(limit), "{limit} at a time");
        let listed: Vec<_> = pages.iter().flat_map(conflict_ids).collect();
        assert_eq!(listed, ["b", "resolved", "a"], "{limit} at a time");
        assert_eq!(pages.iter().map(|page| page.items.len()).sum::<usize>(), 1, "{limit} at a time");
    }
    let whole = store.page_without_tombstones(Timestamp::EPOCH, 10).await;
    assert_eq!(conflict_ids(&whole), ["b", "a"], "of the whole state the open ones");
    assert_eq!(whole.conflicts[1], rewritten.conflicts[0]);
    assert_eq!(conflict_ids(&store.page(plan.new_head, 10).await), ["a"]);
    assert_eq!(conflict_ids(&store.page(rewritten.new_head, 10).await), [""; 0], "an idle poll has none");
}

pub(crate) async fn a_page_has_the_requested_types_alone(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let items = write_items_of_all_types(&store, 6).await;
    let connection = key(ItemType::Connection, "a");
    let last = store
        .write(|builder| builder.conflict(conflict("a", &query("a"))).conflict(conflict("of connection", &connection)))
        .await;
    for types in [&[ItemType::Connection] as &[_], &[ItemType::SavedQuery, ItemType::QueryHistory], &ItemType::ALL] {
        let request = PageRequest { item_types: types.iter().copied().collect(), ..changes_since(Timestamp::EPOCH) };
        let page = store.page_of(&request).await;
        let expected = items.iter().filter(|(key, _)| types.contains(&key.item_type)).cloned().collect::<Vec<_>>();
        assert_eq!(page.items, expected, "{types:?}");
        let of_types = [("a", ItemType::SavedQuery), ("of connection", ItemType::Connection)].into_iter();
        let of_types: Vec<_> = of_types.filter(|(_, of)| types.contains(of)).map(|(id, _)| id).collect();
        assert_eq!(conflict_ids(&page), of_types, "{types:?}");
        assert_eq!((page.has_more, page.next_cursor()), (false, last.new_head), "{types:?}");
        let first = store.page_of(&PageRequest { limit: 1, ..request }).await;
        assert_eq!((first.items, first.has_more), (expected[..1].to_vec(), true), "{types:?}");
    }
}

pub(crate) async fn cursors_of_full_syncs_differ_from_older_ones(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let items = write_items_of_all_types(&store, 4).await;
    let first_page = async || store.page_without_tombstones(Timestamp::EPOCH, 1).await;
    let ordinary = first_page().await.next_cursor();
    assert_eq!(ordinary, items[0].1.seq);
    let mut cursors = vec![ordinary];
    for round in 1..=3 {
        let dead = query(&format!("dead {round}"));
        let day = at_day(100 * round);
        store.write(|builder| builder.at(day).tombstone(&dead, content(&dead, "text"))).await;
        assert_eq!(
            store.data.purge(just_after(store.head().await.time), 10, 1).await.expect("it succeeds").tombstones,
            1
        );
        let page = first_page().await;
        assert_eq!(page.items, items[..1]);
        cursors.push(page.next_cursor());
        for (index, cursor) in cursors.iter().enumerate() {
            let mode = download_mode(Some(Cursor::decode(*cursor)), page.head, page.is_in_gap);
            let expected = if index == round as usize { DownloadMode::Delta(ordinary) } else { DownloadMode::Reset };
            assert_eq!(mode, expected, "cursor {index} after purge {round}");
        }
        let again = store.data.purge(just_after(store.head().await.time), 10, 1).await.expect("it succeeds");
        assert_eq!(
            (again.tombstones, first_page().await.next_cursor()),
            (0, cursors[round as usize]),
            "nothing was purged"
        );
    }
}

pub(crate) async fn a_cursor_between_two_writes_is_in_a_gap(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let write = async |second: i64, id: &str| {
        let plan =
            store.write(|builder| builder.at(at_second(second)).put(&query(id), content(&query(id), "text"))).await;
        plan.new_head
    };
    let first = write(10, "a").await;
    let second = write(20, "b").await;
    let close = store.write(|builder| builder.put(&query("c"), content(&query("c"), "text"))).await.new_head;
    let appended = store.append_at(at_second(30)).await;
    let next = |time: Timestamp| time.next_millisecond();
    for (cursor, is_in_gap) in [
        (Timestamp::EPOCH, false),
        (at_second(9), true),
        (first, false),
        (next(first), true),
        (at_second(19), true),
        (second, false),
        (close, false),
        (next(close), true),
        (at_second(29), true),
        (appended, false),
        (next(appended), false),
    ] {
        assert_eq!(store.page(cursor, 10).await.is_in_gap, is_in_gap, "{cursor}");
        assert!(!store.other_user().page(cursor, 10).await.is_in_gap, "another user: {cursor}");
    }
    store.data.purge(at_second(25), 10, 1).await.expect("the write succeeds");
    assert!(!store.page(at_second(19), 10).await.is_in_gap, "old gaps are purged");
    assert!(store.page(at_second(29), 10).await.is_in_gap);
}

pub(crate) async fn status_counts_items_and_open_conflicts(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    assert_eq!(
        store.data.status(store.user.into()).await.expect("the read succeeds"),
        shared::storage::Status::default()
    );
    let items = write_items_of_all_types(&store, 8).await;
    let plan = store
        .write(|builder| {
            let builder = builder.tombstone(&items[0].0, content(&items[0].0, "text")).history_tombstone(&items[2].0);
            let builder = builder.conflict(conflict("a", &query("a"))).conflict(conflict("b", &query("b")));
            builder.conflict(resolved(conflict("c", &query("c")), at_second(9)))
        })
        .await;
    let status = store.data.status(store.user.into()).await.expect("the read succeeds");
    assert_eq!((status.items, status.open_conflicts, status.head.time), ([2, 3, 1], 2, plan.new_head));
}

pub(crate) async fn devices_are_listed_by_last_sync_newest_first(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for (device_id, now, version) in [("laptop", 1, "old"), ("phone", 2, "p"), ("laptop", 3, "new"), ("desk", 2, "d")] {
        let plan = PlanBuilder::on(store.head().await).by(device_id).receipt(&now.to_string(), &query("a"), None);
        let plan = plan.device_stats(2, 1).build();
        store.data.commit(store.user.into(), &plan, version, at_second(now)).await.expect("the write succeeds");
    }
    let devices = store.data.status(store.user.into()).await.expect("the read succeeds").devices;
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
    let status = store.data.status(store.user.into()).await.expect("the read succeeds");
    assert_eq!((status.items, status.open_conflicts, status.devices.len()), ([2, 2, 1], 0, 0));
}

pub(crate) async fn ping_succeeds(factory: SyncFactory<'_>) {
    UserStore::new(factory).await.data.ping().await.expect("the read succeeds");
}
