//! No page grows beyond what may be sent, and none is so full of conflicts that it cannot go on.

use std::sync::Arc;

use shared::models::{ConflictRecord, Content, ItemKey, ItemRecord, ItemType, Timestamp, limits};
use shared::storage::{ConflictFilter, Page};

use crate::draft::Draft;
use crate::fixtures::{conflict, content, detected, key, query};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, page_bytes:
            pages_of_large_items_fit,
            pages_of_escaped_text_fit,
            pages_of_wide_letters_fit,
            pages_of_tombstones_with_long_ids_fit,
            the_largest_conflict_leaves_room_for_the_largest_item,
            many_large_conflicts_are_cut_at_their_bytes,
            pages_of_the_conflict_book_fit,
        }
    };
}
pub(crate) use suite;

/// What `page` takes up as JSON, its frame aside.
fn bytes(page: &Page) -> usize {
    let item = |key: &ItemKey, stored: &shared::models::Stored| match (&stored.item, stored.deleted_at) {
        (Some(item), None) => {
            let record = ItemRecord::new(key.id.clone(), item.clone(), stored.updated_at, stored.version);
            length(serde_json::to_vec(&record))
        }
        _ => length(serde_json::to_vec(&serde_json::json!({
            "item_type": key.item_type, "item_id": key.id, "deleted_at": stored.deleted_at,
            "sync_version": stored.version,
        }))),
    };
    let items: usize = page.items.iter().map(|(key, stored)| item(key, stored) + 1).sum();
    items + conflict_bytes(&page.conflicts)
}

fn conflict_bytes(conflicts: &[shared::models::Conflict]) -> usize {
    conflicts.iter().map(|conflict| length(serde_json::to_vec(&ConflictRecord::from(conflict))) + 1).sum()
}

fn length(json: serde_json::Result<Vec<u8>>) -> usize {
    json.expect("it is JSON").len()
}

/// Reads everything, and looks at the size of each page; how many items there were, on how many pages.
async fn read_all(line: &Line) -> (usize, usize) {
    let pages = line.pages(limits::PAGE_ITEMS).await;
    for page in &pages {
        let size = bytes(page);
        assert!(size <= limits::PAGE_BYTES, "a page of {size} bytes with {} items", page.items.len());
        assert!(!page.items.is_empty(), "a page that does not go on");
    }
    (pages.iter().map(|page| page.items.len()).sum(), pages.len())
}

/// An item whose JSON takes up a little less than `size` bytes, with letters of two bytes where its query could not have
/// as many of one.
fn sized(key: &ItemKey, size: usize) -> Arc<Content> {
    let bytes = size - 1_000;
    let wide = bytes.saturating_sub(limits::QUERY_CHARS);
    content(key, &("é".repeat(wide) + &"x".repeat(bytes - 2 * wide)))
}

/// One text of every character that JSON must escape.
fn escaped(count: usize) -> String {
    "\u{1}\"\\\n".repeat(count / 4)
}

pub(crate) async fn pages_of_large_items_fit(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for place in 0..9 {
        let key = key(ItemType::ALL[1 + place % 2], &place.to_string());
        line.write(|draft| draft.put(&key, sized(&key, limits::ITEM_BYTES))).await;
    }
    assert_eq!(read_all(&line).await, (9, 3), "three of a megabyte fit on a page");
}

pub(crate) async fn pages_of_escaped_text_fit(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for place in 0..30 {
        let key = query(
            &escaped(120)
                .replace('\n', &place.to_string())
                .replace('\u{1}', "\"")
                .chars()
                .take(128)
                .collect::<String>(),
        );
        line.write(|draft| draft.put(&key, content(&key, &escaped(100_000)))).await;
    }
    let (items, pages) = read_all(&line).await;
    assert_eq!(items, 30);
    assert!((2..=4).contains(&pages), "{pages} pages");
}

pub(crate) async fn pages_of_wide_letters_fit(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for place in 0..12 {
        let key = query(&place.to_string());
        line.write(|draft| draft.put(&key, content(&key, &"界🦀".repeat(100_000)))).await;
    }
    assert_eq!(read_all(&line).await, (12, 3), "five of seven hundred kilobytes fit on a page");
}

pub(crate) async fn pages_of_tombstones_with_long_ids_fit(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let id = |place: usize| format!("{place:05}{}", "😀".repeat(123));
    let dead: Vec<ItemKey> = (0..4_500).map(|place| key(ItemType::QueryHistory, &id(place))).collect();
    line.write(|draft| dead.iter().fold(draft, |draft, key| draft.tombstone(key, content(key, &"x".repeat(500)))))
        .await;
    let request = line.page(Timestamp::EPOCH, 10_000).await;
    assert!(request.has_more && bytes(&request) <= limits::PAGE_BYTES);
    assert_eq!(read_all(&line).await.0, 4_500);
}

/// A conflict between two versions of `size` bytes.
fn large_conflict(id: &str, size: usize) -> shared::models::Conflict {
    let key = query("a");
    let mut conflict = conflict(id, &key);
    for version in [&mut conflict.local, &mut conflict.remote] {
        version.item.as_mut().expect("both are items").content = sized(&key, size);
    }
    conflict
}

pub(crate) async fn the_largest_conflict_leaves_room_for_the_largest_item(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.write(|draft| draft.conflict(large_conflict("c", limits::ITEM_BYTES))).await;
    for place in 0..3 {
        let key = query(&place.to_string());
        line.write(|draft| draft.put(&key, sized(&key, limits::ITEM_BYTES))).await;
    }
    assert_eq!(read_all(&line).await.0, 3);
    let page = line.page(Timestamp::EPOCH, 10).await;
    assert_eq!(page.conflicts.len(), 1);
}

pub(crate) async fn many_large_conflicts_are_cut_at_their_bytes(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let ids: Vec<String> = (0..20).map(|place| place.to_string()).collect();
    let many = |draft: Draft| ids.iter().fold(draft, |draft, id| draft.conflict(large_conflict(id, 200_000)));
    line.write(many).await;
    let key = query("a");
    line.write(|draft| draft.put(&key, sized(&key, limits::ITEM_BYTES))).await;
    let page = line.page(Timestamp::EPOCH, 10).await;
    let shown: Vec<_> = page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect();
    assert_eq!(shown, ["19", "18", "17", "16", "15"]);
    assert!(conflict_bytes(&page.conflicts) <= limits::PAGE_CONFLICT_BYTES);
    assert_eq!(read_all(&line).await, (1, 1));
}

pub(crate) async fn pages_of_the_conflict_book_fit(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for place in 0..5 {
        line.write(|draft| draft.conflict(detected(place, large_conflict(&place.to_string(), limits::ITEM_BYTES))))
            .await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = line.data.list(line.user, ConflictFilter::Open, before, 100).await.expect("the store answers");
        assert!(conflict_bytes(&page.conflicts) <= limits::PAGE_BYTES);
        assert_eq!(page.count, 5);
        seen.extend(page.conflicts.into_iter().map(|conflict| conflict.id.as_str().to_owned()));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["4", "3", "2", "1", "0"]);
}
