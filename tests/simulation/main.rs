//! Several devices of one account live through a random schedule, and nothing is lost.
//!
//! A schedule is drawn from its seed: offline edits and deletions, answers that are lost, repeats, clocks a day off,
//! all strategies; uploads, resolutions and purges one after the other and at once. At its end all devices hold the same,
//! and every edit that nobody knowingly replaced is still there, as the item, as a copy or in a conflict. Some accounts are
//! then deleted while their devices upload.
//!
//! `SIMULATION_SCHEDULES` says how many schedules are run (1,000 by default), `SIMULATION_SEED` runs a single one.

mod actions;
mod verdict;
mod world;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use tests::Service;
use world::World;

/// Schedules run at once: each worker has a service, and so a clock, of its own.
const WORKERS: u64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_and_all_devices_agree() {
    if let Some(seed) = variable("SIMULATION_SEED") {
        let service = Service::start().await;
        return World::new(&service, seed).await.live(true).await;
    }
    let schedules = variable("SIMULATION_SCHEDULES").unwrap_or(1_000);
    let next = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|_| tokio::spawn(work(Arc::clone(&next), schedules)));
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a schedule failed; its seed is printed above");
    }
}

async fn work(next: Arc<AtomicU64>, schedules: u64) {
    let service = Service::start().await;
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= schedules {
            return;
        }
        let world = World::new(&service, seed).await;
        let lived = std::panic::AssertUnwindSafe(world.live(false)).catch_unwind().await;
        if let Err(panic) = lived {
            eprintln!("schedule {seed} failed; alone: SIMULATION_SEED={seed} tests/run simulation");
            std::panic::resume_unwind(panic);
        }
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
