//! Simulation of several devices of one account under random schedules.
//!
//! The seed determines a schedule: offline edits and deletions, lost responses, repeated changes, clocks off by a day, all
//! conflict strategies, fields that only some devices know, restored versions, and uploads, resolutions and purges in sequence and
//! concurrently. Every other schedule has an account that is soon full. After every download the digest of the device is that of
//! the server. At the end of a schedule all devices have the same state, and every edit exists in an item, in a replaced version or
//! in a conflict, unless it is older than the retention period. Some accounts are then deleted while their devices upload.
//!
//! `SIMULATION_SCHEDULES` is the number of schedules (1,000 by default). `SIMULATION_SEED` selects a single one, which prints
//! its steps.

mod actions;
mod checks;
mod restores;
mod world;

use std::str::FromStr;

use futures_util::FutureExt;
use tests::Service;
use world::World;

/// Number of concurrent workers. Each has its own service, and so its own clock.
const WORKERS: u64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn devices_converge_without_lost_edits() {
    if let Some(seed) = variable("SIMULATION_SEED") {
        let service = start_service(seed).await;
        return World::new(&service, seed).await.run(true).await;
    }
    let schedules = variable("SIMULATION_SCHEDULES").unwrap_or(1_000);
    let workers = (0..WORKERS).map(|worker| tokio::spawn(run_schedules(worker, schedules)));
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a schedule failed; its seed is printed above");
    }
}

/// Starts the service for the schedule `seed`: with a small quota for every other one.
async fn start_service(seed: u64) -> Service {
    let quota = [("USER_ITEMS", "9"), ("USER_BYTES", "40000")];
    let quota = if seed.is_multiple_of(2) { &[][..] } else { &quota };
    Service::with_settings(&[&[("RATE_LIMITS", "off")], quota].concat()).await
}

/// Runs every schedule whose seed leaves the remainder `worker`.
async fn run_schedules(worker: u64, schedules: u64) {
    let service = start_service(worker).await;
    for seed in (worker..schedules).step_by(WORKERS as usize) {
        let world = World::new(&service, seed).await;
        let outcome = std::panic::AssertUnwindSafe(world.run(false)).catch_unwind().await;
        if let Err(panic) = outcome {
            eprintln!("schedule {seed} failed; reproduce: SIMULATION_SEED={seed} tests/run simulation");
            std::panic::resume_unwind(panic);
        }
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
