//! An account deletion at each call of a move.

use std::sync::Arc;

use futures_util::FutureExt;
use shared::account_eraser::AccountEraser;
use shared::models::UserId;
use shared::storage::embedded::Embedded;
use shared::storage::libsql::LibsqlSync;
use shared::storage::{Deletions, Retention, StoreError};
use tests::begin_deletion;

use super::interceptor::{Event, Hook, Interceptor};
use super::world::{World, read, write};
use crate::erasure::write_rows_of_all_tables;
use crate::fixtures::at_day;

/// Progress of the deletion before the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The account is marked; a purge does the rest later.
    Begun,
    /// All data is removed, but the account is not.
    Erased,
    /// All data is removed.
    Complete,
}

async fn delete(embedded: &Embedded, sync: &LibsqlSync, user: UserId, progress: Progress) {
    begin_deletion(embedded, user, at_day(1)).await;
    match progress {
        Progress::Begun => {}
        Progress::Erased => while !sync.erase(user, at_day(1), 100).await.expect("the write succeeds") {},
        Progress::Complete => erase(embedded, sync, user).await,
    }
}

async fn erase(embedded: &Embedded, sync: &LibsqlSync, user: UserId) {
    let eraser = AccountEraser { accounts: embedded, sessions: embedded, data: sync };
    assert!(eraser.remove(user, at_day(1), 100).await.expect("the removal succeeds"), "everything is removed");
}

async fn delete_at_every_call(progress: Progress, event: impl Fn(Hook) -> Event) {
    let world = World::on_files(3).await;
    let embedded = world.embedded().await;
    let bystander = world.new_writer().await;
    let mut at = 0;
    loop {
        let store = world.new_user(Some(0)).await;
        write_rows_of_all_tables(&store).await;
        // A mark in the last database, behind which nothing is left. There is something to remove in the target.
        world.moved(store.user, 2).await;
        world.moved(store.user, 0).await;
        world.clean_up().await;
        world.moved(store.user, 1).await;
        world.moved(store.user, 0).await;
        let (stores, sync, user) = (embedded.clone(), world.sync.clone(), store.user);
        let hook: Hook = Arc::new(move || {
            let (stores, sync) = (stores.clone(), sync.clone());
            async move { delete(&stores, &sync, user, progress).await }.boxed()
        });
        let interceptor = Interceptor::new(at, event(hook));
        interceptor.move_user(&world, user, 1).await;
        if !interceptor.is_reached() {
            break;
        }
        match progress {
            Progress::Begun => erase(&embedded, &world.sync, user).await,
            Progress::Erased => embedded.finish_deletion(user).await.expect("the write succeeds"),
            Progress::Complete => {}
        }
        for error in [read(&*store.data, user.into()).await.err(), write(&*store.data, user.into()).await.err()] {
            assert!(matches!(error, Some(StoreError::AccountDeleted)), "{error:?}");
        }
        world.clean_up().await;
        world.assert_nothing_left(user, None).await;
        // Where the data was, a marker stops late uploads until it is purged.
        let heads = world.heads(user).await;
        assert_eq!(heads.iter().flatten().collect::<Vec<_>>(), [&false], "call {at}: {heads:?}");
        world.sync.purge(at_day(1_000), 100, 100).await.expect("the purge succeeds");
        world.assert_nothing_left(user, None).await;
        assert_eq!(world.heads(user).await, [None; 3], "call {at}");
        at += 1;
    }
    assert!(at > 30, "a move has more calls: {at}");
    assert!(world.use_with_hints(&bystander, &[0]).await);
}

#[tokio::test]
async fn a_deletion_before_any_call_leaves_nothing() {
    delete_at_every_call(Progress::Complete, Event::Before).await;
}

#[tokio::test]
async fn a_deletion_before_the_mover_ends_leaves_nothing() {
    delete_at_every_call(Progress::Complete, Event::BeforeStop).await;
}

#[tokio::test]
async fn a_deletion_around_any_call_leaves_nothing() {
    delete_at_every_call(Progress::Erased, Event::Before).await;
}

#[tokio::test]
async fn a_deletion_that_a_purge_completes_leaves_nothing() {
    delete_at_every_call(Progress::Begun, Event::Before).await;
    delete_at_every_call(Progress::Begun, Event::BeforeStop).await;
}
