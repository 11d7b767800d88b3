//! Fuzzer that searches for the requests that cost the server the most processor time:
//! `cargo run --release -p costliest -- [SECONDS] [SEED]`, by default 60 seconds with seed 1.
//!
//! A [`Recipe`](tests::cost::Recipe) describes a request of any size in a line. The search starts from the examples in the
//! OpenAPI document, and replaces parts of them by hostile ones ([`dictionary`]). For every route the costliest requests that
//! differ are kept ([`population`]), and changed at random to make them costlier ([`mutation`]). The service runs in this
//! process, with a password hash that costs nearly nothing.
//!
//! It fails if an upload costs more than five times an honest one of 10 MB, or another request more than 100 ms.
#![expect(clippy::print_stdout, reason = "the results are the output of this program")]

mod dictionary;
mod mutation;
mod population;
mod report;
mod routes;
mod search;
mod sweep;

use std::process::ExitCode;
use std::time::Duration;

use search::{Bounds, Search};
use tests::cost::{Recipe, Stage};

/// The rule: multiple of an honest upload that an upload may cost, and cost of any other request.
const UPLOAD_RATIO: u32 = 5;
const MAX_COST: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> ExitCode {
    let mut stage = Stage::prepare().await;
    if std::env::args().nth(1).as_deref() == Some("measure") {
        return measure_lines(&mut stage).await;
    }
    let (seconds, seed) = (argument(1).unwrap_or(60), argument(2).unwrap_or(1));
    let honest = stage.honest_cost().await;
    let bounds = Bounds { upload: honest * UPLOAD_RATIO, other: MAX_COST };
    let document = serde_json::from_str(&local::document().expect("it can be written")).expect("JSON");
    let mut search = Search::new(stage, &document, bounds, seed);
    let tried = search.run(Duration::from_secs(seconds)).await;
    println!("{tried} requests in {seconds} s with seed {seed}; an honest upload: {} ms\n", honest.as_millis());
    if search.report().await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The number at `index` of the command line, if it is given.
fn argument(index: usize) -> Option<u64> {
    std::env::args().nth(index).map(|number| number.parse().expect("SECONDS and SEED are numbers"))
}

/// Measures the recipes on the standard input, one per line.
async fn measure_lines(stage: &mut Stage) -> ExitCode {
    for line in std::io::stdin().lines() {
        let line = line.expect("the input is text");
        let recipe: Recipe = serde_json::from_str(&line).expect("a recipe");
        let measured = stage.lowest_cost(&recipe, Duration::ZERO).await.expect("a server would read it");
        println!("{:>10.1} ms {} {line}", measured.cpu.as_secs_f64() * 1e3, measured.status);
    }
    ExitCode::SUCCESS
}
