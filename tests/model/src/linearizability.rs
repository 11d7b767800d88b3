//! Linearizability check of a concurrent history, as Herlihy and Wing define it.
//!
//! Uses the search of Wing and Gong with the memoization of Lowe. The unit of the search is a step of a call rather
//! than a call, because a call that uses several stores is not atomic.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use shared::models::Timestamp;

use crate::call::Request;
use crate::response::Response;
use crate::steps::{Model, Progress, StepOutcome};

/// Call that has returned.
#[derive(Debug, Clone)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// The response.
    pub response: Response,
    /// Time of the invocation, on a counter of events.
    pub invoked: u64,
    /// Time of the return, on the same counter.
    pub returned: u64,
    /// Clock of the service at the invocation.
    pub clock: Timestamp,
}

/// Error: no sequential history explains the responses.
#[derive(Debug)]
pub struct NotLinearizable {
    /// Maximum number of calls that the search explained.
    explained: usize,
    /// Reasons why the remaining calls cannot be explained at that point.
    reasons: Vec<String>,
}

impl fmt::Display for NotLinearizable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "not linearizable: {} calls can be explained; after them:", self.explained)?;
        self.reasons.iter().try_for_each(|reason| writeln!(f, "  {reason}"))
    }
}

/// State of the search: the model and the progress of each call.
#[derive(Clone, Hash)]
struct State {
    model: Model,
    calls: Vec<CallState>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum CallState {
    NotStarted,
    Running(Progress),
    Returned,
}

struct Search<'a> {
    calls: &'a [Call],
    /// All values that the clock has had.
    clocks: BTreeSet<Timestamp>,
    visited: HashSet<u64>,
    furthest: NotLinearizable,
}

/// Finds a sequential history that explains `calls`; returns its final state.
///
/// # Errors
/// Returns an error if no such history exists.
pub fn linearize(start: Model, calls: &[Call]) -> Result<Model, NotLinearizable> {
    let furthest = NotLinearizable { explained: 0, reasons: Vec::new() };
    let clocks = clocks(start.clock, calls);
    let mut search = Search { calls, clocks, visited: HashSet::new(), furthest };
    let mut open = vec![State { model: start, calls: vec![CallState::NotStarted; calls.len()] }];
    while let Some(state) = open.pop() {
        if state.calls.iter().all(|at| *at == CallState::Returned) {
            return Ok(state.model);
        }
        let mut next = search.successors(&state);
        // The top of the stack is tried first. The call that returned first is most likely to be linearized first.
        next.reverse();
        open.extend(next);
    }
    Err(search.furthest)
}

impl Search<'_> {
    fn successors(&mut self, state: &State) -> Vec<State> {
        let pending =
            || self.calls.iter().zip(&state.calls).enumerate().filter(|(_, (_, at))| **at != CallState::Returned);
        let Some(first_return) = pending().map(|(_, (call, _))| call.returned).min() else { return Vec::new() };
        // A call that was invoked after another returned is linearized after it.
        let mut enabled: Vec<usize> =
            pending().filter(|(_, (call, _))| call.invoked <= first_return).map(|(index, _)| index).collect();
        enabled.sort_by_key(|index| self.calls[*index].returned);
        let (mut next, mut reasons) = (Vec::new(), Vec::new());
        for index in enabled {
            for found in self.steps(state, index) {
                match found {
                    Ok(found) => next.push(found),
                    Err(reason) => reasons.push(format!("{:?}: {reason}", self.calls[index].request)),
                }
            }
        }
        let explained = state.calls.iter().filter(|at| **at == CallState::Returned).count();
        if next.is_empty() && explained >= self.furthest.explained {
            self.furthest = NotLinearizable { explained, reasons };
        }
        next.retain(|state| self.visited.insert(fingerprint(state)));
        next
    }

    /// Returns the states after the next step of the call `index`, one for each value of the clock since its
    /// invocation.
    fn steps(&self, state: &State, index: usize) -> Vec<Result<State, String>> {
        let call = &self.calls[index];
        let progress = match state.calls[index] {
            CallState::Running(progress) => progress,
            CallState::NotStarted | CallState::Returned => Progress::default(),
        };
        let mut found = Vec::new();
        let (began, now) = (call.clock.min(state.model.clock), call.clock.max(state.model.clock));
        for &now in self.clocks.range(began..=now).rev() {
            match state.model.clone().step(&call.request, &call.response, progress, now) {
                Err(reason) => found.push(Err(reason)),
                Ok(outcomes) => found.extend(outcomes.into_iter().map(|outcome| Ok(state.after(index, outcome)))),
            }
        }
        found
    }
}

impl State {
    fn after(&self, index: usize, next: StepOutcome) -> Self {
        let mut calls = self.calls.clone();
        let (model, at) = match next {
            StepOutcome::Continues(model, progress) => (model, CallState::Running(progress)),
            StepOutcome::Returned(model) => (model, CallState::Returned),
        };
        calls[index] = at;
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
