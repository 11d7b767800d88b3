//! Contract of [`shared::storage::Retention::erase`]: the first call closes the user's data, and repeated
//! calls remove it in batches.

use std::time::Duration;

use shared::models::{ChangeId, ConflictId, ItemType};
use shared::storage::{Commit, ConflictFilter, ConflictPage, StoreError};
use shared::sync::{Plan, ReadSet};

use crate::fixtures::{at_day, at_second, conflict, content, key, query, resolved};
use crate::plan_builder::PlanBuilder;
use crate::store_factory::{StoreFactory, SyncData};
use crate::user_store::{UserStore, changes_since};

type SyncFactory<'a> = &'a dyn StoreFactory<dyn SyncData>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, erasure:
            erasure_removes_everything,
            a_user_without_data_is_closed,
            batches_are_bounded,
            a_closed_account_refuses_reads_and_writes_between_batches,
            an_abandoned_erasure_can_be_continued,
            an_upload_in_flight_is_refused,
            concurrent_uploads_leave_no_data,
            data_of_other_users_is_kept,
            the_closed_marker_is_purged_after_the_retention_period,
        }
    };
}
pub(crate) use suite;

/// Writes a few rows to every table.
pub(crate) async fn write_rows_of_all_tables(store: &UserStore) -> Plan {
    for round in 0..4 {
        let id = round.to_string();
        let keys = ItemType::ALL.map(|item_type| key(item_type, &id));
        store
            .write(|builder| {
                let builder = keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "text")));
                builder.conflict(conflict(&id, &keys[0])).receipt(&id, &keys[0], None)
            })
            .await;
    }
    store
        .write(|builder| {
            let builder = builder.tombstone(&query("dead"), content(&query("dead"), "text"));
            builder.conflict(resolved(conflict("done", &query("a")), at_second(9))).device_stats(1, 1)
        })
        .await
}

async fn erase(store: &UserStore, batch: usize) -> bool {
    store.data.erase(store.user, at_second(100), batch).await.expect("the write succeeds")
}

/// Repeats the call until the erasure is complete; returns the number of calls.
async fn erase_all(store: &UserStore, batch: usize) -> usize {
    for call in 1..1_000 {
        if erase(store, batch).await {
            return call;
        }
    }
    panic!("the erasure does not end");
}

/// Asserts that reads and writes are refused.
async fn assert_closed(store: &UserStore, plan: &Plan) {
    let closed = |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::AccountDeleted)), "{error:?}");
    closed(store.load(&[&query("0")]).await.err());
    closed(store.data.status(store.user.into()).await.err());
    closed(store.data.page(store.user.into(), &changes_since(at_second(0))).await.err());
    let outcome = store.commit(plan).await;
    assert!(matches!(outcome, Ok(Commit::HeadMoved) | Err(StoreError::AccountDeleted)), "{outcome:?}");
    for item_type in ItemType::ALL {
        let versions = store.data.versions(store.user.into(), &key(item_type, "0"), None, 10).await;
        assert!(matches!(versions, Err(StoreError::AccountDeleted)), "{versions:?}");
    }
}

/// Asserts that no row is left that the traits can return.
async fn assert_no_rows_left(store: &UserStore) {
    for (item_type, id) in ItemType::ALL.into_iter().flat_map(|item_type| ["0", "3", "dead"].map(|id| (item_type, id)))
    {
        assert_eq!(store.item(&key(item_type, id)).await, None);
    }
    let listed = store.data.list(store.user.into(), ConflictFilter::All, None, 10).await;
    assert!(matches!(&listed, Ok(page) if *page == ConflictPage::default()) || listed.is_err(), "{listed:?}");
    assert!(erase(store, 1).await, "rows are left to erase");
}

pub(crate) async fn erasure_removes_everything(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = write_rows_of_all_tables(&store).await;
    assert!(erase_all(&store, 1_000).await <= 2);
    assert_no_rows_left(&store).await;
    assert_closed(&store, &plan).await;
    let read_set = ReadSet::for_resolution(&ConflictId::new_unchecked("0"), &ChangeId::new_unchecked("0"));
    let loaded = store.data.load(store.user.into(), &read_set).await;
    assert!(matches!(loaded, Err(StoreError::AccountDeleted)), "{loaded:?}");
}

pub(crate) async fn a_user_without_data_is_closed(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let first = PlanBuilder::on(store.head().await).put(&query("a"), content(&query("a"), "")).build();
    assert!(erase(&store, 10).await);
    assert_closed(&store, &first).await;
    assert!(erase(&store, 10).await);
    assert_no_rows_left(&store).await;
}

pub(crate) async fn batches_are_bounded(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_rows_of_all_tables(&store).await;
    // The largest tables have five rows: saved queries and conflicts.
    assert_eq!(erase_all(&store, 2).await, 4);
}

pub(crate) async fn a_closed_account_refuses_reads_and_writes_between_batches(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_rows_of_all_tables(&store).await;
    let late =
        PlanBuilder::on(store.head().await).put(&query("late"), content(&query("late"), "")).device_stats(1, 0).build();
    while !erase(&store, 1).await {
        assert_closed(&store, &late).await;
    }
    assert_closed(&store, &late).await;
    assert_eq!(store.item(&query("late")).await, None);
    assert_no_rows_left(&store).await;
}

pub(crate) async fn an_abandoned_erasure_can_be_continued(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = write_rows_of_all_tables(&store).await;
    for _ in 0..4 {
        // The call is abandoned; it may or may not have taken effect.
        tokio::time::timeout(Duration::ZERO, store.data.erase(store.user, at_second(100), 1)).await.ok();
        erase(&store, 1).await;
        assert_closed(&store, &plan).await;
    }
    erase_all(&store.reopen(factory).await, 1).await;
    assert_no_rows_left(&store).await;
}

pub(crate) async fn an_upload_in_flight_is_refused(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    write_rows_of_all_tables(&store).await;
    let in_flight = PlanBuilder::on(store.head().await).put(&query("late"), content(&query("late"), "")).build();
    let first = PlanBuilder::on(shared::sync::Head::default()).put(&query("late"), content(&query("late"), "")).build();
    erase_all(&store, 10).await;
    assert_closed(&store, &in_flight).await;
    assert_closed(&store, &first).await;
    assert_no_rows_left(&store).await;
}

pub(crate) async fn concurrent_uploads_leave_no_data(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for round in 0.. {
            let Ok(status) = writer.data.status(writer.user.into()).await else { return round };
            let item = query(&round.to_string());
            let plan =
                PlanBuilder::on(status.head).put(&item, content(&item, "")).receipt(&round.to_string(), &item, None);
            writer.commit(&plan.build()).await.ok();
        }
        0
    });
    while store.head().await.time < at_second(0) {
        tokio::task::yield_now().await;
    }
    erase_all(&store, 1_000).await;
    let written = writing.await.expect("the writer does not panic");
    for round in 0..=written {
        assert_eq!(store.item(&query(&round.to_string())).await, None);
    }
    assert_no_rows_left(&store).await;
}

pub(crate) async fn data_of_other_users_is_kept(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let other_user = store.other_user();
    write_rows_of_all_tables(&store).await;
    write_rows_of_all_tables(&other_user).await;
    let before = (
        other_user.all_items().await,
        other_user.data.status(other_user.user.into()).await.expect("the account is open"),
    );
    erase_all(&store, 1).await;
    let after = (
        other_user.all_items().await,
        other_user.data.status(other_user.user.into()).await.expect("the account is open"),
    );
    assert_eq!(before, after);
    other_user.write(|builder| builder.put(&query("more"), content(&query("more"), ""))).await;
}

pub(crate) async fn the_closed_marker_is_purged_after_the_retention_period(factory: SyncFactory<'_>) {
    let store = UserStore::new(factory).await;
    let plan = write_rows_of_all_tables(&store).await;
    erase_all(&store, 10).await;
    assert_eq!(store.data.purge(at_second(100), 10, 1).await.expect("the write succeeds").accounts, 0);
    assert_closed(&store, &plan).await;
    assert_eq!(store.data.purge(at_day(1), 10, 1).await.expect("the write succeeds").accounts, 1);
    assert_eq!(store.data.purge(at_day(1), 10, 1).await.expect("the write succeeds").total(), 0);
}
