//! Simulation of several devices of one account under random schedules.
//!
//! The seed determines a schedule: offline edits and deletions, lost responses, repeated changes, clocks off by a day, all
//! conflict strategies, and uploads, resolutions and purges in sequence and concurrently. At the end of a schedule all devices
//! have the same state, and every edit that no user knowingly replaced exists as an item, as a copy or in a conflict. Some
//! accounts are then deleted while their devices upload.
//!
//! `SIMULATION_SCHEDULES` is the number of schedules (1,000 by default). `SIMULATION_SEED` selects a single one, which prints
//! its steps.

mod actions;
mod checks;
mod world;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use tests::Service;
use world::World;

/// Number of concurrent workers. Each has its own service, and so its own clock.
const WORKERS: u64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn devices_converge_without_lost_edits() {
    if let Some(seed) = variable("SIMULATION_SEED") {
        let service = Service::start().await;
        return World::new(&service, seed).await.run(true).await;
    }
    let schedules = variable("SIMULATION_SCHEDULES").unwrap_or(1_000);
    let next = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|_| tokio::spawn(run_schedules(Arc::clone(&next), schedules)));
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a schedule failed; its seed is printed above");
    }
}

async fn run_schedules(next: Arc<AtomicU64>, schedules: u64) {
    let service = Service::start().await;
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= schedules {
            return;
        }
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
