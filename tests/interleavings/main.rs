//! Runs operations concurrently and explores the orders in which their requests reach the stores.
//!
//! Every request to a store is a scheduling point (`shared::schedule`): the executor holds it until it is chosen, so a
//! run is a sequence of choices. After the run, some sequential history must explain all responses (`tests/model`), no
//! response may be a 5xx, and no accepted edit may be lost.
//!
//! `INTERLEAVINGS=all` explores all interleavings (`tests/run exploration`); otherwise each pair of operations is
//! sampled. `SCHEDULE=17` runs one random schedule. `TEST_STORES` selects the stores.

mod clients;
mod cluster;
mod digest;
mod executor;
mod explore;
mod injected_races;
mod moves;
mod operations;
mod oracle;
mod race_detection;
mod run;
mod scenarios;
mod schedules;
mod wire;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Instant;

use futures_util::future::LocalBoxFuture;

use crate::cluster::Cluster;
use crate::explore::{Combination, Coverage, combinations, explore};
use crate::operations::Operation;
use crate::scenarios::InitialState;
use crate::schedules::Schedule;
use crate::workers::MakeCluster;

/// Returns whether all interleavings are explored.
fn explores_all() -> bool {
    std::env::var("INTERLEAVINGS").is_ok_and(|coverage| coverage == "all")
}

fn on_servers() -> bool {
    std::env::var("TEST_STORES").is_ok_and(|stores| stores == "servers")
}

/// Creates a cluster on the selected stores whose accounts may have `quota` items.
fn make_cluster(quota: Option<i64>) -> LocalBoxFuture<'static, Cluster> {
    if on_servers() { Box::pin(Cluster::on_servers(quota)) } else { Box::pin(Cluster::embedded(|file| file, quota)) }
}

fn cluster() -> LocalBoxFuture<'static, Cluster> {
    make_cluster(None)
}

fn cluster_with_quota() -> LocalBoxFuture<'static, Cluster> {
    make_cluster(InitialState::AlmostFull.quota())
}

/// Explores `combinations`, prints the number of interleavings, and writes the number per set of operations to a file.
fn explore_all(name: &str, make_cluster: MakeCluster<'_>, combinations: &[Combination], sample: usize) {
    let started = Instant::now();
    let counts = workers::for_each(make_cluster, combinations, async |cluster, index, combination| {
        let coverage = if explores_all() { Coverage::All } else { Coverage::Sample(sample, index as u64) };
        explore(cluster, combination, coverage).await
    });
    let total: usize = counts.iter().filter_map(|count| count.as_ref().ok()).sum();
    eprintln!("{name}: {} combinations, {total} interleavings in {:?}", combinations.len(), started.elapsed());
    let mut totals: BTreeMap<String, usize> = BTreeMap::new();
    for (combination, count) in combinations.iter().zip(&counts) {
        *totals.entry(format!("{:?}", combination.operations)).or_default() += count.as_ref().unwrap_or(&0);
    }
    let table: String = totals.iter().map(|(operations, count)| format!("{count:>8} {operations}\n")).collect();
    let file = format!("{}/../target/interleavings-{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(file, table).expect("the target folder is writable");
    report(counts.into_iter().filter_map(Result::err).collect());
}

/// Prints the first failures and panics if there are any.
fn report<F: Display>(failures: Vec<F>) {
    failures.iter().take(5).for_each(|failure| eprintln!("{failure}"));
    assert!(failures.is_empty(), "{} runs violate the contract", failures.len());
}

#[test]
fn every_pair_of_operations_is_linearizable() {
    let all = InitialState::ALL.into_iter().flat_map(|state| combinations(state, 2));
    if on_servers() {
        // An operation that sends a single request cannot be interrupted.
        let sends_several_requests =
            |operation: &Operation| !matches!(operation, Operation::RequestReset | Operation::AdvanceTime);
        let pairs = all.filter(|pair| pair.operations.iter().all(sends_several_requests));
        // Each pair in one state only: setting up a state takes ten times as long on servers.
        let mut seen = BTreeSet::new();
        let pairs = pairs.filter(|pair| seen.insert(format!("{:?}", pair.operations))).collect::<Vec<_>>();
        return explore_all("pairs-on-servers", &cluster, &pairs, 1);
    }
    explore_all("pairs", &cluster, &all.collect::<Vec<_>>(), 1);
}

/// Three concurrent operations on sync data, in the states in which they interact most; on the embedded stores only.
#[test]
fn triples_of_operations_are_linearizable() {
    if on_servers() {
        return;
    }
    let is_short = |triple: &Combination| triple.operations.iter().all(|operation| operation.is_short());
    let states = [
        InitialState::Item,
        InitialState::OpenConflict,
        InitialState::LocalWonConflict,
        InitialState::ConflictWithCopy,
        InitialState::PurgeDue,
    ];
    let triples: Vec<Combination> =
        states.into_iter().flat_map(|state| combinations(state, 3)).filter(is_short).collect();
    // Enough triples to combine each operation with most others; fewer for a sample.
    let step = if explores_all() { triples.len() / 400 } else { triples.len() / 150 };
    explore_all("triples", &cluster, &triples.into_iter().step_by(step.max(1)).collect::<Vec<_>>(), 4);
}

/// Concurrent writes to an account with room for one more item.
#[test]
fn pairs_of_operations_at_the_quota_are_linearizable() {
    let pairs: Vec<Combination> = InitialState::AT_QUOTA.into_iter().flat_map(|state| combinations(state, 2)).collect();
    explore_all("quota", &cluster_with_quota, &pairs, if on_servers() { 1 } else { 8 });
}

#[test]
fn random_schedules_are_linearizable() {
    if let Some(seed) = variable("SCHEDULE") {
        return check_schedules(seed..seed + 1);
    }
    let count = match (explores_all(), on_servers()) {
        (true, false) => 10_000,
        (true, true) => 1_000,
        (false, false) => 400,
        (false, true) => 150,
    };
    check_schedules(0..variable("SCHEDULES").unwrap_or(count));
}

fn check_schedules(seeds: std::ops::Range<u64>) {
    let started = Instant::now();
    let seeds: Vec<u64> = seeds.collect();
    let results =
        workers::for_each(&cluster, &seeds, async |cluster, _, seed| Schedule::new(*seed).check(cluster).await);
    eprintln!("{} random schedules in {:?}", seeds.len(), started.elapsed());
    report(results.into_iter().filter_map(Result::err).collect());
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
