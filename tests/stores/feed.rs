//! The law of [`shared::storage::ChangeFeed`]: whoever goes on from the last item of a page misses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::models::{ItemKey, ItemType, Stored, Timestamp, limits};
use shared::storage::{Page, PageRequest};
use shared::sync::FullSyncCursor;
use tokio::task::JoinSet;

use crate::draft::Draft;
use crate::fixtures::{conflict, content, device, key, query, second, settled, text};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, feed:
            pages_come_in_the_order_of_the_line,
            a_page_starts_after_since,
            a_page_ends_at_its_limit,
            a_rewritten_item_moves_to_the_end_of_the_line,
            tombstones_come_where_they_are_wanted,
            only_tombstones_to_come_are_nothing_to_come,
            a_page_is_the_state_at_one_moment,
            a_reader_among_writers_misses_nothing_and_gets_nothing_twice,
            open_conflicts_come_newest_first,
            open_conflicts_are_cut_at_their_number,
            a_walk_is_remembered_for_its_device,
            status_counts_what_is_there,
            devices_are_listed_latest_first,
            an_item_is_found_dead_or_alive,
            a_page_shows_nothing_of_others,
            the_store_answers_a_ping,
        }
    };
}
pub(crate) use suite;

/// Writes `count` items, the kinds taking turns, and returns them in the order of the line.
async fn mixed(line: &Line, count: usize) -> Vec<(ItemKey, Stored)> {
    let keys: Vec<ItemKey> = (0..count).map(|place| key(ItemType::ALL[place % 3], &format!("item {place}"))).collect();
    let plan = line.write(|draft| keys.iter().fold(draft, |draft, key| draft.put(key, content(key, "text")))).await;
    let mut items: Vec<_> = plan.items.into_iter().collect();
    items.sort_by_key(|(_, stored)| stored.seq);
    items
}

fn ids(page: &Page) -> Vec<&str> {
    page.items.iter().map(|(key, _)| key.id.as_str()).collect()
}

pub(crate) async fn pages_come_in_the_order_of_the_line(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let items = mixed(&line, 20).await;
    for limit in [1, 2, 3, 7, 19, 20, 21] {
        let pages = line.pages(limit).await;
        assert_eq!(pages.len(), 20usize.div_ceil(limit), "{limit} at a time");
        assert!(pages.iter().all(|page| page.head.time == items[19].1.seq));
        let paged: Vec<_> = pages.into_iter().flat_map(|page| page.items).collect();
        assert_eq!(paged, items, "{limit} at a time");
    }
}

pub(crate) async fn a_page_starts_after_since(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let items = mixed(&line, 4).await;
    let [first, second] = [items[0].1.seq, items[1].1.seq];
    assert_eq!(line.page(first, 10).await.items, items[1..]);
    assert_eq!(line.page(Timestamp::from_micros(second.micros() - 1), 10).await.items, items[1..]);
    assert_eq!(line.page(items[3].1.seq, 10).await.items, []);
    assert_eq!(line.page(Timestamp::MIN, 10).await.items, items);
    assert_eq!(line.page(Timestamp::MAX, 10).await.items, []);
}

pub(crate) async fn a_page_ends_at_its_limit(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    assert_eq!(line.page(Timestamp::EPOCH, 1).await, Page::default());
    mixed(&line, 6).await;
    for (limit, more) in [(5, true), (6, false), (7, false)] {
        let page = line.page(Timestamp::EPOCH, limit).await;
        assert_eq!((page.items.len(), page.has_more), (limit.min(6), more));
    }
}

pub(crate) async fn a_rewritten_item_moves_to_the_end_of_the_line(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let items = mixed(&line, 4).await;
    let first = items[0].0.clone();
    line.write(|draft| draft.version(2).put(&first, content(&first, "again"))).await;
    assert_eq!(ids(&line.page(Timestamp::EPOCH, 10).await), ["item 1", "item 2", "item 3", "item 0"]);
    assert_eq!(ids(&line.page(items[3].1.seq, 10).await), ["item 0"]);
}

pub(crate) async fn tombstones_come_where_they_are_wanted(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let items = mixed(&line, 6).await;
    let plan = line
        .write(|draft| {
            let draft = draft.version(2).tombstone(&items[0].0, content(&items[0].0, "text"));
            draft.tombstone(&items[1].0, content(&items[1].0, "text")).tombstone_unseen(&items[2].0)
        })
        .await;

    assert_eq!(line.page_of_living(Timestamp::EPOCH, 10).await.items, items[3..]);

    line.write(|draft| draft.put(&query("after them"), content(&query("after them"), "text"))).await;
    assert_eq!(ids(&line.page_of_living(Timestamp::EPOCH, 10).await), ["item 3", "item 4", "item 5", "after them"]);

    let page = line.page(Timestamp::EPOCH, 10).await;
    assert_eq!(ids(&page), ["item 3", "item 4", "item 5", "item 0", "item 1", "item 2", "after them"]);
    for (key, stored) in &page.items[3..6] {
        let written = &plan.items[key];
        assert_eq!((stored.deleted_at, stored.version), (written.deleted_at, 2));
    }
}

pub(crate) async fn only_tombstones_to_come_are_nothing_to_come(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let items = mixed(&line, 3).await;
    let dead: Vec<ItemKey> = (0..5).map(|place| query(&format!("dead {place}"))).collect();
    line.write(|draft| dead.iter().fold(draft, |draft, key| draft.tombstone(key, content(key, "text")))).await;
    let page = line.page_of_living(Timestamp::EPOCH, 3).await;
    assert_eq!((page.items, page.has_more), (items, false));
    assert!(line.page(Timestamp::EPOCH, 3).await.has_more);
}

pub(crate) async fn a_page_is_the_state_at_one_moment(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let keys = ItemType::ALL[..2].iter().map(|item_type| key(*item_type, "a")).collect::<Vec<_>>();
    let (writer, written) = (line.clone(), keys.clone());
    let writing = tokio::spawn(async move {
        for round in 0..150 {
            let fill = |draft: Draft| {
                written.iter().fold(draft, |draft, key| draft.put(key, content(key, &round.to_string())))
            };
            writer.write(|draft| fill(draft).conflict(conflict("c", &written[0]))).await;
        }
    });
    while !writing.is_finished() {
        let page = line.page(Timestamp::EPOCH, 10).await;
        let texts: Vec<_> = page.items.iter().filter_map(|(_, stored)| stored.item.as_ref()).collect();
        assert!(texts.windows(2).all(|pair| text(&pair[0].content) == text(&pair[1].content)), "{texts:?}");
        let newest = page.conflicts.iter().map(|conflict| conflict.seq).max().unwrap_or_default();
        assert_eq!((page.head.time, page.items.len() % 2), (newest, 0));
    }
    writing.await.expect("the writer writes");
}

/// What a client keeps of its downloads.
#[derive(Default)]
struct Reader {
    cursor: Timestamp,
    known: BTreeMap<ItemKey, Stored>,
}

impl Reader {
    /// Takes one page; whether there is more.
    async fn read(&mut self, line: &Line, limit: usize) -> bool {
        let page = line.page(self.cursor, limit).await;
        let mut cursor = self.cursor;
        for (key, stored) in page.items {
            assert!(stored.seq > cursor, "{key:?} is out of order");
            cursor = stored.seq;
            let before = self.known.insert(key, stored);
            assert!(before.is_none_or(|before| before.seq < cursor), "an item comes twice");
        }
        assert!(cursor <= page.head.time);
        self.cursor = if page.has_more { cursor } else { page.head.time };
        page.has_more
    }
}

/// Writes items of all kinds, and deletes some, beside others who do the same.
async fn write_a_lot(line: Line, writer: usize) {
    for round in 0..40 {
        let item = key(ItemType::ALL[round % 2], &format!("{writer} {}", round % 5));
        let entry = key(ItemType::QueryHistory, &format!("{writer} {round}"));
        let text = round.to_string();
        let fill = |draft: Draft| {
            let draft = draft.version(i64::try_from(round).expect("few")).put(&entry, content(&entry, &text));
            if round % 7 == 6 {
                draft.tombstone(&item, content(&item, &text))
            } else {
                draft.put(&item, content(&item, &text))
            }
        };
        line.insist(fill).await;
    }
}

pub(crate) async fn a_reader_among_writers_misses_nothing_and_gets_nothing_twice(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for limit in [1, 3, 50] {
        let (line, done) = (line.clone(), done.clone());
        readers.spawn(async move {
            let mut reader = Reader::default();
            while !done.load(Ordering::SeqCst) {
                reader.read(&line, limit).await;
            }
            while reader.read(&line, limit).await {}
            reader.known
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        writers.spawn(write_a_lot(line.clone(), writer));
    }
    writers.join_all().await;
    done.store(true, Ordering::SeqCst);
    let everything = line.everything().await;
    assert_eq!(everything.len(), 4 * (40 + 10));
    for known in readers.join_all().await {
        assert_eq!(known, everything);
    }
}

pub(crate) async fn open_conflicts_come_newest_first(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.write(|draft| {
        let draft = draft.conflict(conflict("a", &query("a"))).conflict(conflict("b", &query("b")));
        draft.conflict(settled(conflict("settled", &query("c")), second(9)))
    })
    .await;
    let renewed = line.write(|draft| draft.conflict(conflict("a", &query("a")))).await;
    let page = line.page(Timestamp::EPOCH, 10).await;
    assert_eq!(page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(page.conflicts[0], renewed.conflicts[0]);
}

pub(crate) async fn open_conflicts_are_cut_at_their_number(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let most = limits::PAGE_CONFLICTS;
    let many = |draft| {
        (0..most + 5).fold(draft, |draft: Draft, place| draft.conflict(conflict(&format!("c {place}"), &query("a"))))
    };
    let plan = line.write(many).await;
    let page = line.page(Timestamp::EPOCH, 10).await;
    let newest: Vec<_> = plan.conflicts.into_iter().rev().take(most).collect();
    assert_eq!(page.conflicts, newest);
}

pub(crate) async fn a_walk_is_remembered_for_its_device(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let full_sync = FullSyncCursor { head: second(9), cursor: second(5), previous: second(4) };
    let further = FullSyncCursor { cursor: second(6), previous: second(5), ..full_sync };
    for (device_id, full_sync) in [("laptop", full_sync), ("desk", full_sync), ("laptop", further)] {
        line.data.save_full_sync_cursor(line.user, &device(device_id), full_sync).await.expect("the store writes");
    }
    let walk_of = async |line: &Line, device_id: &str| {
        let request = PageRequest { device: device(device_id), since: second(0), tombstones: true, limit: 1 };
        line.data.page(line.user, &request).await.expect("the store answers").full_sync
    };
    assert_eq!(walk_of(&line, "laptop").await, Some(further));
    assert_eq!(walk_of(&line, "desk").await, Some(full_sync));
    assert_eq!(walk_of(&line, "phone").await, None);
    assert_eq!(walk_of(&line.neighbour(), "laptop").await, None);
}

pub(crate) async fn status_counts_what_is_there(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    assert_eq!(line.data.status(line.user).await.expect("the store answers"), shared::storage::Status::default());
    let items = mixed(&line, 8).await;
    let plan = line
        .write(|draft| {
            let draft = draft.tombstone(&items[0].0, content(&items[0].0, "text")).tombstone_unseen(&items[2].0);
            let draft = draft.conflict(conflict("a", &query("a"))).conflict(conflict("b", &query("b")));
            draft.conflict(settled(conflict("c", &query("c")), second(9)))
        })
        .await;
    let status = line.data.status(line.user).await.expect("the store answers");
    assert_eq!((status.items, status.open_conflicts, status.head.time), ([2, 3, 1], 2, plan.new_head));
}

pub(crate) async fn devices_are_listed_latest_first(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for (device_id, now, version) in [("laptop", 1, "old"), ("phone", 2, "p"), ("laptop", 3, "new"), ("desk", 2, "d")] {
        let plan = Draft::on(line.head().await).by(device_id).receipt(&now.to_string(), &query("a"), None);
        let plan = plan.device_stats(2, 1).plan();
        line.data.commit(line.user, &plan, version, second(now)).await.expect("the store writes");
    }
    let devices = line.data.status(line.user).await.expect("the store answers").devices;
    let to_otel_span: Vec<_> =
        devices.iter().map(|device| (device.id.as_str(), device.total_synced, device.version.as_str())).collect();
    assert_eq!(to_otel_span, [("laptop", 4, "new"), ("desk", 2, "d"), ("phone", 2, "p")]);
    assert_eq!((devices[0].conflicts_count, devices[0].last_sync_at), (2, second(3)));
}

pub(crate) async fn an_item_is_found_dead_or_alive(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for item_type in ItemType::ALL {
        let (live, dead) = (key(item_type, "live"), key(item_type, "dead"));
        let plan = line.write(|draft| draft.put(&live, content(&live, "")).tombstone(&dead, content(&dead, ""))).await;
        assert_eq!(line.item(&live).await.as_ref(), plan.items.get(&live));
        assert_eq!(line.item(&dead).await.as_ref(), plan.items.get(&dead));
        assert_eq!(line.item(&key(item_type, "absent")).await, None);
        assert_eq!(line.neighbour().item(&live).await, None);
    }
}

pub(crate) async fn a_page_shows_nothing_of_others(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let neighbour = line.neighbour();
    let (ours, theirs) = (mixed(&line, 5).await, mixed(&neighbour, 9).await);
    neighbour.write(|draft| draft.conflict(conflict("c", &query("a"))).device_stats(1, 1)).await;
    let page = line.page(Timestamp::EPOCH, 5).await;
    assert_eq!((page.items, page.has_more, page.conflicts.len()), (ours, false, 0));
    assert_eq!(neighbour.page(Timestamp::EPOCH, 100).await.items, theirs);
    let status = line.data.status(line.user).await.expect("the store answers");
    assert_eq!((status.items, status.open_conflicts, status.devices.len()), ([2, 2, 1], 0, 0));
}

pub(crate) async fn the_store_answers_a_ping(place: SyncPlace<'_>) {
    Line::new(place).await.data.ping().await.expect("the store answers");
}
