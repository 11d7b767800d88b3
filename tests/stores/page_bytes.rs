//! Size of pages: no page exceeds the response limit, and conflicts always leave room for at least one item.

use std::sync::Arc;

use shared::models::{ConflictRecord, Content, ItemKey, ItemRecord, ItemType, Timestamp, limits};
use shared::storage::{ConflictFilter, Page};

use crate::fixtures::{conflict, content, detected, key, query};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::UserStore;

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, page_bytes:
            pages_of_large_items_stay_within_the_limit,
            pages_of_escaped_text_stay_within_the_limit,
            pages_of_multibyte_text_stay_within_the_limit,
            pages_of_tombstones_with_long_ids_stay_within_the_limit,
            the_largest_conflict_fits_on_a_page_with_the_largest_item,
            tombstones_are_read_without_their_content,
            conflicts_are_limited_in_bytes,
            pages_of_the_conflict_list_stay_within_the_limit,
        }
    };
}
pub(crate) use suite;

/// Returns the size of the items and conflicts of `page` as JSON, in bytes.
fn page_bytes_of(page: &Page) -> usize {
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
    json.expect("the record serializes").len()
}

/// Reads all pages, asserts the size of each, and returns the number of items and of pages.
async fn read_all(store: &UserStore) -> (usize, usize) {
    let pages = store.pages(limits::PAGE_ITEMS).await;
    for page in &pages {
        let size = page_bytes_of(page);
        assert!(size <= limits::PAGE_BYTES, "a page of {size} bytes with {} items", page.items.len());
        assert!(!page.items.is_empty(), "a page without items does not advance the cursor");
    }
    (pages.iter().map(|page| page.items.len()).sum(), pages.len())
}

/// Returns an item whose JSON is slightly smaller than `size` bytes. It contains two-byte characters as far as
/// the query would otherwise exceed its character limit.
fn sized(key: &ItemKey, size: usize) -> Arc<Content> {
    let bytes = size - 1_000;
    let two_byte_chars = bytes.saturating_sub(limits::QUERY_CHARS);
    content(key, &("é".repeat(two_byte_chars) + &"x".repeat(bytes - 2 * two_byte_chars)))
}

/// Returns text of about `count` characters that JSON must escape.
fn escaped(count: usize) -> String {
    "\u{1}\"\\\n".repeat(count / 4)
}

pub(crate) async fn pages_of_large_items_stay_within_the_limit(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for index in 0..9 {
        let key = key(ItemType::ALL[1 + index % 2], &index.to_string());
        store.write(|builder| builder.put(&key, sized(&key, limits::ITEM_BYTES))).await;
    }
    assert_eq!(read_all(&store).await, (9, 3), "three items of a megabyte fit on a page");
}

pub(crate) async fn pages_of_escaped_text_stay_within_the_limit(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for index in 0..30 {
        let key = query(
            &escaped(120)
                .replace('\n', &index.to_string())
                .replace('\u{1}', "\"")
                .chars()
                .take(128)
                .collect::<String>(),
        );
        store.write(|builder| builder.put(&key, content(&key, &escaped(100_000)))).await;
    }
    let (items, pages) = read_all(&store).await;
    assert_eq!(items, 30);
    assert!((2..=4).contains(&pages), "{pages} pages");
}

pub(crate) async fn pages_of_multibyte_text_stay_within_the_limit(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for index in 0..12 {
        let key = query(&index.to_string());
        store.write(|builder| builder.put(&key, content(&key, &"界🦀".repeat(100_000)))).await;
    }
    assert_eq!(read_all(&store).await, (12, 3), "five items of 700 kB fit on a page");
}

pub(crate) async fn pages_of_tombstones_with_long_ids_stay_within_the_limit(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let id = |index: usize| format!("{index:05}{}", "😀".repeat(123));
    let deleted: Vec<ItemKey> = (0..4_500).map(|index| key(ItemType::QueryHistory, &id(index))).collect();
    store
        .write(|builder| {
            deleted.iter().fold(builder, |builder, key| builder.tombstone(key, content(key, &"x".repeat(500))))
        })
        .await;
    let request = store.page(Timestamp::EPOCH, 10_000).await;
    assert!(request.has_more && page_bytes_of(&request) <= limits::PAGE_BYTES);
    assert_eq!(read_all(&store).await.0, 4_500);
}

pub(crate) async fn tombstones_are_read_without_their_content(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    // The content of all of them would exceed the largest response of a libSQL server.
    for index in 0..12 {
        let key = query(&index.to_string());
        store.write(|builder| builder.tombstone(&key, sized(&key, limits::ITEM_BYTES))).await;
    }
    let page = store.page(Timestamp::EPOCH, 1_000).await;
    assert_eq!((page.items.len(), page.has_more), (12, false));
    assert!(page.items.iter().all(|(_, stored)| stored.item.is_none() && stored.deleted_at.is_some()));
}

/// Returns a conflict between two versions of `size` bytes each.
fn large_conflict(id: &str, size: usize) -> shared::models::Conflict {
    let key = query("a");
    let mut conflict = conflict(id, &key);
    for version in [&mut conflict.local, &mut conflict.remote] {
        version.item.as_mut().expect("both versions have content").content = sized(&key, size);
    }
    conflict
}

pub(crate) async fn the_largest_conflict_fits_on_a_page_with_the_largest_item(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    store.write(|builder| builder.conflict(large_conflict("c", limits::ITEM_BYTES))).await;
    for index in 0..3 {
        let key = query(&index.to_string());
        store.write(|builder| builder.put(&key, sized(&key, limits::ITEM_BYTES))).await;
    }
    assert_eq!(read_all(&store).await.0, 3);
    let page = store.page(Timestamp::EPOCH, 10).await;
    assert_eq!((page.conflicts.len(), page.items.len(), page.has_more), (1, 1, true));
}

pub(crate) async fn conflicts_are_limited_in_bytes(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let ids: Vec<String> = (0..20).map(|index| index.to_string()).collect();
    let many =
        |builder: PlanBuilder| ids.iter().fold(builder, |builder, id| builder.conflict(large_conflict(id, 200_000)));
    store.write(many).await;
    let key = query("a");
    store.write(|builder| builder.put(&key, sized(&key, limits::ITEM_BYTES))).await;
    let pages = store.pages(100).await;
    let numbers: Vec<_> = pages.iter().map(|page| page.conflicts.len()).collect();
    assert_eq!(numbers, [10, 10, 0]);
    let listed = pages.iter().flat_map(|page| &page.conflicts).map(|conflict| conflict.id.as_str().to_owned());
    assert_eq!(listed.collect::<Vec<_>>(), ids, "in the order of the writes");
    assert!(pages.iter().all(|page| conflict_bytes(&page.conflicts) <= limits::PAGE_BYTES));
    assert_eq!(pages[2].items.len(), 1);
}

pub(crate) async fn pages_of_the_conflict_list_stay_within_the_limit(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for index in 0..5 {
        store
            .write(|builder| builder.conflict(detected(index, large_conflict(&index.to_string(), limits::ITEM_BYTES))))
            .await;
    }
    let (mut before, mut listed) = (None, Vec::new());
    loop {
        let page =
            store.data.list(store.user.into(), ConflictFilter::Open, before, 100).await.expect("the read succeeds");
        assert!(conflict_bytes(&page.conflicts) <= limits::PAGE_BYTES);
        assert_eq!(page.count, 5);
        listed.extend(page.conflicts.into_iter().map(|conflict| conflict.id.as_str().to_owned()));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(listed, ["4", "3", "2", "1", "0"]);
}
