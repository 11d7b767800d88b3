//! The law of [`shared::storage::Retention::erase`]: from its first call on the user's data takes no more writes, and
//! whoever repeats it gets to the end.

use std::time::Duration;

use shared::models::{ChangeId, ConflictId, ItemType};
use shared::storage::{Commit, ConflictFilter, ConflictPage, PageRequest, StoreError};
use shared::sync::{FullSyncCursor, Plan, ReadSet};

use crate::draft::Draft;
use crate::fixtures::{conflict, content, day, device, key, query, second, settled};
use crate::line::Line;
use crate::place::{Place, SyncData};

type SyncPlace<'a> = &'a dyn Place<dyn SyncData>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, erasure:
            everything_goes,
            a_user_who_never_wrote_is_closed_all_the_same,
            batches_are_bounded,
            a_closed_account_refuses_at_every_step,
            a_closed_account_remembers_no_walk,
            an_erasure_given_up_at_every_step_goes_on,
            an_upload_on_its_way_comes_too_late,
            racing_uploads_leave_nothing_behind,
            others_keep_everything,
            the_mark_goes_with_the_retention,
        }
    };
}
pub(crate) use suite;

/// Writes a few rows of every kind.
async fn belongings(line: &Line) -> Plan {
    for round in 0..4 {
        let id = round.to_string();
        let keys = ItemType::ALL.map(|item_type| key(item_type, &id));
        line.write(|draft| {
            let draft = keys.iter().fold(draft, |draft, key| draft.put(key, content(key, "text")));
            draft.conflict(conflict(&id, &keys[0])).receipt(&id, &keys[0], None)
        })
        .await;
        let full_sync = FullSyncCursor { head: second(9), cursor: second(5), previous: second(4) };
        line.data.save_full_sync_cursor(line.user, &device(&id), full_sync).await.expect("the store writes");
    }
    line.write(|draft| {
        let draft = draft.tombstone(&query("dead"), content(&query("dead"), "text"));
        draft.conflict(settled(conflict("done", &query("a")), second(9))).device_stats(1, 1)
    })
    .await
}

async fn erase(line: &Line, batch: usize) -> bool {
    line.data.erase(line.user, second(100), batch).await.expect("the store writes")
}

/// Repeats the call until all is gone; how often it took.
async fn erase_all(line: &Line, batch: usize) -> usize {
    for call in 1..1_000 {
        if erase(line, batch).await {
            return call;
        }
    }
    panic!("an erasure without end");
}

/// Nothing can be read that is more than a gap, and nothing written.
async fn assert_closed(line: &Line, plan: &Plan) {
    let closed = |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::AccountDeleted)), "{error:?}");
    closed(line.load(&[&query("0")]).await.err());
    closed(line.data.status(line.user).await.err());
    let request = PageRequest { device: device("0"), since: second(0), tombstones: true, limit: 10 };
    closed(line.data.page(line.user, &request).await.err());
    let outcome = line.commit(plan).await;
    assert!(matches!(outcome, Ok(Commit::HeadMoved) | Err(StoreError::AccountDeleted)), "{outcome:?}");
}

/// Nothing is left, as far as it can be asked for.
async fn assert_gone(line: &Line) {
    for (item_type, id) in ItemType::ALL.into_iter().flat_map(|item_type| ["0", "3", "dead"].map(|id| (item_type, id)))
    {
        assert_eq!(line.item(&key(item_type, id)).await, None);
    }
    let listed = line.data.list(line.user, ConflictFilter::All, None, 10).await;
    assert!(matches!(&listed, Ok(page) if *page == ConflictPage::default()) || listed.is_err(), "{listed:?}");
    assert!(erase(line, 1).await, "there was something left to erase");
}

pub(crate) async fn everything_goes(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plan = belongings(&line).await;
    assert!(erase_all(&line, 1_000).await <= 2);
    assert_gone(&line).await;
    assert_closed(&line, &plan).await;
    let read_set = ReadSet::for_resolution(&ConflictId::trusted("0"), &ChangeId::trusted("0"));
    let loaded = line.data.load(line.user, &read_set).await;
    assert!(matches!(loaded, Err(StoreError::AccountDeleted)), "{loaded:?}");
}

pub(crate) async fn a_user_who_never_wrote_is_closed_all_the_same(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let first = Draft::on(line.head().await).put(&query("a"), content(&query("a"), "")).plan();
    assert!(erase(&line, 10).await);
    assert_closed(&line, &first).await;
    assert!(erase(&line, 10).await);
    assert_gone(&line).await;
}

pub(crate) async fn batches_are_bounded(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    belongings(&line).await;
    // Five saved queries and five conflicts are the most of any kind.
    assert_eq!(erase_all(&line, 2).await, 4);
}

pub(crate) async fn a_closed_account_refuses_at_every_step(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    belongings(&line).await;
    let late = Draft::on(line.head().await).put(&query("late"), content(&query("late"), "")).device_stats(1, 0).plan();
    while !erase(&line, 1).await {
        assert_closed(&line, &late).await;
    }
    assert_closed(&line, &late).await;
    assert_eq!(line.item(&query("late")).await, None);
    assert_gone(&line).await;
}

pub(crate) async fn a_closed_account_remembers_no_walk(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    belongings(&line).await;
    erase_all(&line, 10).await;
    let full_sync = FullSyncCursor { head: second(9), cursor: second(5), previous: second(4) };
    line.data.save_full_sync_cursor(line.user, &device("late"), full_sync).await.ok();
    assert!(erase(&line, 10).await, "a page that was being read left a row behind");
}

pub(crate) async fn an_erasure_given_up_at_every_step_goes_on(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plan = belongings(&line).await;
    for _ in 0..4 {
        // Begun, and no longer waited for: it may have happened or not.
        tokio::time::timeout(Duration::ZERO, line.data.erase(line.user, second(100), 1)).await.ok();
        erase(&line, 1).await;
        assert_closed(&line, &plan).await;
    }
    erase_all(&line.reopened(place).await, 1).await;
    assert_gone(&line).await;
}

pub(crate) async fn an_upload_on_its_way_comes_too_late(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    belongings(&line).await;
    let on_its_way = Draft::on(line.head().await).put(&query("late"), content(&query("late"), "")).plan();
    let first = Draft::on(shared::sync::Head::default()).put(&query("late"), content(&query("late"), "")).plan();
    erase_all(&line, 10).await;
    assert_closed(&line, &on_its_way).await;
    assert_closed(&line, &first).await;
    assert_gone(&line).await;
}

pub(crate) async fn racing_uploads_leave_nothing_behind(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let writer = line.clone();
    let writing = tokio::spawn(async move {
        for round in 0.. {
            let Ok(status) = writer.data.status(writer.user).await else { return round };
            let item = query(&round.to_string());
            let plan = Draft::on(status.head).put(&item, content(&item, "")).receipt(&round.to_string(), &item, None);
            writer.commit(&plan.plan()).await.ok();
        }
        0
    });
    while line.head().await.time < second(0) {
        tokio::task::yield_now().await;
    }
    erase_all(&line, 1_000).await;
    let written = writing.await.expect("the writer ends");
    for round in 0..=written {
        assert_eq!(line.item(&query(&round.to_string())).await, None);
    }
    assert_gone(&line).await;
}

pub(crate) async fn others_keep_everything(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let neighbour = line.neighbour();
    belongings(&line).await;
    belongings(&neighbour).await;
    let before = (neighbour.everything().await, neighbour.data.status(neighbour.user).await.expect("open"));
    erase_all(&line, 1).await;
    let after = (neighbour.everything().await, neighbour.data.status(neighbour.user).await.expect("open"));
    assert_eq!(before, after);
    neighbour.write(|draft| draft.put(&query("more"), content(&query("more"), ""))).await;
}

pub(crate) async fn the_mark_goes_with_the_retention(place: SyncPlace<'_>) {
    let line = Line::new(place).await;
    let plan = belongings(&line).await;
    erase_all(&line, 10).await;
    assert_eq!(line.data.purge(second(100), 10).await.expect("the store writes").accounts, 0);
    assert_closed(&line, &plan).await;
    assert_eq!(line.data.purge(day(1), 10).await.expect("the store writes").accounts, 1);
    assert_eq!(line.data.purge(day(1), 10).await.expect("the store writes").total(), 0);
}
