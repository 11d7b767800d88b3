//! Moves of a user between two databases beside every other operation. The hints of all sessions become old.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use shared::models::Strategy;

use crate::cluster::Cluster;
use crate::explore::{Combination, Coverage, combinations, explore};
use crate::injected_races::{InjectedRace, RacyTransport};
use crate::operations::Operation;
use crate::scenarios::InitialState;
use crate::{explore_all, explores_all, on_servers};

fn cluster() -> futures_util::future::LocalBoxFuture<'static, Cluster> {
    Box::pin(Cluster::with_databases(|database| database))
}

/// Number of states in which an operation runs beside a move, unless all are explored.
const STATES: usize = 3;

/// Returns every operation beside `moves`, in states in which it applies.
fn beside(moves: &[Operation], states: usize) -> Vec<Combination> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_wanted = |combination: &Combination| {
        let count = counts.entry(format!("{:?}", combination.operations)).or_default();
        *count += 1;
        *count <= states
    };
    let beside = |combination: Combination| {
        let operations = moves.iter().chain(&combination.operations).copied().collect();
        Combination { operations, ..combination }
    };
    InitialState::ALL
        .into_iter()
        .flat_map(|state| combinations(state, 1))
        .filter(|combination| is_wanted(combination))
        .map(beside)
        .collect()
}

#[test]
fn moves_beside_any_operation_are_linearizable() {
    if !on_servers() {
        return;
    }
    let states = if explores_all() { usize::MAX } else { STATES };
    let pairs = beside(&[Operation::Move], states);
    assert!(pairs.len() > 40 * STATES.min(states), "{}", pairs.len());
    explore_all("moves", &cluster, &pairs, if explores_all() { 20 } else { 2 });
}

#[test]
fn several_moves_beside_any_operation_are_linearizable() {
    if !on_servers() {
        return;
    }
    let (states, step) = if explores_all() { (usize::MAX, 1) } else { (1, 3) };
    let moves = [Operation::Move, Operation::MoveBack, Operation::Purge];
    let triples = moves.iter().flat_map(|second| beside(&[Operation::Move, *second], states));
    let triples: Vec<_> = triples.step_by(step).collect();
    assert!(triples.len() > 30, "{}", triples.len());
    explore_all("several-moves", &cluster, &triples, 2);
}

#[test]
fn a_move_from_an_open_source_is_not_linearizable() {
    if !on_servers() {
        return;
    }
    let update = Operation::Update(Strategy::LastWriteWins);
    let combination = Combination { state: InitialState::Item, operations: vec![Operation::Move, update] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime builds");
    runtime.block_on(async {
        let race = InjectedRace::SourceNotClosed;
        let coverage = Coverage::Sample(40, 1);
        explore(&Rc::new(cluster().await), &combination, coverage).await.expect("the service has no such race");
        let racy = Cluster::with_databases(|file| Arc::new(RacyTransport { file, race })).await;
        let failure = explore(&Rc::new(racy), &combination, coverage).await.expect_err("the race is detected");
        eprintln!("{race:?}: {failure}");
    });
}
