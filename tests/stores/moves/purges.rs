//! A purge at each call of a move.

use std::sync::Arc;

use futures_util::FutureExt;
use shared::models::{ItemType, UserId};
use shared::storage::Retention;
use shared::storage::libsql::LibsqlSync;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::JoinSet;

use super::interceptor::{Event, Hook, Interceptor};
use super::schema::Rows;
use super::world::World;
use crate::erasure::write_rows_of_all_tables;
use crate::fixtures::{at_day, content, key, query};
use crate::plan_builder::PlanBuilder;
use crate::user_store::UserStore;

/// Work of the purge function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Purge,
    RepairTotals,
    CleanUp,
}

async fn run(work: Work, sync: &LibsqlSync) {
    match work {
        Work::Purge => drop(sync.purge(at_day(2), 100, 100).await.expect("the purge succeeds")),
        Work::RepairTotals => drop(sync.repair_totals(100, 100).await.expect("the repair succeeds")),
        Work::CleanUp => drop(sync.clean_up_moves(at_day(1_000), 100, 100).await.expect("the clean-up succeeds")),
    }
}

/// Does what the purge function does for sync data, apart from moves.
pub(super) async fn purge_all(sync: &LibsqlSync) {
    run(Work::Purge, sync).await;
    run(Work::RepairTotals, sync).await;
}

/// Creates a user with rows that a purge removes, and some that it keeps. The digest is stale.
pub(super) async fn new_user(world: &World) -> UserStore {
    let store = world.new_user(Some(0)).await;
    write_rows_of_all_tables(&store).await;
    let history = key(ItemType::QueryHistory, "old");
    store
        .write(|builder| builder.tombstone(&history, content(&history, "old")).receipt("old", &query("dead"), None))
        .await;
    for (version, day) in [(2, 3), (3, 4)] {
        let again = |builder: PlanBuilder| {
            builder.at(at_day(day)).version(version).put(&query("0"), content(&query("0"), "new"))
        };
        store.write(again).await;
    }
    store
}

/// Returns the rows that the user has after the work.
async fn rows_after(work: Work, world: &World, database: usize, user: UserId) -> Rows {
    run(work, &world.sync).await;
    world.rows(database, user).await
}

async fn work_at_every_call(work: Work) {
    let world = World::on_files(2).await;
    let twin = new_user(&world).await;
    let before = world.rows(0, twin.user).await;
    let expected = rows_after(work, &world, 0, twin.user).await;
    assert_eq!(before != expected, work != Work::CleanUp, "the work changes something");
    for stops in [false, true] {
        let mut at = 0;
        loop {
            let store = new_user(&world).await;
            let sync = world.sync.clone();
            let hook: Hook = Arc::new(move || {
                let sync = sync.clone();
                async move { run(work, &sync).await }.boxed()
            });
            let event = if stops { Event::BeforeStop(hook) } else { Event::Before(hook) };
            let interceptor = Interceptor::new(at, event);
            interceptor.move_user(&world, store.user, 1).await;
            if !interceptor.is_reached() {
                break;
            }
            world.assert_at_most_one_open(store.user).await;
            world.move_user(store.user, 1).await.expect("a second move succeeds");
            assert_eq!(rows_after(work, &world, 1, store.user).await, expected, "call {at}");
            world.assert_open_in(store.user, 1).await;
            world.clean_up().await;
            world.assert_nothing_left(store.user, Some(1)).await;
            at += 1;
        }
        assert!(at > 30, "a move has more calls: {at}");
    }
}

#[tokio::test]
async fn a_purge_at_any_call_loses_nothing() {
    work_at_every_call(Work::Purge).await;
}

#[tokio::test]
async fn a_repair_of_totals_at_any_call_results_in_those_of_the_rows() {
    work_at_every_call(Work::RepairTotals).await;
}

#[tokio::test]
async fn a_clean_up_at_any_call_leaves_nothing_behind() {
    work_at_every_call(Work::CleanUp).await;
}

/// Begins the work before a call of a move, and pauses it from its call `pause` on until the move is complete. Returns whether both had so many
/// calls.
async fn pause_work(work: Work, world: &World, store: &UserStore, at: usize, pause: usize) -> [bool; 2] {
    let (begun, moved) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let pausing: Hook = {
        let (begun, moved) = (begun.clone(), moved.clone());
        Arc::new(move || {
            let (begun, moved) = (begun.clone(), moved.clone());
            async move {
                begun.notify_one();
                drop(moved.acquire().await);
            }
            .boxed()
        })
    };
    let paused = Interceptor::new(pause, Event::BeforeRest(pausing));
    let (service, works) = (Arc::new(paused.service(world)), Arc::<Mutex<JoinSet<()>>>::default());
    let starting: Hook = {
        let works = works.clone();
        Arc::new(move || {
            let (service, works, begun, ended) = (service.clone(), works.clone(), begun.clone(), begun.clone());
            async move {
                works.lock().await.spawn(async move {
                    run(work, &service).await;
                    ended.notify_one();
                });
                begun.notified().await;
            }
            .boxed()
        })
    };
    let mover = Interceptor::new(at, Event::Before(starting));
    mover.move_user(world, store.user, 1).await;
    world.move_user(store.user, 1).await.ok();
    moved.add_permits(1);
    std::mem::take(&mut *works.lock().await).join_all().await;
    [mover.is_reached(), paused.is_reached()]
}

/// Pauses the work at each of its calls, and begins it at every third call of a move.
async fn work_that_outlasts_a_move(work: Work) {
    let world = World::on_files(2).await;
    let twin = new_user(&world).await;
    let expected = rows_after(work, &world, 0, twin.user).await;
    let mut is_longer = true;
    for pause in 0.. {
        if !is_longer {
            assert!(pause > 5, "the work has more calls: {pause}");
            break;
        }
        for at in (0..).step_by(3) {
            let store = new_user(&world).await;
            // The target has rows and a mark.
            world.moved(store.user, 1).await;
            world.moved(store.user, 0).await;
            let [is_reached, is_paused] = pause_work(work, &world, &store, at, pause).await;
            if at == 0 {
                is_longer = is_paused;
            }
            if !is_reached {
                break;
            }
            world.assert_at_most_one_open(store.user).await;
            world.move_user(store.user, 1).await.expect("a second move succeeds");
            assert_eq!(rows_after(work, &world, 1, store.user).await, expected, "call {at}, paused at {pause}");
            world.assert_open_in(store.user, 1).await;
            world.clean_up().await;
            world.assert_nothing_left(store.user, Some(1)).await;
        }
    }
}

#[tokio::test]
async fn a_repair_of_totals_that_outlasts_a_move_writes_no_partial_ones() {
    work_that_outlasts_a_move(Work::RepairTotals).await;
}

#[tokio::test]
async fn a_clean_up_that_outlasts_a_move_removes_nothing_that_counts() {
    work_that_outlasts_a_move(Work::CleanUp).await;
}
