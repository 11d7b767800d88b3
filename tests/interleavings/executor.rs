//! Executor that runs actors concurrently and releases one store request at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use shared::schedule::{Scheduler, scheduled};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// Time after which a released request is considered blocked by a lock that another actor holds.
const BLOCKED_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for the next request of an actor of which another request waits: one that works on several databases side by side.
const SIDE_BY_SIDE_TIMEOUT: Duration = Duration::from_millis(20);
/// Time after which a run is considered stuck.
const STUCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Request that an actor is about to send to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SchedulingPoint {
    pub(crate) actor: usize,
    pub(crate) store: &'static str,
    pub(crate) statement: &'static str,
    /// Number of released requests when the actor arrived here.
    pub(crate) since: usize,
}

/// Chooses the request that is sent next.
pub(crate) trait Chooser {
    /// Returns an index into `waiting`, which is sorted by actor and not empty.
    fn choose(&mut self, waiting: &[SchedulingPoint]) -> usize;

    /// Called when the current call of `actor` has returned.
    fn returned(&mut self, actor: usize);
}

enum Event {
    Arrived(SchedulingPoint, oneshot::Sender<()>),
    CallReturned(usize),
    Ended(usize),
}

/// Scheduler of one actor: holds each request of the actor until the executor releases it.
#[derive(Clone)]
pub(crate) struct ActorScheduler {
    actor: usize,
    events: mpsc::UnboundedSender<Event>,
}

impl ActorScheduler {
    /// Reports that the current call of the actor has returned.
    pub(crate) fn returned(&self) {
        self.events.send(Event::CallReturned(self.actor)).expect("the executor is running");
    }
}

#[async_trait]
impl Scheduler for ActorScheduler {
    async fn turn(&self, store: &'static str, statement: &'static str) {
        let (release, released) = oneshot::channel();
        let point = SchedulingPoint { actor: self.actor, store, statement, since: 0 };
        self.events.send(Event::Arrived(point, release)).expect("the executor is running");
        released.await.expect("the executor is running");
    }
}

/// Constructor of the future of an actor.
pub(crate) type Actor<'a> = Box<dyn FnOnce(ActorScheduler) -> LocalBoxFuture<'static, ()> + 'a>;

/// Runs `actors` to completion and returns the released requests in order. Each request waits until `chooser` picks it;
/// only one actor runs at a time. Calls `released` with the actor of each released request.
pub(crate) async fn run(
    actors: Vec<Actor<'_>>,
    chooser: &mut dyn Chooser,
    released: impl Fn(usize),
) -> Vec<SchedulingPoint> {
    let (events, mut arrivals) = mpsc::unbounded_channel();
    let local = LocalSet::new();
    let mut running: Vec<usize> = (0..actors.len()).collect();
    for (actor, start) in actors.into_iter().enumerate() {
        let actor_scheduler = ActorScheduler { actor, events: events.clone() };
        let (scheduler, ended) = (Arc::new(actor_scheduler.clone()), events.clone());
        let task = start(actor_scheduler);
        local.spawn_local(async move {
            scheduled(scheduler, task).await;
            ended.send(Event::Ended(actor)).expect("the executor is running");
        });
    }
    local
        .run_until(async {
            let mut waiting: Vec<(SchedulingPoint, oneshot::Sender<()>)> = Vec::new();
            let mut blocked = 0;
            let mut trace: Vec<SchedulingPoint> = Vec::new();
            loop {
                // The executor waits for a blocked actor only if no other actor can continue.
                while !running.is_empty() && (running.len() > blocked || waiting.is_empty()) {
                    let waits = |actor: &usize| waiting.iter().any(|(point, _)| point.actor == *actor);
                    let wait = match () {
                        () if waiting.is_empty() => STUCK_TIMEOUT,
                        () if running.iter().all(waits) => SIDE_BY_SIDE_TIMEOUT,
                        () => BLOCKED_TIMEOUT,
                    };
                    match timeout(wait, arrivals.recv()).await {
                        Ok(Some(Event::Arrived(point, release))) => {
                            running.retain(|actor| *actor != point.actor);
                            waiting.push((SchedulingPoint { since: trace.len(), ..point }, release));
                        }
                        Ok(Some(Event::CallReturned(actor))) => chooser.returned(actor),
                        Ok(Some(Event::Ended(actor))) => running.retain(|other| *other != actor),
                        Ok(None) | Err(_) if waiting.is_empty() => {
                            panic!("actors {running:?} are stuck after {trace:?}")
                        }
                        Ok(None) | Err(_) => blocked = running.len(),
                    }
                    blocked = blocked.min(running.len());
                }
                if waiting.is_empty() {
                    return trace;
                }
                waiting.sort_by_key(|(point, _)| point.actor);
                let points: Vec<SchedulingPoint> = waiting.iter().map(|(point, _)| *point).collect();
                let (point, release) = waiting.swap_remove(chooser.choose(&points));
                trace.push(point);
                released(point.actor);
                running.push(point.actor);
                release.send(()).expect("the actor is waiting");
            }
        })
        .await
}

/// Chooser that releases the waiting request of the actor with the fewest released requests.
struct RoundRobin(Vec<usize>);

impl Chooser for RoundRobin {
    fn choose(&mut self, waiting: &[SchedulingPoint]) -> usize {
        let released_count = |point: &SchedulingPoint| self.0.iter().filter(|actor| **actor == point.actor).count();
        let index =
            (0..waiting.len()).min_by_key(|index| released_count(&waiting[*index])).expect("an actor is waiting");
        self.0.push(waiting[index].actor);
        index
    }

    fn returned(&mut self, _: usize) {}
}

#[tokio::test]
async fn an_actor_waiting_for_a_lock_is_blocked_not_stuck() {
    let lock = Arc::new(tokio::sync::Mutex::new(()));
    let actors = (0..2).map(|_| {
        let lock = lock.clone();
        let actor: Actor<'_> = Box::new(move |actor_scheduler| {
            Box::pin(async move {
                actor_scheduler.turn("store", "lock").await;
                let _held = lock.lock().await;
                actor_scheduler.turn("store", "write").await;
            })
        });
        actor
    });
    let trace = run(actors.collect(), &mut RoundRobin(Vec::new()), |_| {}).await;
    let order: Vec<_> = trace.iter().map(|point| (point.actor, point.statement)).collect();
    assert_eq!(order, [(0, "lock"), (1, "lock"), (0, "write"), (1, "write")]);
}
