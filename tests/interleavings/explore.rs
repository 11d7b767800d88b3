//! Exploration of the orders in which the requests of concurrent operations reach the stores.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use fastrand::Rng;
use model::{Call, Key, Request, Response};
use shared::models::ItemType;

use crate::cluster::Cluster;
use crate::executor::{Actor, Chooser, SchedulingPoint, run};
use crate::operations::{CHANGED, Operation, RESET};
use crate::oracle;
use crate::run::PASSWORD;
use crate::scenarios::{InitialState, Scenario};

/// Statements that write nothing, or nothing that another statement reads.
const READ_STATEMENTS: [&str; 21] = [
    "load",
    "page",
    "status",
    "list_conflicts",
    "versions",
    "find_account",
    "find",
    "get",
    "owner",
    "authenticate",
    "ping",
    "has_expired",
    "pending_deletions",
    "accounts_without_digest",
    "account_totals",
    "closed_head",
    "item",
    "unfinished_moves",
    "head_state",
    "read_rows",
    "placement",
];
/// Statements on sync data. All other statements of a database are on accounts and sessions.
const SYNC_STATEMENTS: [&str; 27] = [
    "load",
    "commit",
    "append",
    "page",
    "remember",
    "status",
    "list_conflicts",
    "versions",
    "purge",
    "erase",
    "accounts_without_digest",
    "account_totals",
    "repair_totals",
    "closed_head",
    "item",
    "unfinished_moves",
    "claim_source",
    "claim_target",
    "head_state",
    "read_rows",
    "insert_rows",
    "remove_moved_rows",
    "mark_source",
    "open_head",
    "stop_copy",
    "end_move",
    "forget_mark",
];
/// Statements that change only how the data is stored.
const MAINTENANCE_STATEMENTS: [&str; 2] = ["truncate_log", "rewrite"];

/// Operations that run concurrently from an initial state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Combination {
    pub(crate) state: InitialState,
    pub(crate) operations: Vec<Operation>,
}

/// Run that violates the contract.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) combination: Combination,
    trace: Vec<SchedulingPoint>,
    reason: String,
    calls: Vec<Call>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Combination { state, operations } = &self.combination;
        writeln!(f, "{operations:?} from {state:?}: {}", self.reason)?;
        write_run(f, &self.trace, &self.calls)
    }
}

/// Writes the store requests and the calls of a run.
pub(crate) fn write_run(f: &mut fmt::Formatter<'_>, trace: &[SchedulingPoint], calls: &[Call]) -> fmt::Result {
    for SchedulingPoint { actor, store, statement, .. } in trace {
        writeln!(f, "  {actor}: {store} {statement}")?;
    }
    calls.iter().try_for_each(|call| {
        writeln!(f, "  [{}, {}] {:?} -> {:?}", call.invoked, call.returned, call.request, call.response)
    })
}

/// Set of interleavings to run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coverage {
    /// All interleavings.
    All,
    /// This number of random interleavings, from this seed.
    Sample(usize, u64),
}

/// Explores `combination` and returns the number of interleavings that were run.
pub(crate) async fn explore(
    cluster: &Rc<Cluster>,
    combination: &Combination,
    coverage: Coverage,
) -> Result<usize, Box<Failure>> {
    let mut path = ChoicePath::default();
    match coverage {
        Coverage::All => {
            for count in 1.. {
                run_once(cluster, combination, &mut path).await?;
                if !path.backtrack() {
                    return Ok(count);
                }
            }
            Ok(usize::MAX)
        }
        Coverage::Sample(count, seed) => {
            let mut orders = BTreeSet::new();
            path.rng = Some(Rng::with_seed(seed));
            // A combination may have fewer interleavings.
            for _ in 0..count {
                orders.insert(run_once(cluster, combination, &mut path).await?);
            }
            Ok(orders.len())
        }
    }
}

/// Runs `combination` once in the order that `path` chooses; returns the order of the actors.
async fn run_once(
    cluster: &Rc<Cluster>,
    combination: &Combination,
    path: &mut ChoicePath,
) -> Result<Vec<usize>, Box<Failure>> {
    let scenario = Scenario::new(cluster, combination.state).await;
    let requests: Vec<Request> = combination.operations.iter().map(|operation| operation.request(&scenario)).collect();
    let actors = requests.into_iter().enumerate().map(|(actor, request)| {
        let run = scenario.run.clone();
        let task: Actor<'_> = Box::new(move |actor_scheduler| {
            Box::pin(async move {
                run.call_as(&actor_scheduler, actor, request).await;
            })
        });
        task
    });
    path.restart(&combination.operations);
    let trace = run(actors.collect(), path, |actor| scenario.run.request_released(actor)).await;
    let concurrent = scenario.run.history().1.len();
    observe(&scenario, combination.operations.iter().any(|operation| operation.concerns_account())).await;
    let (state, calls) = scenario.run.history();
    scenario.run.delete_account().await;
    match oracle::check(state, &calls).and_then(|()| oracle::check_available(&calls[concurrent..])) {
        Ok(()) => Ok(trace.iter().map(|point| point.actor).collect()),
        Err(reason) => Err(Box::new(Failure { combination: combination.clone(), trace, reason, calls })),
    }
}

/// Reads all state that a client can read.
pub(crate) async fn observe(scenario: &Scenario, includes_account: bool) {
    let run = &scenario.run;
    let token = run.new_session().await.access;
    run.call(Request::ListConflicts { token: token.clone() }).await;
    let device = "observer".to_owned();
    run.call(Request::Download { token: token.clone(), device, since: None, limit: 1_000, item_type: None }).await;
    for key in edited_items(scenario) {
        run.call(Request::ListVersions { token: token.clone(), key }).await;
    }
    run.call(Request::Status { token }).await;
    if includes_account {
        try_all_credentials(scenario).await;
    }
}

/// Returns the connections and saved queries that an upload or a resolution has written.
fn edited_items(scenario: &Scenario) -> BTreeSet<Key> {
    let (_, calls) = scenario.run.history();
    let mut keys = BTreeSet::new();
    for call in calls {
        match (call.request, call.response) {
            (Request::Upload { upload, .. }, Response::Uploaded(_)) => {
                keys.extend(upload.changes.into_iter().map(|change| change.key));
            }
            (_, Response::Resolved { item: Some(item), .. }) => {
                keys.insert(item.key);
            }
            _ => {}
        }
    }
    keys.retain(|key| key.item_type != ItemType::QueryHistory);
    keys
}

/// Tries every token, link and password that any response contained.
async fn try_all_credentials(scenario: &Scenario) {
    let run = &scenario.run;
    let (_, calls) = run.history();
    let (mut tokens, mut links) = (Vec::new(), Vec::new());
    for call in &calls {
        match &call.response {
            Response::Tokens { access, refresh } => tokens.push((access.clone(), refresh.clone())),
            Response::Emails(mails) => links.extend(mails.iter().filter_map(|mail| mail.link.clone())),
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
    run.call(Request::DeliverEmail).await;
}

/// Path through the tree of choices: depth first or random.
#[derive(Default)]
struct ChoicePath {
    /// At each step: the actors that could continue, and the index of the chosen one.
    steps: Vec<(Vec<usize>, usize)>,
    depth: usize,
    /// The request released last, and whether its call has returned.
    last: Option<SchedulingPoint>,
    last_returned: bool,
    rng: Option<Rng>,
    /// Probability of each actor on a random path, in relation to the other ones.
    speeds: Vec<usize>,
}

impl ChoicePath {
    fn restart(&mut self, operations: &[Operation]) {
        (self.depth, self.last, self.last_returned) = (0, None, false);
        if let Some(rng) = &mut self.rng {
            self.steps.clear();
            // Of equally fast actors, those with few requests would end before one with many has come far.
            let speed =
                |operation: &Operation| if operation.is_long() { [1_usize, 4, 16, 48][rng.usize(..4)] } else { 1 };
            self.speeds = operations.iter().map(speed).collect();
        }
    }

    /// Returns the index of a random actor of `actors`.
    fn random(&mut self, actors: &[usize]) -> usize {
        let Some(rng) = &mut self.rng else { return 0 };
        let speed = |actor: &usize| self.speeds.get(*actor).copied().unwrap_or(1);
        let mut rest = rng.usize(..actors.iter().map(speed).sum::<usize>());
        let is_chosen = |actor: &usize| {
            let speed = speed(actor);
            let is_chosen = rest < speed;
            rest = rest.saturating_sub(speed);
            is_chosen
        };
        actors.iter().position(is_chosen).expect("the rest is less than the sum")
    }

    /// Advances to the next path; returns false if there is none.
    fn backtrack(&mut self) -> bool {
        while let Some((actors, index)) = self.steps.last_mut() {
            if *index + 1 < actors.len() {
                *index += 1;
                return true;
            }
            self.steps.pop();
        }
        false
    }

    /// Returns whether releasing `point` now leads to a state that another path has reached: `point` commutes with the
    /// previous request, and the reverse order, which is explored first, was possible. A request that ended its call is
    /// not reordered, because calls that begin later must come after it.
    fn is_redundant(&self, point: &SchedulingPoint) -> bool {
        let precedes = |last: &SchedulingPoint| point.actor < last.actor && point.since < self.depth;
        self.last.is_some_and(|last| !self.last_returned && precedes(&last) && commute(point, &last))
    }
}

/// Returns whether two requests have the same effect in either order: they go to different stores, access different
/// tables of the file, both only read, or one of them changes only how the data is stored.
fn commute(one: &SchedulingPoint, other: &SchedulingPoint) -> bool {
    let is_maintenance = |point: &SchedulingPoint| MAINTENANCE_STATEMENTS.contains(&point.statement);
    let is_database = |point: &SchedulingPoint| ["libsql", "postgres", "redis"].contains(&point.store);
    let is_read = |point: &SchedulingPoint| READ_STATEMENTS.contains(&point.statement);
    let is_sync = |point: &SchedulingPoint| SYNC_STATEMENTS.contains(&point.statement);
    is_database(one)
        && is_database(other)
        && (one.store != other.store
            || is_sync(one) != is_sync(other)
            || (is_read(one) && is_read(other))
            || is_maintenance(one)
            || is_maintenance(other))
}

impl Chooser for ChoicePath {
    fn choose(&mut self, waiting: &[SchedulingPoint]) -> usize {
        let mut candidates: Vec<usize> =
            (0..waiting.len()).filter(|index| !self.is_redundant(&waiting[*index])).collect();
        if candidates.is_empty() {
            // The last actor is blocked, or so slow that it appears to be.
            candidates = (0..waiting.len()).collect();
        }
        let actors: Vec<usize> = candidates.iter().map(|index| waiting[*index].actor).collect();
        if self.depth == self.steps.len() {
            let index = self.random(&actors);
            self.steps.push((actors.clone(), index));
        }
        let (expected, index) = &self.steps[self.depth];
        assert_eq!(*expected, actors, "a run is determined by its choices");
        self.depth += 1;
        let chosen = candidates[*index];
        (self.last, self.last_returned) = (Some(waiting[chosen]), false);
        chosen
    }

    fn returned(&mut self, actor: usize) {
        self.last_returned |= self.last.is_some_and(|last| last.actor == actor);
    }
}

/// Returns all combinations of `size` operations that apply to the state.
pub(crate) fn combinations(state: InitialState, size: usize) -> Vec<Combination> {
    let suitable: Vec<Operation> =
        Operation::all().into_iter().filter(|operation| operation.applies_to(state)).collect();
    let found = RefCell::new(Vec::new());
    combine(&suitable, size, &mut Vec::new(), &found);
    found.into_inner().into_iter().map(|operations| Combination { state, operations }).collect()
}

/// Appends every multiset of `size` of `operations` to `found`.
fn combine(operations: &[Operation], size: usize, chosen: &mut Vec<Operation>, found: &RefCell<Vec<Vec<Operation>>>) {
    if chosen.len() == size {
        found.borrow_mut().push(chosen.clone());
        return;
    }
    for index in 0..operations.len() {
        chosen.push(operations[index]);
        combine(&operations[index..], size, chosen, found);
        chosen.pop();
    }
}
