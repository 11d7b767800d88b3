//! Requests whose session has an old hint, or none.

use std::sync::Arc;

use futures_util::FutureExt;
use shared::clock::SystemRandom;
use shared::models::{DatabaseId, PlacedUser};
use shared::storage::libsql::{Directory, FileDatabase, LibsqlSync, Transport};
use shared::storage::{Commit, MoveError, MoveOutcome, Retention, StoreError, SyncStore, UserMoves};
use shared::sync::ReadSet;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::interceptor::{Event, Hook, Interceptor};
use super::world::{World, read, write};
use crate::fixtures::{at_day, content, device, new_user_id, query};
use crate::plan_builder::PlanBuilder;

/// All sequences of up to three moves between three databases, starting in the first.
fn paths() -> Vec<Vec<usize>> {
    let mut paths = vec![vec![0]];
    let mut index = 0;
    while index < paths.len() {
        let path = paths[index].clone();
        let last = path[path.len() - 1];
        if path.len() < 4 {
            paths.extend((0..3).filter(|next| *next != last).map(|next| [path.as_slice(), &[next]].concat()));
        }
        index += 1;
    }
    paths
}

#[tokio::test]
async fn hints_that_are_old_by_any_number_of_moves_are_followed() {
    let world = World::on_files(3).await;
    for path in paths() {
        for (cleans_up, writes) in [(false, false), (false, true), (true, true)] {
            let store = world.new_user(Some(0)).await;
            for (index, &database) in path.iter().enumerate().skip(1) {
                if writes {
                    assert!(world.use_with_hints(&store, &path[..index]).await);
                } else if index == 1 {
                    write(&*store.data, store.user.into()).await.expect("the write succeeds");
                }
                world.moved(store.user, database).await;
                if cleans_up {
                    world.clean_up().await;
                    world.assert_nothing_left(store.user, Some(database)).await;
                }
            }
            let home = path[path.len() - 1];
            assert!(world.use_with_hints(&store, &path).await, "{path:?}");
            world.assert_open_in(store.user, home).await;
            for hint in &path {
                let user = PlacedUser { id: store.user, database: Some(world.ids[*hint]) };
                let page = read(&*store.data, user).await.expect("the read succeeds");
                assert_eq!(page, read(&*store.data, store.user.into()).await.expect("the read succeeds"));
            }
        }
    }
}

/// An upload whose session has an old hint: it loads, the user is moved, it commits.
#[tokio::test]
async fn a_commit_follows_a_move_since_the_load() {
    let world = World::on_files(2).await;
    let store = world.new_writer().await;
    let user = PlacedUser { id: store.user, database: Some(world.ids[0]) };
    let plan = async |id: &str| {
        let head = store.data.load(user, &ReadSet::empty(device("laptop"))).await.expect("the read succeeds").head();
        PlanBuilder::on(head).put(&query(id), content(&query(id), "")).build()
    };
    let commit = async |plan| store.data.commit(user, &plan, "test/1", at_day(1)).await;

    let loaded_before = plan("before").await;
    world.moved(store.user, 1).await;
    assert_eq!(commit(loaded_before.clone()).await.expect("it is in the other database"), Commit::Applied);
    assert_eq!(commit(loaded_before).await.expect("a refusal is no error"), Commit::HeadMoved);
    assert!(store.item(&query("before")).await.is_some());

    // The user is on the way.
    let (loaded_before, sync) = (plan("during").await, world.sync.clone());
    let during = Arc::new(Mutex::new(None));
    let hook: Hook = {
        let (during, plan) = (during.clone(), loaded_before.clone());
        Arc::new(move || {
            let (during, plan, sync) = (during.clone(), plan.clone(), sync.clone());
            async move { *during.lock().await = Some(sync.commit(user, &plan, "test/1", at_day(1)).await) }.boxed()
        })
    };
    // Before the source is marked: placement, begin_move, claim_source, read_head, claim_target.
    let interceptor = Interceptor::new(5, Event::Before(hook));
    interceptor.move_user(&world, store.user, 0).await.expect("nothing ends it").expect("the move succeeds");
    let refused = during.lock().await.take().expect("the hook has run");
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert!(store.item(&query("during")).await.is_none());
    assert_eq!(commit(loaded_before).await.expect("a repeat is accepted"), Commit::Applied);
}

#[tokio::test]
async fn a_hint_at_a_database_that_left_the_list_is_replaced() {
    let world = World::on_files(3).await;
    let store = world.new_writer().await;
    world.moved(store.user, 1).await;
    let directory = || Directory { placements: world.accounts.clone(), sessions: None };
    let listed = |databases: &[Arc<dyn Transport>]| databases.iter().map(|database| (database.clone(), 1)).collect();
    let without_first = LibsqlSync::placed(listed(&world.databases[1..]), directory());
    for hint in [world.ids[0], DatabaseId::new(Uuid::nil())] {
        let user = PlacedUser { id: store.user, database: Some(hint) };
        assert_eq!(write(&without_first, user).await.expect("the write succeeds"), Commit::Applied);
        assert!(read(&without_first, user).await.is_ok());
    }
    // The database where the user is.
    let without_home = LibsqlSync::placed(listed(&world.databases[2..]), directory());
    for hint in [None, Some(world.ids[0]), Some(world.ids[1])] {
        let user = PlacedUser { id: store.user, database: hint };
        for error in [read(&without_home, user).await.err(), write(&without_home, user).await.err()] {
            assert!(matches!(error, Some(StoreError::Unavailable { .. })), "{error:?}");
        }
    }
    assert_eq!(world.heads(store.user).await, [Some(false), Some(true), None]);
}

#[tokio::test]
async fn impossible_moves_change_nothing() {
    let world = World::on_files(2).await;
    let store = world.new_writer().await;
    let before = world.everything(store.user).await;
    let unknown = world.sync.move_user(store.user, DatabaseId::new(Uuid::nil()), &*world.clock).await;
    assert!(matches!(unknown, Err(MoveError::UnknownDatabase(_))), "{unknown:?}");
    let nobody = world.move_user(new_user_id(), 1).await;
    assert!(matches!(nobody, Err(MoveError::NoUser)), "{nobody:?}");
    assert_eq!(world.move_user(store.user, 0).await.expect("nothing to do"), MoveOutcome::AlreadyThere);
    let mut after = world.everything(store.user).await;
    // The epoch of a move that had nothing to do.
    after[0].1 = before[0].1.clone();
    assert_eq!(after, before);
    world.assert_open_in(store.user, 0).await;

    let folder = tests::scratch_dir();
    let file = Arc::new(FileDatabase::open(&folder.path().join("only.db")).await.expect("the file opens"));
    let only = LibsqlSync::new(file);
    only.migrate(&SystemRandom).await.expect("the migrations succeed");
    let result = only.move_user(store.user, world.ids[1], &*world.clock).await;
    assert!(matches!(result, Err(MoveError::OneDatabase)), "{result:?}");
    assert_eq!(only.clean_up_moves(at_day(1_000), 10, 10).await.expect("nothing to do"), 0);
}

#[tokio::test]
async fn data_that_no_move_has_brought_is_not_overwritten() {
    let world = World::on_files(2).await;
    let store = world.new_writer().await;
    // From before placements were recorded.
    let other = world.new_user(Some(1)).await;
    world.schema.fill(&*world.databases[1], store.user, 2, 0).await;
    world.schema.fill(&*world.databases[1], other.user, 2, 0).await;
    let before = (world.rows(0, store.user).await, world.rows(1, store.user).await);
    let refused = world.move_user(store.user, 1).await;
    assert!(matches!(refused, Err(MoveError::TargetHasData)), "{refused:?}");
    assert_eq!((world.rows(0, store.user).await, world.rows(1, store.user).await), before);
    assert_eq!(write(&*store.data, store.user.into()).await.expect("writes continue"), Commit::Applied);
}
