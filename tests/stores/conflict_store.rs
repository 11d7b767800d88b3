//! Contract of [`shared::storage::ConflictStore`]: conflicts are listed by state, newest first, page by page.

use shared::models::Timestamp;
use shared::storage::{ConflictFilter, ConflictPage};

use crate::fixtures::{at_second, conflict, detected, query, resolved};
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::UserStore;

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, conflict_store:
            a_new_user_has_one_empty_page,
            conflicts_are_listed_newest_first,
            the_filter_selects_by_state,
            pages_contain_every_conflict_once,
            a_full_page_has_a_cursor_only_if_another_page_follows,
            a_rewritten_conflict_keeps_its_position,
            a_resolved_conflict_is_listed_as_resolved,
            conflicts_of_other_users_are_not_listed,
        }
    };
}
pub(crate) use suite;

async fn list(store: &UserStore, filter: ConflictFilter, before: Option<Timestamp>, limit: usize) -> ConflictPage {
    store.data.list(store.user.into(), filter, before, limit).await.expect("the read succeeds")
}

fn ids(page: &ConflictPage) -> Vec<&str> {
    page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect()
}

/// Writes the conflicts 0 to `count - 1`; every third is resolved.
async fn write_conflicts(store: &UserStore, count: usize) {
    for index in 0..count {
        let conflict = detected(index as i64, conflict(&index.to_string(), &query("a")));
        let conflict = if index % 3 == 2 { resolved(conflict, at_second(9)) } else { conflict };
        store.write(|builder| builder.conflict(conflict)).await;
    }
}

pub(crate) async fn a_new_user_has_one_empty_page(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    for filter in [ConflictFilter::Open, ConflictFilter::Resolved, ConflictFilter::All] {
        assert_eq!(list(&store, filter, None, 10).await, ConflictPage::default());
    }
}

pub(crate) async fn conflicts_are_listed_newest_first(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = store
        .write(|builder| {
            let builder = builder.conflict(detected(1, conflict("b", &query("a"))));
            let builder = builder.conflict(detected(2, conflict("c", &query("a"))));
            builder.conflict(detected(3, resolved(conflict("a", &query("b")), at_second(9))))
        })
        .await;
    let page = list(&store, ConflictFilter::All, None, 10).await;
    assert_eq!(page.conflicts, plan.conflicts.into_iter().rev().collect::<Vec<_>>());
}

pub(crate) async fn the_filter_selects_by_state(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_conflicts(&store, 6).await;
    for (filter, expected) in [
        (ConflictFilter::Open, vec!["4", "3", "1", "0"]),
        (ConflictFilter::Resolved, vec!["5", "2"]),
        (ConflictFilter::All, vec!["5", "4", "3", "2", "1", "0"]),
    ] {
        let page = list(&store, filter, None, 10).await;
        assert_eq!((ids(&page), page.count, page.next), (expected.clone(), expected.len() as i64, None));
    }
}

pub(crate) async fn pages_contain_every_conflict_once(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_conflicts(&store, 20).await;
    for (filter, count) in [(ConflictFilter::Open, 14), (ConflictFilter::Resolved, 6), (ConflictFilter::All, 20)] {
        let all = list(&store, filter, None, 100).await.conflicts;
        assert_eq!(all.len(), count);
        for limit in [1, 4, 7, 19] {
            let (mut before, mut paged) = (None, Vec::new());
            for _ in 0..count.div_ceil(limit) {
                let page = list(&store, filter, before, limit).await;
                assert_eq!(page.count, count as i64);
                paged.extend(page.conflicts);
                before = page.next;
            }
            assert_eq!((&paged, before), (&all, None), "{limit} at a time");
        }
    }
}

pub(crate) async fn a_full_page_has_a_cursor_only_if_another_page_follows(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_conflicts(&store, 2).await;
    assert!(list(&store, ConflictFilter::All, None, 1).await.next.is_some());
    assert!(list(&store, ConflictFilter::All, None, 2).await.next.is_none());
    assert_eq!(list(&store, ConflictFilter::All, Some(Timestamp::EPOCH), 2).await.conflicts, []);
}

pub(crate) async fn a_rewritten_conflict_keeps_its_position(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_conflicts(&store, 2).await;
    store.write(|builder| builder.conflict(conflict("0", &query("a")))).await;
    let page = list(&store, ConflictFilter::Open, None, 10).await;
    assert_eq!((ids(&page), page.count), (vec!["1", "0"], 2));
}

pub(crate) async fn a_resolved_conflict_is_listed_as_resolved(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_conflicts(&store, 1).await;
    store.write(|builder| builder.conflict(resolved(conflict("0", &query("a")), at_second(9)))).await;
    assert_eq!(list(&store, ConflictFilter::Open, None, 10).await, ConflictPage::default());
    assert_eq!(ids(&list(&store, ConflictFilter::Resolved, None, 10).await), ["0"]);
}

pub(crate) async fn conflicts_of_other_users_are_not_listed(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_conflicts(&store, 3).await;
    assert_eq!(list(&store.other_user(), ConflictFilter::All, None, 10).await, ConflictPage::default());
}
