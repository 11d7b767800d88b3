//! Databases that are restored to a time before a move.

use shared::models::{PlacedUser, Timestamp, UserId};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::{FileDatabase, Statement, Transport};
use shared::storage::{ChangeFeed, Retention, Sessions};

use super::interceptor::{Event, Interceptor};
use super::world::{World, read};
use crate::fixtures::{at_day, at_second, query};
use crate::sessions::open;
use crate::user_store::{UserStore, changes_since};

/// Time at which cursors are invalidated, after all moves.
const DAY: i64 = 3;

/// Moves a user from the first database to the second, who writes there, and restores `databases` to the time before. Returns the
/// user.
async fn restored(world: &mut World, databases: &[usize], is_cleaned_up: bool) -> UserStore {
    let user = world.new_writer().await.user;
    world.embedded().await.set_database(user, world.ids[1]).await.expect("the write succeeds");
    let backups = [world.back_up(0).await, world.back_up(1).await];
    world.moved(user, 1).await;
    let moved = UserStore { data: world.sync.clone(), user };
    assert!(world.use_with_hints(&moved, &[0, 1]).await);
    if is_cleaned_up {
        world.clean_up().await;
    }
    for database in databases {
        world.restore(*database, &backups[*database]).await;
    }
    world.sync.invalidate_cursors(at_day(DAY), 10).await.expect("the write succeeds");
    UserStore { data: world.sync.clone(), user }
}

/// Asserts that the sessions of the user lead to `home`, and whether the write after the move is there.
async fn assert_served_by(world: &World, store: &UserStore, home: usize, has_new_item: bool) {
    world.assert_open_in(store.user, home).await;
    let sessions = world.embedded().await;
    let session = open(&*sessions, store.user, "token", 1).await;
    let outcome = sessions.authenticate(store.user, session.id, None, at_second(2)).await.expect("the read succeeds");
    for hint in [None, outcome.database] {
        let page = read(&*store.data, PlacedUser { id: store.user, database: hint }).await.expect("the read succeeds");
        let has = |id: &str| page.items.iter().any(|(key, _)| *key == query(id));
        assert_eq!((has("a"), has("written")), (true, has_new_item), "{hint:?}");
    }
    assert!(world.use_with_hints(store, &[home]).await);
    world.assert_open_in(store.user, home).await;
}

#[tokio::test]
async fn a_source_that_has_the_user_again_is_marked() {
    for is_cleaned_up in [false, true] {
        let mut world = World::on_files(2).await;
        let store = restored(&mut world, &[0], is_cleaned_up).await;
        assert_served_by(&world, &store, 1, true).await;
        world.clean_up().await;
        world.assert_nothing_left(store.user, Some(1)).await;
    }
}

#[tokio::test]
async fn a_user_whom_the_target_has_lost_returns_to_the_source() {
    let mut world = World::on_files(2).await;
    let store = restored(&mut world, &[1], false).await;
    assert_served_by(&world, &store, 0, false).await;
}

#[tokio::test]
async fn a_purge_spares_the_source_when_the_target_has_lost_the_user() {
    let mut world = World::on_files(2).await;
    let user = world.new_writer().await.user;
    world.embedded().await.set_database(user, world.ids[1]).await.expect("the write succeeds");
    let backup = world.back_up(1).await;
    world.moved(user, 1).await;
    world.restore(1, &backup).await;
    world.clean_up().await;
    world.sync.invalidate_cursors(at_day(DAY), 10).await.expect("the write succeeds");
    assert_served_by(&world, &UserStore { data: world.sync.clone(), user }, 0, false).await;
}

#[tokio::test]
async fn a_user_of_two_restored_databases_is_placed_where_the_data_is() {
    for is_cleaned_up in [false, true] {
        let mut world = World::on_files(2).await;
        let store = restored(&mut world, &[0, 1], is_cleaned_up).await;
        assert_served_by(&world, &store, 0, false).await;
    }
}

/// Restores the placement of a user to an earlier time, as a backup of the accounts does.
async fn restore_placement(world: &World, user: UserId, home: usize) {
    let accounts = Embedded::FILE;
    let file = FileDatabase::open(&world.folder().join(accounts)).await.expect("the file opens");
    let placed = "UPDATE users SET database_id = ?2, move_epoch = 1 WHERE id = ?1";
    let placed = Statement::new(placed, [user.into(), world.ids[home].into()]);
    file.write("restore", vec![placed]).await.expect("the write succeeds");
}

#[tokio::test]
async fn a_placement_from_before_a_move_is_corrected_by_whatever_comes_first() {
    for path in [&[0, 1][..], &[0, 1, 2], &[0, 1, 0, 2]] {
        for is_cleaned_up in [false, true] {
            for work in 0..5 {
                let world = World::on_files(3).await;
                let user = world.new_writer().await.user;
                for (index, to) in path.iter().enumerate().skip(1) {
                    world.moved(user, *to).await;
                    let store = UserStore { data: world.sync.clone(), user };
                    assert!(world.use_with_hints(&store, &path[..=index]).await);
                    if is_cleaned_up {
                        world.clean_up().await;
                    }
                }
                let home = path[path.len() - 1];
                let before = world.rows(home, user).await;
                restore_placement(&world, user, 0).await;
                // Later moves have larger epochs than those before, which the accounts do not know any more.
                world.clock.set(at_day(2));
                match work {
                    0 => world.clean_up().await,
                    1 => drop(world.sync.invalidate_cursors(at_day(DAY), 10).await.expect("the write succeeds")),
                    2..5 => drop(world.move_user(user, work - 2).await.expect("the move succeeds")),
                    _ => unreachable!("there are five kinds"),
                }
                let home = if work >= 2 { work - 2 } else { home };
                if work == 0 && is_cleaned_up {
                    // The source has nothing to clean up. A move or an invalidation corrects it.
                    world.move_user(user, home).await.expect("the move succeeds");
                }
                world.assert_open_in(user, home).await;
                let after = world.rows(home, user).await;
                for (table, rows) in before.iter().filter(|(table, _)| **table != "sync_heads") {
                    assert_eq!(after.get(table), Some(rows), "{path:?} {is_cleaned_up} {work} {table}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_leftover_does_not_replace_the_source_of_an_interrupted_move() {
    let world = World::on_files(3).await;
    let store = world.new_writer().await;
    world.moved(store.user, 1).await;
    assert!(world.use_with_hints(&store, &[0, 1]).await);
    // The next move ends after it has marked its source.
    for at in 0.. {
        let interceptor = Interceptor::new(at, Event::StopBefore);
        interceptor.move_user(&world, store.user, 2).await;
        assert!(interceptor.is_reached(), "no move was interrupted between mark and placement");
        if world.home(store.user).await == 1 && world.heads(store.user).await == [Some(false); 3] {
            let is_marked = world.sync.page(store.user.into(), &changes_since(Timestamp::EPOCH)).await.is_err();
            if is_marked {
                break;
            }
        }
        world.move_user(store.user, 1).await.expect("the head opens");
    }
    world.sync.invalidate_cursors(at_day(DAY), 10).await.expect("the write succeeds");
    world.assert_open_in(store.user, 1).await;
    let page = read(&*store.data, store.user.into()).await.expect("the read succeeds");
    assert!(page.items.iter().any(|(key, _)| *key == query("written")), "the edit after the first move is there");
}

#[tokio::test]
async fn many_users_are_corrected_and_others_stay() {
    let mut world = World::on_files(2).await;
    let mut users = Vec::new();
    for _ in 0..30 {
        users.push(world.new_writer().await.user);
    }
    let backup = world.back_up(0).await;
    for user in &users[..20] {
        world.moved(*user, 1).await;
    }
    world.restore(0, &backup).await;
    world.sync.invalidate_cursors(at_day(DAY), 7).await.expect("the write succeeds");
    for (index, user) in users.iter().enumerate() {
        world.assert_open_in(*user, usize::from(index < 20)).await;
    }
}
