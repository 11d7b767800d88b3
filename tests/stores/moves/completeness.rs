//! A move copies everything, and removes nothing that a client sees.

use std::sync::Arc;

use futures_util::FutureExt;
use shared::models::{Change, ChangeId, ConflictId, Edit, PlacedUser, Quota, Strategy};
use shared::storage::libsql::Statement;
use shared::storage::{ConflictFilter, MoveOutcome};
use shared::sync::{ReadSet, Upload, decide};

use super::interceptor::{Event, Hook, Interceptor};
use super::world::{World, read, write};
use crate::erasure::write_rows_of_all_tables;
use crate::fixtures::{at_day, at_second, content, device, query};
use crate::plan_builder::PlanBuilder;
use crate::user_store::UserStore;

/// Moves a user with rows in every column of every table.
async fn copies_every_column(world: &World, rows: usize, bytes: usize) {
    let store = world.new_user(Some(0)).await;
    world.schema.fill(&*world.databases[0], store.user, rows, bytes).await;
    let before = world.rows(0, store.user).await;
    world.schema.assert_complete(&before);
    let total = before.iter().filter(|(table, _)| **table != "sync_heads").map(|(_, rows)| rows.len() as u64).sum();
    assert_eq!(world.move_user(store.user, 1).await.expect("the move succeeds"), MoveOutcome::Moved(total));
    assert_eq!(world.rows(1, store.user).await, before);
    world.assert_open_in(store.user, 1).await;
}

#[tokio::test]
async fn every_column_of_every_table_is_copied() {
    copies_every_column(&World::on_files(2).await, 4, 0).await;
}

#[tokio::test]
async fn large_accounts_are_copied_in_batches() {
    let world = World::on_files(2).await;
    // Two full batches and one row; a batch that ends by its size; rows each larger than a batch.
    for (rows, bytes) in [(1_001, 0), (30, 90_000), (3, 1_200_000)] {
        copies_every_column(&world, rows, bytes).await;
    }
}

#[tokio::test]
async fn every_column_is_copied_between_servers() {
    let world = World::on_servers(2).await;
    for (rows, bytes) in [(4, 0), (8, 300_000)] {
        copies_every_column(&world, rows, bytes).await;
    }
}

/// Everything that clients read.
async fn view(store: &UserStore) -> String {
    let (user, data): (PlacedUser, _) = (store.user.into(), &store.data);
    let page = read(&**data, user).await.expect("the read succeeds");
    let status = data.status(user).await.expect("the read succeeds");
    let conflicts = data.list(user, ConflictFilter::All, None, 100).await.expect("the read succeeds");
    let mut versions = Vec::new();
    for (key, _) in &page.items {
        versions.push(data.versions(user, key, None, 100).await.expect("the read succeeds"));
    }
    let resolution = ReadSet::for_resolution(&ConflictId::new_unchecked("0"), &ChangeId::new_unchecked("0"));
    let conflict = data.load(user, &resolution).await.expect("the read succeeds");
    format!("{page:#?} {status:#?} {conflicts:#?} {versions:#?} {conflict:#?}")
}

/// Uploads a change of the laptop. Returns the response.
async fn upload(store: &UserStore, id: &str, base: i64) -> String {
    let key = query("uploaded");
    let edit = Edit::Put { content: content(&key, id), created_at: None, expects_item: base > 0 };
    let change = Change { id: ChangeId::new_unchecked(id), key, edit, base, updated_at: at_second(20) };
    let upload = Upload {
        device: device("laptop"),
        last_sync_at: Some(at_day(1)),
        strategy: Strategy::UserChoice,
        changes: vec![Ok(change)],
    };
    let snapshot = store.data.load(store.user.into(), &ReadSet::for_upload(&upload)).await.expect("the read succeeds");
    let decision = decide(snapshot, &upload, Quota::default(), at_second(30));
    if !decision.plan.is_empty() {
        store.commit(&decision.plan).await.expect("the write succeeds");
    }
    format!("{:#?}", decision.results)
}

/// Moves a user through `path`, and compares what clients see.
async fn changes_nothing_that_clients_see(world: &World, path: &[usize]) {
    let store = world.new_user(Some(0)).await;
    write_rows_of_all_tables(&store).await;
    let changes = [("one", 0), ("two", 1), ("three", 1)];
    for (change, base) in changes {
        upload(&store, change, base).await;
    }
    let mut repeated = Vec::new();
    for (change, base) in changes {
        repeated.push(upload(&store, change, base).await);
    }
    let mut expected = view(&store).await;
    for &database in path {
        world.moved(store.user, database).await;
        assert_eq!(view(&store).await, expected);
        for ((change, base), result) in changes.into_iter().zip(&repeated) {
            assert_eq!(&upload(&store, change, base).await, result, "the change {change} is recognised");
        }
        assert_eq!(view(&store).await, expected, "repeated changes write nothing");
        write(&*store.data, store.user.into()).await.expect("the write succeeds");
        expected = view(&store).await;
    }
}

#[tokio::test]
async fn clients_see_the_same_after_moves_there_and_back() {
    let world = World::on_files(3).await;
    for path in [vec![1, 0], vec![1, 2], vec![1, 0, 1, 0], vec![2, 1, 0, 2]] {
        changes_nothing_that_clients_see(&world, &path).await;
    }
}

#[tokio::test]
async fn clients_see_the_same_after_moves_between_servers() {
    changes_nothing_that_clients_see(&World::on_servers(2).await, &[1, 0]).await;
}

#[tokio::test]
async fn a_user_who_has_never_written_can_be_moved() {
    let world = World::on_files(2).await;
    let store = world.new_user(Some(0)).await;
    let before = view(&store).await;
    assert_eq!(world.move_user(store.user, 1).await.expect("the move succeeds"), MoveOutcome::Moved(0));
    assert_eq!(view(&store).await, before);
    assert!(world.use_with_hints(&store, &[0, 1]).await);
    world.assert_open_in(store.user, 1).await;
}

#[tokio::test]
async fn a_user_whose_placement_is_not_recorded_can_be_moved() {
    let world = World::on_files(2).await;
    for writes in [false, true] {
        let store = world.new_user(None).await;
        if writes {
            write(&*store.data, store.user.into()).await.expect("the write succeeds");
        }
        let view_before = view(&store).await;
        // Reading has recorded the placement of the one user, but not that of another.
        let unrecorded = world.new_user(None).await;
        for user in [store.user, unrecorded.user] {
            for to in [0, 1] {
                world.move_user(user, to).await.expect("the move succeeds");
                assert_eq!(world.home(user).await, to);
            }
        }
        assert_eq!(view(&store).await, view_before);
    }
}

/// Calls of a move from the comparison on: the head and each table of the target, three of which have rows; mark, placement, opening.
const COMPARISON_CALLS: usize = 1 + 8 + 3 + 3;

#[tokio::test]
async fn what_differs_in_the_target_is_copied_again() {
    let world = World::on_files(2).await;
    let recorder = Interceptor::recorder();
    let first = world.new_writer().await;
    recorder.move_user(&world, first.user, 1).await.expect("nothing ends it").expect("the move succeeds");
    for sql in [
        "UPDATE saved_queries SET name = 'other' WHERE user_id = ?1",
        "DELETE FROM receipts WHERE user_id = ?1",
        "UPDATE sync_heads SET bytes = bytes + 1 WHERE user_id = ?1",
    ] {
        let store = world.new_writer().await;
        let before = world.rows(0, store.user).await;
        let (target, user) = (world.databases[1].clone(), store.user);
        let hook: Hook = Arc::new(move || {
            let target = target.clone();
            async move {
                let written = target.write("test", vec![Statement::new(sql, [user.into()])]).await;
                assert_eq!(written.expect("the write succeeds")[0].written, 1);
            }
            .boxed()
        });
        let interceptor = Interceptor::new(recorder.calls() - COMPARISON_CALLS, Event::Before(hook));
        interceptor.move_user(&world, user, 1).await.expect("nothing ends it").expect("the move succeeds");
        assert_eq!(world.rows(1, user).await, before, "{sql}");
    }
}

#[tokio::test]
async fn a_stale_digest_stays_stale() {
    let world = World::on_files(2).await;
    let store = world.new_writer().await;
    let totals = async || store.data.status(store.user.into()).await.expect("the read succeeds").totals;
    store.commit(&PlanBuilder::on(store.head().await).at(at_day(1)).build()).await.expect("the write succeeds");
    let before = totals().await;
    assert!(before.is_digest_stale);
    world.moved(store.user, 1).await;
    assert_eq!(totals().await, before);
}
