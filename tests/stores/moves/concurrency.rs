//! Several movers of one user at once, and movers beside a purge. Their calls run one at a time, in random order.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use futures_util::FutureExt;
use futures_util::future::join_all;
use shared::storage::{MoveError, Retention, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::interceptor::{Event, Hook, Interceptor};
use super::purges;
use super::world::{World, read, write};
use crate::fixtures::at_day;
use crate::user_store::UserStore;

/// Number of random schedules of each test.
const SCHEDULES: u64 = 150;

/// Concurrent actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    /// A move to the database with this index.
    Move(usize),
    Purge,
    RepairTotals,
    CleanUp,
}

/// Next step of an actor.
enum Arrival {
    /// It waits until its call is released.
    Waits(usize, oneshot::Sender<()>),
    Ended,
}

impl Actor {
    async fn run(self, world: &World, store: &UserStore, interceptor: &Arc<Interceptor>) -> Result<(), MoveError> {
        let service = interceptor.service(world);
        match self {
            Self::Move(to) => {
                interceptor.move_user(world, store.user, to).await.expect("nothing ends it")?;
            }
            Self::Purge => drop(service.purge(at_day(2), 100, 100).await?),
            Self::RepairTotals => drop(service.repair_totals(100, 100).await?),
            Self::CleanUp => drop(service.clean_up_moves(at_day(1_000), 100, 100).await?),
        }
        Ok(())
    }
}

/// Runs `actors`, one call at a time, in an order that `rng` chooses. If `has_client`, a client reads and writes now and then.
async fn race(
    world: &World,
    store: &UserStore,
    actors: &[Actor],
    rng: &mut Rng,
    has_client: bool,
) -> Vec<Result<(), MoveError>> {
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let runs = actors.iter().enumerate().map(|(index, actor)| {
        let sender = arrivals.clone();
        let hook: Hook = Arc::new(move || {
            let (release, released) = oneshot::channel();
            sender.send(Arrival::Waits(index, release)).expect("the schedule runs");
            async move { released.await.expect("the schedule runs") }.boxed()
        });
        let (interceptor, arrivals) = (Interceptor::new(0, Event::BeforeEach(hook)), arrivals.clone());
        async move {
            let result = actor.run(world, store, &interceptor).await;
            arrivals.send(Arrival::Ended).expect("the schedule runs");
            result
        }
    });
    let schedule = async {
        let (mut running, mut waiting) = (actors.len(), BTreeMap::new());
        while running > 0 || !waiting.is_empty() {
            if running > 0 {
                running -= 1;
                if let Arrival::Waits(actor, release) = arrived.recv().await.expect("an actor runs") {
                    waiting.insert(actor, release);
                }
                continue;
            }
            if has_client && rng.u8(..8) == 0 {
                use_while_moving(world, store).await;
            }
            let actors: Vec<usize> = waiting.keys().copied().collect();
            let chosen = rng.choice(actors).expect("an actor waits");
            waiting.remove(&chosen).expect("it waits").send(()).expect("it runs");
            running += 1;
        }
    };
    futures_util::join!(join_all(runs), schedule).0
}

/// Reads and writes, which may be refused as unavailable alone.
async fn use_while_moving(world: &World, store: &UserStore) {
    let is_unavailable = |error: &StoreError| matches!(error, StoreError::Unavailable { .. });
    let before = read(&*store.data, store.user.into()).await;
    let written = write(&*store.data, store.user.into()).await;
    let after = read(&*store.data, store.user.into()).await;
    for error in [before.as_ref().err(), written.as_ref().err(), after.as_ref().err()] {
        assert!(error.is_none_or(is_unavailable), "{error:?}");
    }
    if let (Ok(before), Ok(after)) = (before, after) {
        assert_eq!(after.head.time > before.head.time, written.is_ok(), "an accepted write is read, and no other");
    }
    world.assert_at_most_one_open(store.user).await;
}

/// Asserts that the user is open to writes where they are placed, and that a clean-up leaves nothing elsewhere. Returns that database.
async fn assert_settled(world: &World, store: &UserStore) -> usize {
    let home = world.home(store.user).await;
    world.assert_open_in(store.user, home).await;
    world.clean_up().await;
    world.assert_nothing_left(store.user, Some(home)).await;
    world.assert_open_in(store.user, home).await;
    home
}

/// Whether an actor may end with this error.
fn is_expected(error: &MoveError) -> bool {
    matches!(error, MoveError::Superseded | MoveError::KeptChanging | MoveError::Store(StoreError::Unavailable { .. }))
}

#[tokio::test]
async fn of_several_movers_at_once_at_most_one_moves_the_user() {
    let world = World::on_files(3).await;
    let targets: [&[usize]; 4] = [&[1, 1], &[1, 2], &[1, 0], &[1, 2, 1]];
    for seed in 0..SCHEDULES {
        let mut rng = Rng::with_seed(seed);
        let store = world.new_writer().await;
        let movers: Vec<_> = targets[seed as usize % 4].iter().copied().map(Actor::Move).collect();
        let results = race(&world, &store, &movers, &mut rng, true).await;
        assert!(results.iter().flat_map(|result| result.as_ref().err()).all(is_expected), "seed {seed}: {results:?}");
        let home = assert_settled(&world, &store).await;
        let expected = world.rows(home, store.user).await;
        let to = rng.usize(..3);
        world.move_user(store.user, to).await.expect("another move succeeds");
        assert_eq!(world.rows(to, store.user).await, expected, "seed {seed}");
        world.assert_open_in(store.user, to).await;
        assert!(world.use_with_hints(&store, &[0]).await);
        world.clean_up().await;
        world.assert_nothing_left(store.user, Some(to)).await;
    }
}

#[tokio::test]
async fn movers_and_purges_at_once_lose_nothing() {
    let world = World::on_files(2).await;
    let twin = purges::new_user(&world).await;
    purges::purge_all(&world.sync).await;
    let expected = world.rows(0, twin.user).await;
    let others = [Actor::Purge, Actor::RepairTotals, Actor::CleanUp, Actor::Move(1), Actor::Move(0)];
    for seed in 0..SCHEDULES {
        let mut rng = Rng::with_seed(seed);
        let store = purges::new_user(&world).await;
        let mut actors = vec![Actor::Move(1), others[seed as usize % 3]];
        if rng.bool() {
            actors.extend(rng.choice(others));
        }
        let results = race(&world, &store, &actors, &mut rng, false).await;
        assert!(results.iter().flat_map(|result| result.as_ref().err()).all(is_expected), "seed {seed}: {results:?}");
        assert_settled(&world, &store).await;
        world.move_user(store.user, 1).await.expect("another move succeeds");
        purges::purge_all(&world.sync).await;
        assert_eq!(world.rows(1, store.user).await, expected, "seed {seed}: {actors:?} {results:?}");
        world.clean_up().await;
        world.assert_nothing_left(store.user, Some(1)).await;
    }
}
