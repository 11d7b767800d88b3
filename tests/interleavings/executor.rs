//! Runs actors side by side, one request to a store at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use shared::schedule::{Scheduler, scheduled};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// Time after which a released request counts as blocked by a lock that another actor holds.
const BLOCKED_AFTER: Duration = Duration::from_secs(2);
/// Time after which a run counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// A request that an actor is about to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) actor: usize,
    pub(crate) store: &'static str,
    pub(crate) statement: &'static str,
    /// The step of the run after which the actor arrived here.
    pub(crate) since: usize,
}

/// Decides which of several requests is sent next.
pub(crate) trait Chooser {
    /// A place in `waiting`, which is sorted by actor and not empty.
    fn choose(&mut self, waiting: &[Point]) -> usize;

    /// The request released last was the last one of its actor's call.
    fn returned(&mut self, actor: usize);
}

enum Event {
    Arrived(Point, oneshot::Sender<()>),
    CallReturned(usize),
    Ended(usize),
}

/// An actor's side of the scheduler.
#[derive(Clone)]
pub(crate) struct Turns {
    actor: usize,
    events: mpsc::UnboundedSender<Event>,
}

impl Turns {
    /// Says that the actor's current call has returned.
    pub(crate) fn returned(&self) {
        self.events.send(Event::CallReturned(self.actor)).expect("the run goes on");
    }
}

#[async_trait]
impl Scheduler for Turns {
    async fn turn(&self, store: &'static str, statement: &'static str) {
        let (release, released) = oneshot::channel();
        let point = Point { actor: self.actor, store, statement, since: 0 };
        self.events.send(Event::Arrived(point, release)).expect("the run goes on");
        released.await.expect("the run goes on");
    }
}

/// Makes the future of an actor, given its turns.
pub(crate) type Actor<'a> = Box<dyn FnOnce(Turns) -> LocalBoxFuture<'static, ()> + 'a>;

/// Runs `actors` to their ends. Each request waits until `chooser` picks it; nothing else runs meanwhile. `released` is told
/// of each actor whose request is released.
pub(crate) async fn run(actors: Vec<Actor<'_>>, chooser: &mut dyn Chooser, released: impl Fn(usize)) -> Vec<Point> {
    let (events, mut arrivals) = mpsc::unbounded_channel();
    let local = LocalSet::new();
    let mut running: Vec<usize> = (0..actors.len()).collect();
    for (actor, start) in actors.into_iter().enumerate() {
        let turns = Turns { actor, events: events.clone() };
        let (scheduler, ended) = (Arc::new(turns.clone()), events.clone());
        let task = start(turns);
        local.spawn_local(async move {
            scheduled(scheduler, task).await;
            ended.send(Event::Ended(actor)).expect("the run goes on");
        });
    }
    local
        .run_until(async {
            let mut waiting: Vec<(Point, oneshot::Sender<()>)> = Vec::new();
            let mut blocked = 0;
            let mut trace: Vec<Point> = Vec::new();
            loop {
                // A blocked actor is waited for only when no other can continue.
                while !running.is_empty() && (running.len() > blocked || waiting.is_empty()) {
                    let patience = if waiting.is_empty() { STUCK_AFTER } else { BLOCKED_AFTER };
                    match timeout(patience, arrivals.recv()).await {
                        Ok(Some(Event::Arrived(point, release))) => {
                            running.retain(|actor| *actor != point.actor);
                            waiting.push((Point { since: trace.len(), ..point }, release));
                        }
                        Ok(Some(Event::CallReturned(actor))) => chooser.returned(actor),
                        Ok(Some(Event::Ended(actor))) => running.retain(|other| *other != actor),
                        Ok(None) | Err(_) if waiting.is_empty() => panic!("{running:?} are stuck after {trace:?}"),
                        Ok(None) | Err(_) => blocked = running.len(),
                    }
                    blocked = blocked.min(running.len());
                }
                if waiting.is_empty() {
                    return trace;
                }
                waiting.sort_by_key(|(point, _)| point.actor);
                let points: Vec<Point> = waiting.iter().map(|(point, _)| *point).collect();
                let (point, release) = waiting.swap_remove(chooser.choose(&points));
                trace.push(point);
                released(point.actor);
                running.push(point.actor);
                release.send(()).expect("the actor waits");
            }
        })
        .await
}

/// Releases the waiting request of the lowest actor that has sent as few as any other.
struct InTurns(Vec<usize>);

impl Chooser for InTurns {
    fn choose(&mut self, waiting: &[Point]) -> usize {
        let sent = |point: &Point| self.0.iter().filter(|actor| **actor == point.actor).count();
        let place = (0..waiting.len()).min_by_key(|place| sent(&waiting[*place])).expect("an actor waits");
        self.0.push(waiting[place].actor);
        place
    }

    fn returned(&mut self, _: usize) {}
}

#[tokio::test]
async fn an_actor_that_waits_for_a_lock_is_blocked_and_not_stuck() {
    let lock = Arc::new(tokio::sync::Mutex::new(()));
    let actors = (0..2).map(|_| {
        let lock = lock.clone();
        let actor: Actor<'_> = Box::new(move |turns| {
            Box::pin(async move {
                turns.turn("store", "lock").await;
                let _held = lock.lock().await;
                turns.turn("store", "write").await;
            })
        });
        actor
    });
    let trace = run(actors.collect(), &mut InTurns(Vec::new()), |_| {}).await;
    let order: Vec<_> = trace.iter().map(|point| (point.actor, point.statement)).collect();
    assert_eq!(order, [(0, "lock"), (1, "lock"), (0, "write"), (1, "write")]);
}
