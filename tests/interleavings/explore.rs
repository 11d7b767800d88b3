//! Exploration of the orders in which the requests of a few operations can reach the stores.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use fastrand::Rng;
use model::{Call, Request, Response};

use crate::executor::{Actor, Chooser, Point, run};
use crate::operations::{CHANGED, Operation, RESET};
use crate::oracle;
use crate::run::PASSWORD;
use crate::scenes::{Scene, Start};
use crate::world::World;

/// Statements that write nothing, or nothing that any of the others reads.
const READS: [&str; 12] = [
    "load",
    "page",
    "status",
    "list_conflicts",
    "find_account",
    "find",
    "get",
    "owner",
    "authenticate",
    "ping",
    "has_expired",
    "pending_deletions",
];
/// Statements about sync data; all others of a database are about accounts and sessions.
const SYNC: [&str; 9] =
    ["load", "commit", "append", "page", "save_full_sync_cursor", "status", "list_conflicts", "purge", "erase"];

/// Operations that meet in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encounter {
    pub(crate) start: Start,
    pub(crate) operations: Vec<Operation>,
}

/// A run that cannot be explained.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) encounter: Encounter,
    trace: Vec<Point>,
    reason: String,
    calls: Vec<Call>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Encounter { start, operations } = &self.encounter;
        writeln!(f, "{operations:?} from {start:?}: {}", self.reason)?;
        write_run(f, &self.trace, &self.calls)
    }
}

/// Writes the requests to the stores, and the calls that sent them.
pub(crate) fn write_run(f: &mut fmt::Formatter<'_>, trace: &[Point], calls: &[Call]) -> fmt::Result {
    for Point { actor, store, statement, .. } in trace {
        writeln!(f, "  {actor}: {store} {statement}")?;
    }
    calls.iter().try_for_each(|call| {
        writeln!(f, "  [{}, {}] {:?} -> {:?}", call.invoked, call.returned, call.request, call.response)
    })
}

/// Which interleavings are tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extent {
    /// All.
    All,
    /// So many, chosen at random from this seed.
    Sample(usize, u64),
}

/// Explores `encounter`; how many interleavings were tried.
pub(crate) async fn explore(world: &Rc<World>, encounter: &Encounter, extent: Extent) -> Result<usize, Box<Failure>> {
    let mut path = Path::default();
    match extent {
        Extent::All => {
            for count in 1.. {
                once(world, encounter, &mut path).await?;
                if !path.backtrack() {
                    return Ok(count);
                }
            }
            Ok(usize::MAX)
        }
        Extent::Sample(most, seed) => {
            let mut seen = BTreeSet::new();
            path.rng = Some(Rng::with_seed(seed));
            // An encounter may have fewer.
            for _ in 0..most {
                seen.insert(once(world, encounter, &mut path).await?);
            }
            Ok(seen.len())
        }
    }
}

/// Runs `encounter` once, in the order that `path` chooses; the order.
async fn once(world: &Rc<World>, encounter: &Encounter, path: &mut Path) -> Result<Vec<usize>, Box<Failure>> {
    let scene = Scene::set(world, encounter.start).await;
    let requests: Vec<Request> = encounter.operations.iter().map(|operation| operation.request(&scene)).collect();
    let actors = requests.into_iter().enumerate().map(|(actor, request)| {
        let run = scene.run.clone();
        let start: Actor<'_> = Box::new(move |turns| {
            Box::pin(async move {
                run.call_as(&turns, actor, request).await;
            })
        });
        start
    });
    path.restart();
    let trace = run(actors.collect(), path, |actor| scene.run.released(actor)).await;
    observe(&scene, encounter.operations.iter().any(|operation| operation.concerns_account())).await;
    let (start, calls) = scene.run.history();
    scene.run.clear().await;
    match oracle::check(start, &calls) {
        Ok(()) => Ok(trace.iter().map(|point| point.actor).collect()),
        Err(reason) => Err(Box::new(Failure { encounter: encounter.clone(), trace, reason, calls })),
    }
}

/// Looks at everything that a client can see.
pub(crate) async fn observe(scene: &Scene, account_too: bool) {
    let run = &scene.run;
    let token = run.session().await.access;
    run.call(Request::ListConflicts { token: token.clone() }).await;
    let device = "observer".to_owned();
    run.call(Request::Download { token: token.clone(), device, since: None, limit: 1_000 }).await;
    run.call(Request::Status { token }).await;
    if account_too {
        try_everything(scene).await;
    }
}

/// Tries every token, link and password that was ever given out.
async fn try_everything(scene: &Scene) {
    let run = &scene.run;
    let (_, calls) = run.history();
    let (mut tokens, mut links) = (Vec::new(), Vec::new());
    for call in &calls {
        match &call.response {
            Response::Tokens { access, refresh } => tokens.push((access.clone(), refresh.clone())),
            Response::Mails(mails) => links.extend(mails.iter().filter_map(|mail| mail.link.clone())),
            _ => {}
        }
    }
    for (token, _) in &tokens {
        run.call(Request::ShowProfile { token: token.clone() }).await;
    }
    for (_, refresh_token) in tokens {
        run.call(Request::Refresh { refresh_token }).await;
    }
    for password in [PASSWORD, CHANGED, RESET] {
        run.call(Request::LogIn { password: password.to_owned() }).await;
    }
    for link in &links {
        run.call(Request::VerifyEmail { link: link.clone() }).await;
    }
    for link in links {
        run.call(Request::ResetPassword { link, new: "Observed42".to_owned() }).await;
    }
    run.call(Request::DeliverMail).await;
}

/// A path through the tree of choices: depth first, or at random.
#[derive(Default)]
struct Path {
    /// At each step: the actors that could go on, and the place of the one that did.
    steps: Vec<(Vec<usize>, usize)>,
    depth: usize,
    /// The request released last, at which step, and whether its call has returned.
    last: Option<Point>,
    last_returned: bool,
    rng: Option<Rng>,
}

impl Path {
    fn restart(&mut self) {
        (self.depth, self.last, self.last_returned) = (0, None, false);
        if self.rng.is_some() {
            self.steps.clear();
        }
    }

    /// Turns to the next path; whether there is one.
    fn backtrack(&mut self) -> bool {
        while let Some((actors, place)) = self.steps.last_mut() {
            if *place + 1 < actors.len() {
                *place += 1;
                return true;
            }
            self.steps.pop();
        }
        false
    }

    /// Whether releasing `point` now leads to what another path has tried: the request before it commutes with it, and
    /// the other order, which comes first, was possible. A request that ended its call stays where it is, for what begins
    /// later must come after it.
    fn repeats(&self, point: &Point) -> bool {
        let comes_first = |last: &Point| point.actor < last.actor && point.since < self.depth;
        self.last.is_some_and(|last| !self.last_returned && comes_first(&last) && commute(point, &last))
    }
}

/// Whether two requests have the same effect in either order: they go to different stores, touch different tables of the
/// file, or only read.
fn commute(one: &Point, other: &Point) -> bool {
    let is_of_a_store = |point: &Point| ["libsql", "postgres", "redis"].contains(&point.store);
    let is_read = |point: &Point| READS.contains(&point.statement);
    let is_sync = |point: &Point| SYNC.contains(&point.statement);
    is_of_a_store(one)
        && is_of_a_store(other)
        && (one.store != other.store || is_sync(one) != is_sync(other) || (is_read(one) && is_read(other)))
}

impl Chooser for Path {
    fn choose(&mut self, waiting: &[Point]) -> usize {
        let mut fresh: Vec<usize> = (0..waiting.len()).filter(|place| !self.repeats(&waiting[*place])).collect();
        if fresh.is_empty() {
            // The actor that went last is blocked, or so slow that it seems to be.
            fresh = (0..waiting.len()).collect();
        }
        let actors: Vec<usize> = fresh.iter().map(|place| waiting[*place].actor).collect();
        if self.depth == self.steps.len() {
            let place = self.rng.as_mut().map_or(0, |rng| rng.usize(..actors.len()));
            self.steps.push((actors.clone(), place));
        }
        let (expected, place) = &self.steps[self.depth];
        assert_eq!(*expected, actors, "a run is the same as long as its choices are");
        self.depth += 1;
        let chosen = fresh[*place];
        (self.last, self.last_returned) = (Some(waiting[chosen]), false);
        chosen
    }

    fn returned(&mut self, actor: usize) {
        self.last_returned |= self.last.is_some_and(|last| last.actor == actor);
    }
}

/// All encounters of `size` operations, of which each suits the state.
pub(crate) fn encounters(start: Start, size: usize) -> Vec<Encounter> {
    let suitable: Vec<Operation> = Operation::all().into_iter().filter(|operation| operation.suits(start)).collect();
    let found = RefCell::new(Vec::new());
    combine(&suitable, size, &mut Vec::new(), &found);
    found.into_inner().into_iter().map(|operations| Encounter { start, operations }).collect()
}

/// Every multiset of `size` of `operations`.
fn combine(operations: &[Operation], size: usize, chosen: &mut Vec<Operation>, found: &RefCell<Vec<Vec<Operation>>>) {
    if chosen.len() == size {
        found.borrow_mut().push(chosen.clone());
        return;
    }
    for place in 0..operations.len() {
        chosen.push(operations[place]);
        combine(&operations[place..], size, chosen, found);
        chosen.pop();
    }
}
