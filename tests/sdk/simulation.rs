//! Simulation of several devices of one account that use the SDK, under random schedules: `test/simulation` in the SDK's folder.
//!
//! `SDK_SCHEDULES` is the number of schedules (200 by default). `SIMULATION_SEED` selects a single one, which prints its steps.

use std::str::FromStr;
use std::time::Duration;

use futures_util::future::join_all;

use crate::node;
use crate::simulated_service::SimulatedService;

/// Number of concurrent workers. Each has its own service, and so its own clock.
const WORKERS: u64 = 2;

/// Time in which a worker starts.
const START: Duration = Duration::from_secs(60);

/// Time that one schedule may take.
const SCHEDULE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_with_the_sdk_converge_without_lost_edits() {
    if let Some(seed) = variable::<u64>("SIMULATION_SEED") {
        assert!(simulate(seed, seed + 1, 1).await, "schedule {seed} failed; its steps are printed above");
        return;
    }
    let schedules = variable("SDK_SCHEDULES").unwrap_or(200);
    let workers = (0..WORKERS).map(|worker| simulate(worker, schedules, WORKERS));
    let passed = join_all(workers).await.into_iter().all(|passed| passed);
    assert!(passed, "a schedule failed; its seed is printed above");
}

/// Runs the schedules whose seeds are `first`, `first + step` and so on, below `end`. Returns whether all passed.
async fn simulate(first: u64, end: u64, step: u64) -> bool {
    let service = SimulatedService::start().await;
    let seeds = [("FIRST_SEED", first), ("END_SEED", end), ("SEED_STEP", step)];
    let environment = seeds.map(|(name, value)| (name, value.to_string()));
    let schedules = u32::try_from(end.saturating_sub(first).div_ceil(step)).expect("a small number");
    let arguments = [service.url.as_str(), service.control_url.as_str()];
    node::run("test/simulation/main.ts", &arguments, &environment, START + SCHEDULE * schedules).await
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
