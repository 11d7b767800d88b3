//! Calls of a mover that fail, are abandoned, or are preceded by something else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use shared::models::{DatabaseId, Timestamp, UserId};
use shared::storage::libsql::{BatchError, Directory, LibsqlSync, Statement, StatementResult, Transport};
use shared::storage::{
    DatabaseSet, MoveEpoch, MoveError, MoveOutcome, Placement, Placements, StoreError, StoreResult, UserMoves,
};
use tokio::sync::Notify;

use super::world::World;

/// Work before a call.
pub(super) type Hook = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What happens at a call.
#[derive(Clone)]
pub(super) enum Event {
    /// The call fails, and has no effect.
    Refuse,
    /// The call has an effect, and fails.
    LoseResponse,
    /// The mover ends before the call.
    StopBefore,
    /// The mover ends after the call.
    StopAfter,
    /// This call and all later ones fail, and have no effect.
    Disconnect,
    /// Something else happens before the call.
    Before(Hook),
    /// Something else happens before the call, and the mover ends.
    BeforeStop(Hook),
    /// Something else happens before this call and before all later ones.
    BeforeRest(Hook),
    /// Something else happens before each call.
    BeforeEach(Hook),
}

/// Write of a mover.
#[derive(Clone)]
pub(super) enum Write {
    /// To a database with this index.
    Database(usize, &'static str, Vec<Statement>),
    /// Of a placement.
    Placement(UserId, MoveEpoch, DatabaseId),
}

/// Intercepts the calls of one mover.
pub(super) struct Interceptor {
    event: Event,
    /// Number of the call at which the event happens, starting at 0.
    at: usize,
    calls: AtomicUsize,
    /// Held during each call, if something happens before each: calls on several databases follow one another.
    turn: tokio::sync::Mutex<()>,
    stopped: Notify,
    writes: Mutex<Vec<Write>>,
}

impl Interceptor {
    pub(super) fn new(at: usize, event: Event) -> Arc<Self> {
        let (calls, writes) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { event, at, calls, turn: tokio::sync::Mutex::default(), stopped: Notify::new(), writes })
    }

    /// Intercepts nothing.
    pub(super) fn recorder() -> Arc<Self> {
        Self::new(usize::MAX, Event::Refuse)
    }

    /// Returns the number of calls so far.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Returns whether the event has happened.
    pub(super) fn is_reached(&self) -> bool {
        self.calls() > self.at
    }

    /// Returns the writes so far.
    pub(super) fn writes(&self) -> Vec<Write> {
        self.writes.lock().expect("no test panicked").clone()
    }

    /// Returns whether the move has begun in a database.
    pub(super) fn has_claimed(&self) -> bool {
        self.writes().iter().any(|write| matches!(write, Write::Database(_, "claim_target", _)))
    }

    async fn run<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        error: impl Fn(&'static str) -> E,
    ) -> Result<T, E> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        match &self.event {
            Event::BeforeEach(hook) => {
                let _turn = self.turn.lock().await;
                hook().await;
                return call.await;
            }
            Event::BeforeRest(hook) if number >= self.at => hook().await,
            Event::Disconnect if number >= self.at => return Err(error("disconnected")),
            _ if number != self.at => {}
            Event::Refuse | Event::Disconnect => return Err(error("refused")),
            Event::Before(hook) | Event::BeforeRest(hook) => hook().await,
            Event::LoseResponse => {
                call.await?;
                return Err(error("lost"));
            }
            Event::StopBefore => return self.stop().await,
            Event::StopAfter => {
                call.await?;
                return self.stop().await;
            }
            Event::BeforeStop(hook) => {
                hook().await;
                return self.stop().await;
            }
        }
        call.await
    }

    async fn stop<T>(&self) -> T {
        self.stopped.notify_one();
        std::future::pending().await
    }

    /// Moves `user` to the database `to`. Returns `None` if the mover was stopped.
    pub(super) async fn move_user(
        self: &Arc<Self>,
        world: &World,
        user: UserId,
        to: usize,
    ) -> Option<Result<MoveOutcome, MoveError>> {
        let service = self.service(world);
        tokio::select! {
            result = service.move_user(user, world.ids[to], &*world.clock) => Some(result),
            () = self.stopped.notified() => None,
        }
    }

    /// Returns a service whose calls are intercepted.
    pub(super) fn service(self: &Arc<Self>, world: &World) -> LibsqlSync {
        let intercepted = |(index, database): (usize, &Arc<dyn Transport>)| {
            let interceptor = self.clone();
            let database = Intercepted { interceptor, database: database.clone(), index };
            (Arc::new(database) as Arc<dyn Transport>, 1)
        };
        let databases = world.databases.iter().enumerate().map(intercepted).collect();
        let placements = InterceptedPlacements { interceptor: self.clone(), placements: world.accounts.clone() };
        LibsqlSync::placed(databases, Directory { placements: Arc::new(placements), sessions: None })
    }
}

struct Intercepted {
    interceptor: Arc<Interceptor>,
    database: Arc<dyn Transport>,
    index: usize,
}

fn unavailable(reason: &'static str) -> BatchError {
    BatchError::Unavailable(reason.to_owned())
}

#[async_trait]
impl Transport for Intercepted {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let read = self.database.read(name, statements);
        // Identities are read once by each process.
        if name == "identity" { read.await } else { self.interceptor.run(read, unavailable).await }
    }

    async fn write(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let write = Write::Database(self.index, name, statements.clone());
        self.interceptor.writes.lock().expect("no test panicked").push(write);
        self.interceptor.run(self.database.write(name, statements), unavailable).await
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        self.database.script(name, script).await
    }
}

struct InterceptedPlacements {
    interceptor: Arc<Interceptor>,
    placements: Arc<dyn Placements>,
}

fn placements_unavailable(reason: &'static str) -> StoreError {
    StoreError::Unavailable { store: "test", reason: reason.to_owned() }
}

#[async_trait]
impl Placements for InterceptedPlacements {
    async fn database_set(&self) -> StoreResult<DatabaseSet> {
        self.interceptor.run(self.placements.database_set(), placements_unavailable).await
    }

    async fn register(&self, databases: &[(DatabaseId, u32)]) -> StoreResult<Vec<DatabaseId>> {
        self.interceptor.run(self.placements.register(databases), placements_unavailable).await
    }

    async fn close_to_new_users(&self, database: DatabaseId) -> StoreResult<()> {
        self.interceptor.run(self.placements.close_to_new_users(database), placements_unavailable).await
    }

    async fn placement(&self, user: UserId) -> StoreResult<Placement> {
        self.interceptor.run(self.placements.placement(user), placements_unavailable).await
    }

    async fn record(&self, users: &[UserId], database: DatabaseId) -> StoreResult<()> {
        self.interceptor.run(self.placements.record(users, database), placements_unavailable).await
    }

    async fn unrecorded(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        self.interceptor.run(self.placements.unrecorded(limit), placements_unavailable).await
    }

    async fn users_in(&self, database: DatabaseId, after: Option<UserId>, limit: usize) -> StoreResult<Vec<UserId>> {
        self.interceptor.run(self.placements.users_in(database, after, limit), placements_unavailable).await
    }

    async fn begin_move(&self, user: UserId, now: Timestamp) -> StoreResult<Option<(DatabaseId, MoveEpoch)>> {
        self.interceptor.run(self.placements.begin_move(user, now), placements_unavailable).await
    }

    async fn finish_move(&self, user: UserId, epoch: MoveEpoch, database: DatabaseId) -> StoreResult<bool> {
        self.interceptor.writes.lock().expect("no test panicked").push(Write::Placement(user, epoch, database));
        self.interceptor.run(self.placements.finish_move(user, epoch, database), placements_unavailable).await
    }
}
