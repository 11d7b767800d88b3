//! Fuzzer that searches for the texts that take the secret scanner the most time per byte:
//! `cargo run --release -p slowest -- [SECONDS] [SEED]`, by default 60 seconds with seed 1.
//!
//! A [`Candidate`] is a text of 64 KiB that repeats short units of the scanner's own words ([`Dictionary`]). The slowest
//! ones that differ are kept ([`Population`]), and changed at random to make them slower. They are printed as runs: a
//! string stands there once, one with a number in front is repeated for that share of the text.
#![expect(clippy::print_stdout, reason = "the results are the output of this program")]

mod candidate;
mod dictionary;
mod measure;
mod population;

use std::time::{Duration, Instant};

use candidate::Candidate;
use dictionary::Dictionary;
use population::Population;

/// Length of the texts of the search, of those that come first to save time, and of the longest ones that the results are
/// measured with.
const SHORT: usize = 64 << 10;
const SHORTER: usize = 4 << 10;
const LONG: usize = 1 << 20;

/// Number of candidates printed.
const RESULTS: usize = 10;

/// Nanoseconds of a scan after which no longer text is tried: if its cost were quadratic, it would not end.
const TOO_LONG: f64 = 5e9;

fn main() {
    let (seconds, seed) = (argument(1).unwrap_or(60), argument(2).unwrap_or(1));
    let corpus = measure::corpus();
    let before = measure::ordinary(&corpus);
    let (population, tried) = search(&Dictionary::read(&corpus), Duration::from_secs(seconds), seed);
    let ordinary = before.min(measure::ordinary(&corpus));
    println!("{tried} texts in {seconds} s with seed {seed}; ordinary items: {ordinary:.1} ns/byte\n");
    println!("{:>8} {:>7} {:>15} {:>7}  {:<12}text", "ns/byte", "ratio", "longer", "ratio", "field");
    for result in results(&population).iter().take(RESULTS) {
        print_result(result, ordinary);
    }
}

/// The number at `index` of the command line, if it is given.
fn argument(index: usize) -> Option<u64> {
    std::env::args().nth(index).map(|number| number.parse().expect("SECONDS and SEED are numbers"))
}

/// Returns the population after `limit`, and the number of candidates tried. The first quarter of the time makes up
/// candidates at random; the rest mostly changes those in the population. One that is fast as a shorter text is mostly
/// dropped, but not always, because its cost may grow faster than the text.
fn search(dictionary: &Dictionary, limit: Duration, seed: u64) -> (Population, usize) {
    let (mut population, mut tried) = (Population::default(), 0);
    let (mut rng, start) = (fastrand::Rng::with_seed(seed), Instant::now());
    while start.elapsed() < limit {
        let improves = start.elapsed() > limit / 4 && rng.u8(..10) > 0;
        let candidate = match (population.any(&mut rng), population.any(&mut rng)) {
            (Some(one), Some(other)) if improves => one.changed(other, dictionary, &mut rng),
            _ => Candidate::random(dictionary, &mut rng),
        };
        let threshold = population.threshold(&candidate);
        tried += 1;
        if rng.u8(..10) > 0 && measure::cost(&candidate.text(SHORTER), threshold).0 < threshold * 0.95 {
            continue;
        }
        let (cost, _) = measure::cost(&candidate.text(SHORT), threshold);
        if cost > threshold {
            population.admit(candidate, cost);
        }
    }
    (population, tried)
}

/// Candidate with its cost in the field where it is higher.
struct Measured<'a> {
    candidate: &'a Candidate,
    cost: f64,
    field: &'static str,
}

/// Measures the population again, because other processes may have disturbed the search. The slowest come first.
fn results(population: &Population) -> Vec<Measured<'_>> {
    let mut results = Vec::new();
    for candidate in population.candidates() {
        let (cost, field) = measure::cost(&candidate.text(SHORT), 0.0);
        results.push(Measured { candidate, cost, field });
    }
    results.sort_by(|one, other| other.cost.total_cmp(&one.cost));
    results
}

/// Prints a result with the cost of a longer text, which shows if it grows faster than the text.
fn print_result(&Measured { candidate, cost, field }: &Measured<'_>, ordinary: f64) {
    let (mut length, mut long) = (SHORT, cost);
    while length < LONG && long * (length as f64) < TOO_LONG {
        length *= 4;
        long = measure::in_field(field, &candidate.text(length), 0.0);
    }
    let (ratio, long_ratio, kib) = (cost / ordinary, long / ordinary, length >> 10);
    println!("{cost:>8.1} {ratio:>6.1}x {long:>8.1}@{kib:>4}K {long_ratio:>6.1}x  {field:<12}{candidate}");
}
