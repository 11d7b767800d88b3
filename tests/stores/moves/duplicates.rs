//! Writes of a move that are executed again, late: a proxy or a retry has delayed them.

use super::interceptor::{Event, Interceptor, Write};
use super::world::{World, write};
use crate::user_store::UserStore;

/// Executes `writes` again, each alone. Asserts that nothing changes.
async fn assert_no_effect(world: &World, store: &UserStore, writes: &[Write]) {
    let before = world.everything(store.user).await;
    let home = world.home(store.user).await;
    for write in writes {
        let name = execute(world, write).await;
        assert_eq!(world.home(store.user).await, home, "{name}");
        assert_eq!(world.everything(store.user).await, before, "{name}");
    }
}

async fn execute(world: &World, write: &Write) -> &'static str {
    match write.clone() {
        Write::Database(index, name, statements) => {
            // It may be refused.
            world.databases[index].write(name, statements).await.ok();
            name
        }
        Write::Placement(user, epoch, database) => {
            world.accounts.finish_move(user, epoch, database).await.expect("the write succeeds");
            "finish_move"
        }
    }
}

async fn record_move(world: &World, store: &UserStore, to: usize) -> Vec<Write> {
    let recorder = Interceptor::recorder();
    recorder.move_user(world, store.user, to).await.expect("nothing ends it").expect("the move succeeds");
    recorder.writes()
}

#[tokio::test]
async fn late_writes_of_complete_moves_have_no_effect() {
    let world = World::on_files(3).await;
    let store = world.new_writer().await;
    let mut writes = Vec::new();
    for to in [1, 0, 2, 1] {
        writes.extend(record_move(&world, &store, to).await);
        assert_no_effect(&world, &store, &writes).await;
        write(&*store.data, store.user.into()).await.expect("the write succeeds");
        assert_no_effect(&world, &store, &writes).await;
        world.clean_up().await;
        assert_no_effect(&world, &store, &writes).await;
    }
    assert!(writes.len() > 30, "{}", writes.len());
}

/// Executes the writes of a move again, or for the first time, after another one has ended it. Asserts that the data of the user does
/// not change, and that a clean-up removes what they leave elsewhere.
async fn assert_harmless(world: &World, store: &UserStore, writes: &[Write]) {
    let home = world.home(store.user).await;
    let before = world.everything(store.user).await;
    for write in writes {
        let name = execute(world, write).await;
        world.assert_open_in(store.user, home).await;
        assert_eq!(world.everything(store.user).await[home], before[home], "{name}");
    }
    world.clean_up().await;
    world.assert_nothing_left(store.user, Some(home)).await;
    assert_eq!(world.rows(home, store.user).await, before[home].0);
}

/// Interrupts a move at each call.
async fn late_writes_of_interrupted_moves(event: Event) {
    let world = World::on_files(2).await;
    for at in 0.. {
        let store = world.new_writer().await;
        let interceptor = Interceptor::new(at, event.clone());
        interceptor.move_user(&world, store.user, 1).await;
        if !interceptor.is_reached() {
            assert!(at > 25, "a move has more calls: {at}");
            break;
        }
        let home = world.home(store.user).await;
        if world.heads(store.user).await[home] == Some(true) && interceptor.has_claimed() {
            // The mover itself has opened the head again.
            assert_harmless(&world, &store, &interceptor.writes()).await;
        }
        world.move_user(store.user, home).await.expect("it opens the head");
        assert_harmless(&world, &store, &interceptor.writes()).await;
        write(&*store.data, store.user.into()).await.expect("the write succeeds");
        // The abandoned move has been cleaned up by now.
        assert_no_effect(&world, &store, &interceptor.writes()).await;
    }
}

#[tokio::test]
async fn late_writes_of_moves_that_ended_are_harmless() {
    late_writes_of_interrupted_moves(Event::StopBefore).await;
    late_writes_of_interrupted_moves(Event::StopAfter).await;
}

#[tokio::test]
async fn late_writes_of_moves_that_failed_are_harmless() {
    late_writes_of_interrupted_moves(Event::LoseResponse).await;
    late_writes_of_interrupted_moves(Event::Disconnect).await;
}
