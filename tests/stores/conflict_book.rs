//! The law of [`shared::storage::ConflictStore`].

use shared::models::Timestamp;
use shared::storage::{ConflictFilter, ConflictPage};

use crate::fixtures::{conflict, detected, query, second, settled};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, conflict_book:
            an_empty_book_is_one_empty_page,
            conflicts_come_newest_first,
            a_filter_shows_what_it_names,
            pages_hold_everything_once,
            a_full_page_names_the_next_only_if_there_is_one,
            a_renewed_conflict_keeps_its_place,
            a_settled_conflict_changes_sides,
            a_book_shows_nothing_of_others,
        }
    };
}
pub(crate) use suite;

async fn list(line: &Line, filter: ConflictFilter, before: Option<Timestamp>, limit: usize) -> ConflictPage {
    line.data.list(line.user, filter, before, limit).await.expect("the store answers")
}

fn ids(page: &ConflictPage) -> Vec<&str> {
    page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect()
}

/// Writes conflicts 0 to `count`, of which every third is settled.
async fn book(line: &Line, count: usize) {
    for place in 0..count {
        let conflict = detected(place as i64, conflict(&place.to_string(), &query("a")));
        let conflict = if place % 3 == 2 { settled(conflict, second(9)) } else { conflict };
        line.write(|draft| draft.conflict(conflict)).await;
    }
}

pub(crate) async fn an_empty_book_is_one_empty_page(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for filter in [ConflictFilter::Open, ConflictFilter::Resolved, ConflictFilter::All] {
        assert_eq!(list(&line, filter, None, 10).await, ConflictPage::default());
    }
}

pub(crate) async fn conflicts_come_newest_first(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plan = line
        .write(|draft| {
            let draft = draft.conflict(detected(1, conflict("b", &query("a"))));
            let draft = draft.conflict(detected(2, conflict("c", &query("a"))));
            draft.conflict(detected(3, settled(conflict("a", &query("b")), second(9))))
        })
        .await;
    let page = list(&line, ConflictFilter::All, None, 10).await;
    assert_eq!(page.conflicts, plan.conflicts.into_iter().rev().collect::<Vec<_>>());
}

pub(crate) async fn a_filter_shows_what_it_names(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    book(&line, 6).await;
    for (filter, shown) in [
        (ConflictFilter::Open, vec!["4", "3", "1", "0"]),
        (ConflictFilter::Resolved, vec!["5", "2"]),
        (ConflictFilter::All, vec!["5", "4", "3", "2", "1", "0"]),
    ] {
        let page = list(&line, filter, None, 10).await;
        assert_eq!((ids(&page), page.count, page.next), (shown.clone(), shown.len() as i64, None));
    }
}

pub(crate) async fn pages_hold_everything_once(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    book(&line, 20).await;
    for (filter, count) in [(ConflictFilter::Open, 14), (ConflictFilter::Resolved, 6), (ConflictFilter::All, 20)] {
        let whole = list(&line, filter, None, 100).await.conflicts;
        assert_eq!(whole.len(), count);
        for limit in [1, 4, 7, 19] {
            let (mut before, mut paged) = (None, Vec::new());
            for _ in 0..count.div_ceil(limit) {
                let page = list(&line, filter, before, limit).await;
                assert_eq!(page.count, count as i64);
                paged.extend(page.conflicts);
                before = page.next;
            }
            assert_eq!((&paged, before), (&whole, None), "{limit} at a time");
        }
    }
}

pub(crate) async fn a_full_page_names_the_next_only_if_there_is_one(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    book(&line, 2).await;
    assert!(list(&line, ConflictFilter::All, None, 1).await.next.is_some());
    assert!(list(&line, ConflictFilter::All, None, 2).await.next.is_none());
    assert_eq!(list(&line, ConflictFilter::All, Some(Timestamp::EPOCH), 2).await.conflicts, []);
}

pub(crate) async fn a_renewed_conflict_keeps_its_place(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    book(&line, 2).await;
    line.write(|draft| draft.conflict(conflict("0", &query("a")))).await;
    let page = list(&line, ConflictFilter::Open, None, 10).await;
    assert_eq!((ids(&page), page.count), (vec!["1", "0"], 2));
}

pub(crate) async fn a_settled_conflict_changes_sides(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    book(&line, 1).await;
    line.write(|draft| draft.conflict(settled(conflict("0", &query("a")), second(9)))).await;
    assert_eq!(list(&line, ConflictFilter::Open, None, 10).await, ConflictPage::default());
    assert_eq!(ids(&list(&line, ConflictFilter::Resolved, None, 10).await), ["0"]);
}

pub(crate) async fn a_book_shows_nothing_of_others(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    book(&line, 3).await;
    assert_eq!(list(&line.neighbour(), ConflictFilter::All, None, 10).await, ConflictPage::default());
}
