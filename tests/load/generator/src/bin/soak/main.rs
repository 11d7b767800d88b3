//! `tests/load/soak [MINUTES [SEED]]`: the server's own binary under mixed load on real servers, one of which is ended and
//! started again each minute. The clients remember what was acknowledged, ask again until they are answered, and look now
//! and then whether everything is there. The load is drawn from the seed; how requests meet is not.
#![expect(clippy::print_stdout, reason = "what comes of it is what whoever runs this wants to see")]

mod accounts;
mod books;
mod conflicts;
mod figures;
mod memory;
mod patience;
mod stores;
mod uploads;
mod user;
mod verdict;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use shared::clock::{SystemRandom, random_bytes};
use tests::Api;
use tokio::time::sleep;

use crate::memory::Memory;
use crate::patience::patient;
use crate::stores::Stores;
use crate::user::User;
use crate::watch::Watch;

const USERS: usize = 12;
const MINUTE: Duration = Duration::from_secs(60);
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let (minutes, seed) = asked();
    println!("{minutes} minutes; with the same load: tests/load/soak {minutes} {seed}");
    let mut dice = Rng::with_seed(seed);
    let (mut stores, folder) = (Stores::start().await, tests::scratch_dir());
    let server = stores.serve(folder.path()).await;
    let (watch, mut memory) = (Arc::new(Watch::new()), Memory::of(server.pid()));
    let begin = |place| tokio::spawn(live(place, patient(&server.api, &watch), watch.clone(), dice.fork()));
    let users: Vec<_> = (0..USERS).map(begin).collect();
    for minute in 1..=minutes {
        let end = Instant::now() + MINUTE;
        if minute > 1 {
            stores.restart_next(&watch, &mut dice).await;
        }
        while Instant::now() < end {
            sleep(SAMPLE.min(end - Instant::now())).await;
            memory.sample();
        }
        println!("{}", watch.minute(minute, memory.newest()));
    }
    watch.finish();
    for user in users {
        user.await.expect("whoever looks after a user does not panic");
    }
    let is_flat = memory.tell();
    if !server.stop().await {
        watch.wrong("the server does not end well");
    }
    if watch.tell() && is_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// For how many minutes, and by which seed.
fn asked() -> (u64, u64) {
    let mut arguments = std::env::args().skip(1);
    let mut number = |what: &str| {
        let text = arguments.next()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{what} must be a number, but is {text}")))
    };
    let minutes = number("MINUTES").unwrap_or(30);
    (minutes, number("SEED").unwrap_or_else(|| u32::from_le_bytes(random_bytes(&SystemRandom)).into()))
}

/// A user until the end, and another one wherever one cannot go on.
async fn live(place: usize, api: Api, watch: Arc<Watch>, mut dice: Rng) {
    for life in 0.. {
        let name = format!("user{place}-{life}");
        let living = tokio::spawn(User::live(name.clone(), api.clone(), watch.clone(), dice.fork()));
        let Err(panic) = living.await else { return };
        watch.wrong(&format!("{name} cannot go on: {panic}"));
        if watch.is_over() {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}
