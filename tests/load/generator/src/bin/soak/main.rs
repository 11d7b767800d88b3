//! Soak test, `tests/load/soak [MINUTES [SEED]]`: runs the server binary under mixed load on real stores and restarts
//! one of them every minute. The clients record acknowledged changes, retry requests until they succeed, and regularly
//! verify all data. The seed determines the load, but not the interleaving of requests.
#![expect(clippy::print_stdout, reason = "the results are the output of this program")]

mod accounts;
mod conflicts;
mod expected_state;
mod memory;
mod monitor;
mod retry;
mod stats;
mod stores;
mod uploads;
mod user;
mod verification;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use shared::clock::{SystemRandom, random_bytes};
use tests::Api;
use tokio::time::sleep;

use crate::memory::Memory;
use crate::monitor::Monitor;
use crate::retry::with_retries;
use crate::stores::Stores;
use crate::user::User;

const USERS: usize = 12;
const MINUTE: Duration = Duration::from_secs(60);
/// Interval between two memory samples.
const SAMPLE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let (minutes, seed) = arguments();
    println!("{minutes} minutes; rerun with: tests/load/soak {minutes} {seed}");
    let mut rng = Rng::with_seed(seed);
    let (mut stores, folder) = (Stores::start().await, tests::scratch_dir());
    let server = stores.serve(folder.path()).await;
    let (monitor, mut memory) = (Arc::new(Monitor::new()), Memory::of(server.pid()));
    let begin = |index| tokio::spawn(live(index, with_retries(&server.api, &monitor), monitor.clone(), rng.fork()));
    let users: Vec<_> = (0..USERS).map(begin).collect();
    for minute in 1..=minutes {
        let end = Instant::now() + MINUTE;
        if minute > 1 {
            stores.restart_next(&monitor, &mut rng).await;
        }
        while Instant::now() < end {
            sleep(SAMPLE.min(end - Instant::now())).await;
            memory.sample();
        }
        println!("{}", monitor.minute(minute, memory.newest()));
    }
    monitor.finish();
    for user in users {
        user.await.expect("the task of a user does not panic");
    }
    let is_flat = memory.report();
    if !server.stop().await {
        monitor.violation("the server did not shut down cleanly");
    }
    if monitor.report() && is_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Parses the duration in minutes and the seed.
fn arguments() -> (u64, u64) {
    let mut values = std::env::args().skip(1);
    let mut number = |name: &str| {
        let text = values.next()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} must be a number, but is {text}")))
    };
    let minutes = number("MINUTES").unwrap_or(30);
    (minutes, number("SEED").unwrap_or_else(|| u32::from_le_bytes(random_bytes(&SystemRandom)).into()))
}

/// Runs users one after another: a new one replaces a user whose task panicked.
async fn live(index: usize, api: Api, monitor: Arc<Monitor>, mut rng: Rng) {
    for life in 0.. {
        let name = format!("user{index}-{life}");
        let living = tokio::spawn(User::live(name.clone(), api.clone(), monitor.clone(), rng.fork()));
        let Err(panic) = living.await else { return };
        monitor.violation(&format!("{name} panicked: {panic}"));
        if monitor.is_finished() {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}
