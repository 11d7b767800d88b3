//! `kill -9` at any moment: what was acknowledged is whole, nothing is half there, and a repeat completes the rest.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tests::{Api, Device, Key, KnownItem, Request, ServerProcess, saved_query};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::accounts::sign_up;

/// How often the server is killed.
const KILLS: usize = 100;
const CLIENTS: usize = 4;
/// Items in each upload.
const BATCH: usize = 20;
/// Milliseconds after which the server is killed.
const LIFETIMES: std::ops::Range<u64> = 5..150;
const STARTS: usize = 25;
/// `CRASH_SEED` in the environment takes its place.
const SEED: u64 = 42;

/// The uploads of one client during one life of the server.
#[derive(Default)]
struct Log {
    acknowledged: Vec<String>,
    /// The one whose response never came.
    unanswered: Option<Device>,
}

fn dice() -> fastrand::Rng {
    let seed = std::env::var("CRASH_SEED").map_or(SEED, |seed| seed.parse().expect("CRASH_SEED is a number"));
    println_seed(seed);
    fastrand::Rng::with_seed(seed)
}

#[expect(clippy::print_stdout, reason = "a failure is looked into with it")]
fn println_seed(seed: u64) {
    println!("CRASH_SEED={seed}");
}

/// A device with one batch to upload, its items named after the batch.
fn batch(api: &Api, token: &str, client: usize, name: &str) -> Device {
    let mut device = Device::new(api, token, &format!("client{client}"));
    let time = "2026-01-01T00:00:00Z".parse().expect("a time");
    for item in 0..BATCH {
        let data = saved_query(name, &format!("select {item}"));
        device.write("saved_query", &format!("{name}/{item}"), data, time);
    }
    device
}

/// Uploads batch after batch until the server is gone.
async fn upload_on(api: Api, token: String, client: usize, life: usize) -> Log {
    let mut log = Log::default();
    for number in 0.. {
        let name = format!("{life}-{client}-{number}");
        let device = batch(&api, &token, client, &name);
        let request = Request::post("/api/sync/upload", &device.upload_body()).bearer(&token);
        let Some(response) = api.try_send(request).await else {
            log.unanswered = Some(device);
            return log;
        };
        let response = response.expect(200);
        assert_eq!(response["applied"].as_array().map(Vec::len), Some(BATCH), "{response}");
        log.acknowledged.push(name);
    }
    log
}

/// One life of the server: uploads, then death.
async fn live_and_die(server: ServerProcess, token: &str, life: usize, lifetime: Duration) -> Vec<Log> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(upload_on(server.api.clone(), token.to_owned(), client, life));
    }
    tokio::time::sleep(lifetime).await;
    server.kill().await;
    clients.join_all().await
}

/// How many items of each batch there are.
fn count(known: &BTreeMap<Key, KnownItem>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for ((_, id), item) in known {
        let (name, _) = id.split_once('/').expect("items are named after their batch");
        assert_eq!(item.version, 1, "{id} was written twice");
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

/// After a restart: looks at what is there, repeats what was not answered, and looks again.
async fn make_sure(server: &ServerProcess, token: &str, watcher: &mut Device, logs: Vec<Log>) -> usize {
    watcher.download().await;
    let counts = count(&watcher.known);
    let split: Vec<_> = counts.iter().filter(|(_, count)| **count != BATCH).collect();
    assert!(split.is_empty(), "half there: {split:?}");
    let mut landed = 0;
    for log in logs {
        for name in log.acknowledged {
            assert_eq!(counts.get(&name), Some(&BATCH), "{name} was acknowledged and is gone");
        }
        let Some(device) = log.unanswered else { continue };
        let repeat = Request::post("/api/sync/upload", &device.upload_body()).bearer(token);
        let response = server.api.send(repeat).await.expect(200);
        let applied = response["applied"].as_array().expect("a list");
        assert_eq!(applied.len(), BATCH, "{response}");
        assert!(applied.iter().all(|applied| applied["sync_version"] == 1), "{response}");
        landed += usize::from(device.pending.iter().all(|change| watcher.known.contains_key(&change.key)));
    }
    watcher.download().await;
    assert!(count(&watcher.known).values().all(|count| *count == BATCH));
    landed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_halved_or_doubled_by_kill_9() {
    let folder = tests::scratch_dir();
    let mut dice = dice();
    let mut server = ServerProcess::start(folder.path()).await;
    let token = sign_up(&server.api, "ada").await;
    let (mut known, mut since, mut landed) = (BTreeMap::new(), None, 0);
    for life in 0..KILLS {
        let logs = live_and_die(server, &token, life, Duration::from_millis(dice.u64(LIFETIMES))).await;
        server = ServerProcess::start(folder.path()).await;
        let mut watcher = Device::new(&server.api, &token, "watcher");
        (watcher.known, watcher.since) = (known, since);
        landed += make_sure(&server, &token, &mut watcher, logs).await;
        (known, since) = (watcher.known, watcher.since);
    }
    let mut late = Device::new(&server.api, &token, "late");
    late.download().await;
    assert!(late.known.keys().eq(known.keys()), "a new device sees something else");
    crate::volume::tell(&format!("{KILLS} kills, {} items, {landed} uploads landed unanswered", known.len()));
}

/// Starts a server and kills it right away, perhaps in the middle of a migration.
async fn die_young(folder: &Path, lifetime: Duration) {
    let mut child = Command::new(ServerProcess::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    tokio::time::sleep(lifetime).await;
    child.kill().await.expect("the server can be killed");
}

#[tokio::test]
async fn a_server_killed_while_it_starts_starts_the_next_time() {
    let mut dice = dice();
    for _ in 0..STARTS {
        let folder = tests::scratch_dir();
        die_young(folder.path(), Duration::from_millis(dice.u64(1..60))).await;
        let server = ServerProcess::start(folder.path()).await;
        sign_up(&server.api, "ada").await;
    }
}
