//! Moves that end at each of their calls, and what continues them.

use shared::storage::MoveOutcome;
use shared::storage::libsql::Statement;

use super::interceptor::{Event, Interceptor};
use super::world::World;
use crate::fixtures::{content, query};
use crate::user_store::UserStore;

/// What happens after an interrupted move from the first database to the second.
#[derive(Debug, Clone, Copy)]
enum Continuation {
    /// A move to a database with this index.
    MoveTo(usize),
    /// The purge, which ends abandoned moves.
    CleanUp,
}

const CONTINUATIONS: [Continuation; 4] =
    [Continuation::MoveTo(1), Continuation::MoveTo(2), Continuation::MoveTo(0), Continuation::CleanUp];

/// Interrupts a move at one call. Returns false if it had fewer calls.
async fn interrupt(world: &World, at: usize, event: &Event, continuation: Continuation) -> bool {
    let store = world.new_writer().await;
    let mut expected = world.rows(0, store.user).await;
    let interceptor = Interceptor::new(at, event.clone());
    let result = interceptor.move_user(world, store.user, 1).await;
    if !interceptor.is_reached() {
        return false;
    }
    let home = world.home(store.user).await;
    world.assert_at_most_one_open(store.user).await;
    assert_eq!(world.rows(home, store.user).await, expected, "call {at}, {continuation:?}");
    if let Some(Ok(MoveOutcome::Moved(_))) = result {
        assert_eq!(home, 1);
    }
    let mut hints = vec![0, home];
    if world.use_with_hints(&store, &hints).await {
        expected = world.rows(home, store.user).await;
    }
    let home = match continuation {
        Continuation::MoveTo(to) => {
            world.move_user(store.user, to).await.expect("a second move succeeds");
            to
        }
        Continuation::CleanUp => {
            world.clean_up().await;
            home
        }
    };
    assert_eq!(world.rows(home, store.user).await, expected, "call {at}, {continuation:?}");
    world.assert_open_in(store.user, home).await;
    hints.push(home);
    assert!(world.use_with_hints(&store, &hints).await, "writes are accepted");
    finish(world, &store, &hints).await;
    true
}

/// Removes what is left of all moves. The user has been in the databases `hints`, and is in the last one.
async fn finish(world: &World, store: &UserStore, hints: &[usize]) {
    let home = hints[hints.len() - 1];
    let expected = world.rows(home, store.user).await;
    world.clean_up().await;
    world.assert_nothing_left(store.user, Some(home)).await;
    world.assert_open_in(store.user, home).await;
    assert_eq!(world.rows(home, store.user).await, expected);
    assert!(world.use_with_hints(store, hints).await);
}

async fn interrupt_at_every_call(event: Event) {
    interrupt_in(&World::on_files(3).await, &event, &CONTINUATIONS, 1).await;
}

/// Interrupts moves at each call, or at every so many.
async fn interrupt_in(world: &World, event: &Event, continuations: &[Continuation], step: usize) {
    // A user who has nothing to do with it, and one whose move is complete.
    let (bystander, moved) = (world.new_writer().await, world.new_writer().await);
    world.moved(moved.user, 1).await;
    world.clean_up().await;
    let before = (world.everything(bystander.user).await, world.everything(moved.user).await);
    for continuation in continuations {
        let mut at = 0;
        while interrupt(world, at, event, *continuation).await {
            at += step;
        }
        assert!(at > 25, "a move has more calls: {at}");
    }
    assert_eq!((world.everything(bystander.user).await, world.everything(moved.user).await), before);
}

#[tokio::test]
async fn a_move_whose_call_fails_can_be_continued() {
    interrupt_at_every_call(Event::Refuse).await;
}

#[tokio::test]
async fn a_move_whose_response_is_lost_can_be_continued() {
    interrupt_at_every_call(Event::LoseResponse).await;
}

#[tokio::test]
async fn a_move_that_ends_before_a_call_can_be_continued() {
    interrupt_at_every_call(Event::StopBefore).await;
}

#[tokio::test]
async fn a_move_that_ends_after_a_call_can_be_continued() {
    interrupt_at_every_call(Event::StopAfter).await;
}

#[tokio::test]
async fn a_move_that_loses_its_connections_can_be_continued() {
    interrupt_at_every_call(Event::Disconnect).await;
}

#[tokio::test]
async fn a_move_between_servers_can_be_continued() {
    let world = World::on_servers(2).await;
    for (event, continuation) in
        [(Event::StopAfter, Continuation::MoveTo(1)), (Event::LoseResponse, Continuation::CleanUp)]
    {
        interrupt_in(&world, &event, &[continuation], 3).await;
    }
}

#[tokio::test]
async fn a_clean_up_that_is_interrupted_can_be_repeated() {
    let world = World::on_files(2).await;
    let store = world.new_writer().await;
    let keys: Vec<_> = (0..10).map(|number| query(&number.to_string())).collect();
    store.write(|builder| keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "")))).await;
    world.moved(store.user, 1).await;
    let before = world.rows(1, store.user).await;
    for _ in 0..3 {
        // A batch of one row for each kind, of one user.
        assert_eq!(world.clean_up_in_batches(1, 1).await, 0);
        world.assert_open_in(store.user, 1).await;
    }
    assert_eq!(world.clean_up_in_batches(2, 100).await, 1);
    assert_eq!(world.clean_up_in_batches(2, 100).await, 0);
    world.assert_nothing_left(store.user, Some(1)).await;
    assert_eq!(world.rows(1, store.user).await, before);
}

#[tokio::test]
async fn a_source_that_a_backup_has_restored_in_the_middle_of_a_move_is_cleaned_up() {
    let world = World::on_files(2).await;
    let store = world.new_writer().await;
    world.moved(store.user, 1).await;
    let before = world.rows(1, store.user).await;
    let restore = "UPDATE sync_heads SET moving = 1, moved_to = NULL WHERE user_id = ?1";
    let restore = vec![Statement::new(restore, [store.user.into()])];
    world.databases[0].write("restore", restore).await.expect("the write succeeds");
    world.clean_up().await;
    world.assert_nothing_left(store.user, Some(1)).await;
    assert_eq!(world.rows(1, store.user).await, before);
    assert!(world.use_with_hints(&store, &[0, 1]).await);
    world.assert_open_in(store.user, 1).await;
}
