//! Runs operations side by side and tries the orders in which their requests reach the stores.
//!
//! Every request to a store is a scheduling point (`shared::schedule`): the explorer holds it until it is chosen, so that a
//! run is a sequence of choices. Afterwards some sequential history must explain all answers (`tests/model`), no answer may
//! be a 5xx, and no accepted edit may be lost.
//!
//! `INTERLEAVINGS=all` explores everything (`tests/run exploration`); otherwise each pair of operations is sampled.
//! `SCHEDULE=17` runs one random schedule alone. `TEST_STORES` chooses the stores.

mod clients;
mod executor;
mod explore;
mod operations;
mod oracle;
mod races;
mod run;
mod scenes;
mod schedules;
mod seen_to_fail;
mod wire;
mod workers;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Instant;

use futures_util::future::LocalBoxFuture;

use crate::explore::{Encounter, Extent, encounters, explore};
use crate::operations::Operation;
use crate::scenes::Start;
use crate::schedules::Schedule;
use crate::world::World;

/// Whether everything is explored.
fn explores_all() -> bool {
    std::env::var("INTERLEAVINGS").is_ok_and(|extent| extent == "all")
}

fn on_servers() -> bool {
    std::env::var("TEST_STORES").is_ok_and(|stores| stores == "servers")
}

/// The stores that are asked for.
fn world() -> LocalBoxFuture<'static, World> {
    if on_servers() { Box::pin(World::on_servers()) } else { Box::pin(World::embedded(|file| file)) }
}

/// Explores all `encounters` and prints how many interleavings that took; those of each set of operations go to a file.
fn explore_all(what: &str, encounters: &[Encounter], sample: usize) {
    let started = Instant::now();
    let counts = workers::for_each(&world, encounters, async |world, place, encounter| {
        let extent = if explores_all() { Extent::All } else { Extent::Sample(sample, place as u64) };
        explore(world, encounter, extent).await
    });
    let total: usize = counts.iter().filter_map(|count| count.as_ref().ok()).sum();
    eprintln!("{what}: {} encounters, {total} interleavings in {:?}", encounters.len(), started.elapsed());
    let mut of_operations: BTreeMap<String, usize> = BTreeMap::new();
    for (encounter, count) in encounters.iter().zip(&counts) {
        *of_operations.entry(format!("{:?}", encounter.operations)).or_default() += count.as_ref().unwrap_or(&0);
    }
    let table: String = of_operations.iter().map(|(operations, count)| format!("{count:>8} {operations}\n")).collect();
    let file = format!("{}/../target/interleavings-{what}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(file, table).expect("the target folder is writable");
    report(counts.into_iter().filter_map(Result::err).collect());
}

/// Prints the first few failures, and fails if there are any.
fn report<F: Display>(failures: Vec<F>) {
    failures.iter().take(5).for_each(|failure| eprintln!("{failure}"));
    assert!(failures.is_empty(), "{} runs cannot be explained", failures.len());
}

#[test]
fn every_pair_of_operations_is_linearizable() {
    let all = Start::ALL.into_iter().flat_map(|start| encounters(start, 2));
    if on_servers() {
        // An operation of a single request cannot be interrupted.
        let takes_several =
            |operation: &Operation| !matches!(operation, Operation::RequestReset | Operation::TimePasses);
        let pairs = all.filter(|pair| pair.operations.iter().all(takes_several));
        // Each pair in one state: making one takes servers ten times as long.
        let mut seen = BTreeSet::new();
        let pairs = pairs.filter(|pair| seen.insert(format!("{:?}", pair.operations))).collect::<Vec<_>>();
        return explore_all("pairs-on-servers", &pairs, 1);
    }
    explore_all("pairs", &all.collect::<Vec<_>>(), 1);
}

/// Three operations on sync data, in the states in which they have most to do with each other; on the file alone.
#[test]
fn triples_of_operations_are_linearizable() {
    if on_servers() {
        return;
    }
    let meets = |triple: &Encounter| triple.operations.iter().all(|operation| operation.is_short());
    let starts = [Start::Item, Start::OpenConflict, Start::WonConflict, Start::Copy, Start::PurgeDue];
    let triples: Vec<Encounter> = starts.into_iter().flat_map(|start| encounters(start, 3)).filter(meets).collect();
    // Enough to cover each operation with most others; a sample has to do with fewer.
    let step = if explores_all() { triples.len() / 400 } else { triples.len() / 150 };
    explore_all("triples", &triples.into_iter().step_by(step.max(1)).collect::<Vec<_>>(), 4);
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
    let results = workers::for_each(&world, &seeds, async |world, _, seed| Schedule::new(*seed).check(world).await);
    eprintln!("{} random schedules in {:?}", seeds.len(), started.elapsed());
    report(results.into_iter().filter_map(Result::err).collect());
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
