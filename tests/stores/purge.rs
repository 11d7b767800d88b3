//! The law of [`shared::storage::Retention::purge`].

use std::collections::BTreeMap;

use shared::models::{ItemKey, ItemType, Timestamp};
use shared::storage::{ConflictFilter, Purged};
use shared::sync::ReadSet;

use crate::draft::Draft;
use crate::fixtures::{conflict, content, day, device, just_after, key, query, settled};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, purge:
            what_was_deleted_before_the_cutoff_goes,
            what_lives_stays,
            the_cutoff_itself_is_not_before_it,
            settled_conflicts_go_and_open_ones_stay,
            receipts_stay,
            the_horizon_is_the_newest_tombstone_that_went,
            the_horizon_never_moves_back,
            the_horizon_is_each_users_own,
            the_highest_version_that_went_is_remembered,
            batches_are_bounded_and_repeatable,
            a_tombstone_never_goes_before_the_horizon_moves,
            purges_at_once_remove_everything_once,
            a_purge_given_up_can_be_repeated,
        }
    };
}
pub(crate) use suite;

async fn purge(line: &Line, cutoff: Timestamp, batch: usize) -> Purged {
    line.data.purge(cutoff, batch).await.expect("the store writes")
}

/// Purges until nothing is left to remove; what was removed in all, and in how many calls.
async fn purge_all(line: &Line, cutoff: Timestamp, batch: usize) -> (Purged, usize) {
    let mut all = Purged::default();
    for call in 1..1_000 {
        let purged = purge(line, cutoff, batch).await;
        assert!(purged.tombstones <= 3 * batch as u64 && purged.conflicts <= batch as u64, "{purged:?}");
        all.tombstones += purged.tombstones;
        all.conflicts += purged.conflicts;
        all.accounts += purged.accounts;
        if purged.total() == 0 {
            return (all, call);
        }
    }
    panic!("a purge without end");
}

/// Writes the tombstone of `key` on the day `days`.
async fn tombstone(line: &Line, key: &ItemKey, days: i64) -> Timestamp {
    line.write(|draft| draft.at(day(days)).tombstone(key, content(key, "text"))).await.new_head
}

fn removed(tombstones: u64, conflicts: u64) -> Purged {
    Purged { tombstones, conflicts, accounts: 0 }
}

pub(crate) async fn what_was_deleted_before_the_cutoff_goes(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for item_type in ItemType::ALL {
        tombstone(&line, &key(item_type, "old"), 1).await;
    }
    tombstone(&line, &query("new"), 3).await;
    assert_eq!(purge(&line, day(2), 100).await, removed(3, 0));
    assert_eq!(line.everything().await.into_keys().collect::<Vec<_>>(), [query("new")]);
    assert_eq!(purge(&line, day(2), 100).await, Purged::default());
}

pub(crate) async fn what_lives_stays(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let raised = query("raised");
    tombstone(&line, &raised, 1).await;
    let kinds = ItemType::ALL.map(|item_type| key(item_type, "live"));
    line.write(|draft| {
        let draft = kinds.iter().fold(draft, |draft, key| draft.put(key, content(key, "text")));
        draft.put(&raised, content(&raised, "again"))
    })
    .await;
    let before = (line.everything().await, line.head().await);
    assert_eq!(purge(&line, day(99), 100).await, Purged::default());
    assert_eq!((line.everything().await, line.head().await), before);
}

pub(crate) async fn the_cutoff_itself_is_not_before_it(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let deleted_at = tombstone(&line, &query("a"), 1).await;
    assert_eq!(purge(&line, deleted_at, 100).await, Purged::default());
    assert_eq!(purge(&line, just_after(deleted_at), 100).await, removed(1, 0));
}

pub(crate) async fn settled_conflicts_go_and_open_ones_stay(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.write(|draft| {
        let draft = draft.conflict(conflict("open", &query("a")));
        let draft = draft.conflict(settled(conflict("early", &query("a")), day(1)));
        draft.conflict(settled(conflict("late", &query("a")), day(3)))
    })
    .await;
    assert_eq!(purge(&line, day(1), 100).await, removed(0, 0), "the cut-off itself");
    assert_eq!(purge(&line, day(2), 100).await, removed(0, 1));
    let page = line.data.list(line.user, ConflictFilter::All, None, 10).await.expect("the store answers");
    assert_eq!(page.conflicts.iter().map(|conflict| conflict.id.as_str()).collect::<Vec<_>>(), ["late", "open"]);
    assert_eq!(line.head().await.purged_through, Timestamp::EPOCH, "a conflict is no tombstone");
}

pub(crate) async fn receipts_stay(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    line.write(|draft| {
        let draft = draft.conflict(settled(conflict("c", &query("a")), day(1)));
        draft.tombstone(&query("a"), content(&query("a"), "")).receipt("change", &query("a"), Some("c"))
    })
    .await;
    assert_eq!(purge_all(&line, day(2), 100).await.0, removed(1, 1));
    let read_set = ReadSet {
        device: device("laptop"),
        items: [query("a")].into(),
        changes: [shared::models::ChangeId::new_unchecked("change")].into(),
        branches: [].into(),
        history_tombstones: [].into(),
        conflict: None,
    };
    let snapshot = line.data.load(line.user, &read_set).await.expect("the store answers");
    assert_eq!((snapshot.receipts.len(), snapshot.conflicts.len(), snapshot.items.len()), (1, 0, 0));
}

pub(crate) async fn the_horizon_is_the_newest_tombstone_that_went(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let first = tombstone(&line, &query("a"), 1).await;
    let second = tombstone(&line, &key(ItemType::Connection, "a"), 2).await;
    let third = tombstone(&line, &key(ItemType::QueryHistory, "a"), 3).await;
    for (cutoff, horizon) in [(0, Timestamp::EPOCH), (2, first), (3, second), (9, third)] {
        purge_all(&line, day(cutoff), 100).await;
        let head = line.head().await;
        assert_eq!((head.purged_through, head.time), (horizon, third));
    }
    assert_eq!(line.page(Timestamp::EPOCH, 10).await.head.purged_through, third);
    assert_eq!(line.load(&[]).await.expect("the store answers").head().purged_through, third);
}

pub(crate) async fn the_horizon_never_moves_back(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    // By hand: a tombstone of an earlier place in the line that was written with a later date.
    let (early, late) = (query("early"), query("late"));
    let mut plan =
        Draft::on(line.head().await).tombstone(&early, content(&early, "")).tombstone(&late, content(&late, "")).plan();
    for (key, days) in [(&early, 3), (&late, 1)] {
        plan.items.get_mut(key).expect("it was put in").deleted_at = Some(day(days));
    }
    line.commit(&plan).await.expect("the store writes");
    let horizon = plan.items[&late].seq;
    for cutoff in [2, 4] {
        assert_eq!(purge(&line, day(cutoff), 100).await, removed(1, 0));
        assert_eq!(line.head().await.purged_through, horizon);
    }
}

pub(crate) async fn the_horizon_is_each_users_own(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let [theirs, untouched] = [line.neighbour(), line.neighbour()];
    let (our_time, their_time) = (tombstone(&line, &query("a"), 1).await, tombstone(&theirs, &query("a"), 2).await);
    untouched.write(|draft| draft.put(&query("a"), content(&query("a"), ""))).await;
    assert_eq!(purge(&line, day(9), 100).await, removed(2, 0));
    let horizons = [line.head().await, theirs.head().await, untouched.head().await].map(|head| head.purged_through);
    assert_eq!(horizons, [our_time, their_time, Timestamp::EPOCH]);
}

pub(crate) async fn the_highest_version_that_went_is_remembered(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for (days, item_type, version) in [
        (1, ItemType::SavedQuery, 3),
        (2, ItemType::Connection, 7),
        (3, ItemType::SavedQuery, 5),
        (4, ItemType::QueryHistory, 9),
    ] {
        let key = key(item_type, &days.to_string());
        line.write(|draft| draft.at(day(days)).version(version).tombstone(&key, content(&key, "text"))).await;
    }
    for (cutoff, version) in [(1, 0), (2, 3), (3, 7), (4, 7), (9, 7)] {
        purge_all(&line, day(cutoff), 1).await;
        assert_eq!(line.head().await.purged_version, version, "versions of the history are never compared");
        assert_eq!(line.load(&[]).await.expect("the store answers").head().purged_version, version);
    }
}

/// Buries ten items of each kind and settles ten conflicts.
async fn graveyard(line: &Line) {
    for place in 0..10 {
        let keys = ItemType::ALL.map(|item_type| key(item_type, &place.to_string()));
        line.write(|draft| {
            let draft = keys.iter().fold(draft, |draft, key| draft.tombstone(key, content(key, "text")));
            draft.conflict(settled(conflict(&place.to_string(), &keys[0]), day(1)))
        })
        .await;
    }
}

pub(crate) async fn batches_are_bounded_and_repeatable(place: SyncPlace<'_>) {
    for batch in [1, 3, 10, 1_000] {
        let line = Line::new(place).await;
        graveyard(&line).await;
        let head = line.head().await.time;
        let (all, calls) = purge_all(&line, day(2), batch).await;
        assert_eq!((all, calls), (removed(30, 10), 10usize.div_ceil(batch) + 1), "batches of {batch}");
        assert_eq!((line.everything().await.len(), line.head().await.time), (0, head));
    }
}

/// Looks at one page again and again until `purging` is done: whatever is missing lies within the horizon.
async fn watch(line: &Line, places: &BTreeMap<ItemKey, Timestamp>, purging: tokio::task::JoinHandle<()>) {
    let mut looks = 0;
    while !purging.is_finished() || looks == 0 {
        let page = line.page(Timestamp::EPOCH, 1_000).await;
        let there: BTreeMap<ItemKey, _> = page.items.into_iter().collect();
        let missing = places.iter().filter(|(key, _)| !there.contains_key(key));
        let newest = missing.map(|(_, seq)| *seq).max().unwrap_or_default();
        assert_eq!(page.head.purged_through, newest);
        looks += 1;
    }
    purging.await.expect("the purge runs");
}

pub(crate) async fn a_tombstone_never_goes_before_the_horizon_moves(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    for round in 0..50 {
        let key = key(ItemType::ALL[round % 3], &round.to_string());
        line.write(|draft| draft.tombstone(&key, content(&key, "text"))).await;
    }
    let places = line.everything().await.into_iter().map(|(key, stored)| (key, stored.seq)).collect();
    let purger = line.clone();
    let purging = tokio::spawn(async move {
        purge_all(&purger, day(2), 1).await;
    });
    watch(&line, &places, purging).await;
    assert_eq!(line.everything().await.len(), 0);
}

pub(crate) async fn purges_at_once_remove_everything_once(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    graveyard(&line).await;
    let other = line.reopened(place).await;
    let (ours, theirs) = tokio::join!(purge_all(&line, day(2), 2), purge_all(&other, day(2), 2));
    assert_eq!(ours.0.tombstones + theirs.0.tombstones, 30);
    assert_eq!(ours.0.conflicts + theirs.0.conflicts, 10);
}

pub(crate) async fn a_purge_given_up_can_be_repeated(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    graveyard(&line).await;
    let newest = line.everything().await.into_values().map(|stored| stored.seq).max();
    for _ in 0..3 {
        // Begun, and no longer waited for: it may have happened or not.
        tokio::time::timeout(std::time::Duration::ZERO, line.data.purge(day(2), 2)).await.ok();
    }
    purge_all(&line, day(2), 2).await;
    assert_eq!((line.everything().await.len(), Some(line.head().await.purged_through)), (0, newest));
}
