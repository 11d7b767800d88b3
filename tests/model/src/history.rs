//! Whether a concurrent history can be explained by some sequential one: linearizability, as Herlihy and Wing define it,
//! checked by the search of Wing and Gong with the memory of Lowe, step by step rather than call by call.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use shared::models::Timestamp;

use crate::call::{Request, Response};
use crate::steps::{Model, Next, Progress};

/// A call that has returned.
#[derive(Debug, Clone)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// The answer.
    pub response: Response,
    /// When it began, on a counter of events.
    pub invoked: u64,
    /// When it returned, on the same counter.
    pub returned: u64,
    /// The clock when it began.
    pub clock: Timestamp,
}

/// No sequential history explains the answers.
#[derive(Debug)]
pub struct NotLinearizable {
    /// Where the search got furthest: how many calls were explained.
    explained: usize,
    /// Which calls were explained by then, and why the others could not be.
    reasons: Vec<String>,
}

impl fmt::Display for NotLinearizable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "not linearizable: {} calls can be explained, after which", self.explained)?;
        self.reasons.iter().try_for_each(|reason| writeln!(f, "  {reason}"))
    }
}

/// The state of the search: the model, and how far each call has come.
#[derive(Clone, Hash)]
struct State {
    model: Model,
    calls: Vec<At>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    Waiting,
    Running(Progress),
    Returned,
}

struct Search<'a> {
    calls: &'a [Call],
    /// Every time that the clock has shown.
    clocks: BTreeSet<Timestamp>,
    visited: HashSet<u64>,
    furthest: NotLinearizable,
}

/// Finds a sequential history that explains `calls`; the state in which it ends.
///
/// # Errors
/// When there is none.
pub fn linearize(start: Model, calls: &[Call]) -> Result<Model, NotLinearizable> {
    let furthest = NotLinearizable { explained: 0, reasons: Vec::new() };
    let clocks = clocks(start.clock, calls);
    let mut search = Search { calls, clocks, visited: HashSet::new(), furthest };
    let mut open = vec![State { model: start, calls: vec![At::Waiting; calls.len()] }];
    while let Some(state) = open.pop() {
        if state.calls.iter().all(|at| *at == At::Returned) {
            return Ok(state.model);
        }
        let mut next = search.successors(&state);
        // The stack's top is tried first: the call that returned first is the likeliest to come first.
        next.reverse();
        open.extend(next);
    }
    Err(search.furthest)
}

impl Search<'_> {
    fn successors(&mut self, state: &State) -> Vec<State> {
        let pending = || self.calls.iter().zip(&state.calls).enumerate().filter(|(_, (_, at))| **at != At::Returned);
        let Some(first_return) = pending().map(|(_, (call, _))| call.returned).min() else { return Vec::new() };
        // A call that began after another returned comes after it.
        let mut enabled: Vec<usize> =
            pending().filter(|(_, (call, _))| call.invoked <= first_return).map(|(place, _)| place).collect();
        enabled.sort_by_key(|place| self.calls[*place].returned);
        let (mut next, mut reasons) = (Vec::new(), Vec::new());
        for place in enabled {
            for found in self.steps(state, place) {
                match found {
                    Ok(found) => next.push(found),
                    Err(reason) => reasons.push(format!("{:?}: {reason}", self.calls[place].request)),
                }
            }
        }
        let explained = state.calls.iter().filter(|at| **at == At::Returned).count();
        if next.is_empty() && explained >= self.furthest.explained {
            self.furthest = NotLinearizable { explained, reasons };
        }
        next.retain(|state| self.visited.insert(fingerprint(state)));
        next
    }

    /// The states that the next step of the call at `place` leads to, for every time that the clock has shown since it began.
    fn steps(&self, state: &State, place: usize) -> Vec<Result<State, String>> {
        let call = &self.calls[place];
        let progress = match state.calls[place] {
            At::Running(progress) => progress,
            At::Waiting | At::Returned => Progress::default(),
        };
        let mut found = Vec::new();
        let (began, now) = (call.clock.min(state.model.clock), call.clock.max(state.model.clock));
        for &now in self.clocks.range(began..=now).rev() {
            match state.model.clone().step(&call.request, &call.response, progress, now) {
                Err(reason) => found.push(Err(reason)),
                Ok(ways) => found.extend(ways.into_iter().map(|way| Ok(state.after(place, way)))),
            }
        }
        found
    }
}

impl State {
    fn after(&self, place: usize, next: Next) -> Self {
        let mut calls = self.calls.clone();
        let (model, at) = match next {
            Next::Continues(model, progress) => (model, At::Running(progress)),
            Next::Returned(model) => (model, At::Returned),
        };
        calls[place] = at;
        Self { model: *model, calls }
    }
}

fn clocks(start: Timestamp, calls: &[Call]) -> BTreeSet<Timestamp> {
    let mut advances: Vec<(u64, i64)> = calls
        .iter()
        .filter_map(|call| match call.request {
            Request::AdvanceClock { seconds } => Some((call.returned, seconds)),
            _ => None,
        })
        .collect();
    advances.sort_unstable();
    let times = advances.into_iter().scan(start, |now, (_, seconds)| {
        *now = now.plus_seconds(seconds);
        Some(*now)
    });
    std::iter::once(start).chain(times).collect()
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
