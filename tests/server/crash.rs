//! SIGKILL at any time: acknowledged uploads are complete, no upload is partial, and a repeat applies the rest.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tests::{Api, Device, Key, KnownItem, Request, ServerProcess, saved_query};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::target::sign_up;

/// Number of kills.
const KILLS: usize = 100;
const CLIENTS: usize = 4;
/// Number of items in each upload.
const BATCH: usize = 20;
/// Range of the server's lifetime, in milliseconds.
const LIFETIMES: std::ops::Range<u64> = 5..150;
/// Number of kills during the start.
const STARTS: usize = 25;
/// Default seed; the environment variable `CRASH_SEED` overrides it.
const SEED: u64 = 42;

/// Uploads of one client during one lifetime of the server.
#[derive(Default)]
struct UploadLog {
    acknowledged: Vec<String>,
    /// Device whose last upload got no response.
    unacknowledged: Option<Device>,
}

fn seeded_rng() -> fastrand::Rng {
    let seed = std::env::var("CRASH_SEED").map_or(SEED, |seed| seed.parse().expect("CRASH_SEED is a number"));
    println_seed(seed);
    fastrand::Rng::with_seed(seed)
}

#[expect(clippy::print_stdout, reason = "the seed reproduces a failure")]
fn println_seed(seed: u64) {
    println!("CRASH_SEED={seed}");
}

/// Creates a device with one batch to upload. The item ids start with the name of the batch.
fn batch(api: &Api, token: &str, client: usize, name: &str) -> Device {
    let mut device = Device::new(api, token, &format!("client{client}"));
    let time = "2026-01-01T00:00:00Z".parse().expect("a time");
    for item in 0..BATCH {
        let data = saved_query(name, &format!("select {item}"));
        device.write("saved_query", &format!("{name}/{item}"), data, time);
    }
    device
}

/// Uploads batches until the server is killed.
async fn upload_until_killed(api: Api, token: String, client: usize, run: usize) -> UploadLog {
    let mut log = UploadLog::default();
    for number in 0.. {
        let name = format!("{run}-{client}-{number}");
        let device = batch(&api, &token, client, &name);
        let request = Request::post("/api/sync/upload", &device.upload_body()).bearer(&token);
        let Some(response) = api.try_send(request).await else {
            log.unacknowledged = Some(device);
            return log;
        };
        let response = response.expect(200);
        assert_eq!(response["applied"].as_array().map(Vec::len), Some(BATCH), "{response}");
        log.acknowledged.push(name);
    }
    log
}

/// Lets all clients upload for `lifetime`, then kills the server.
async fn upload_and_kill(server: ServerProcess, token: &str, run: usize, lifetime: Duration) -> Vec<UploadLog> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(upload_until_killed(server.api.clone(), token.to_owned(), client, run));
    }
    tokio::time::sleep(lifetime).await;
    server.kill().await;
    clients.join_all().await
}

/// Counts the items of each batch.
fn count_items(known: &BTreeMap<Key, KnownItem>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for ((_, id), item) in known {
        let (name, _) = id.split_once('/').expect("items are named after their batch");
        assert_eq!(item.version, 1, "{id} was written twice");
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

/// Checks the data after a restart, repeats unacknowledged uploads, and checks again. Returns the number of unacknowledged
/// uploads that had been applied.
async fn check_after_restart(server: &ServerProcess, token: &str, watcher: &mut Device, logs: Vec<UploadLog>) -> usize {
    watcher.download().await;
    let counts = count_items(&watcher.known);
    let partial: Vec<_> = counts.iter().filter(|(_, count)| **count != BATCH).collect();
    assert!(partial.is_empty(), "partial batches: {partial:?}");
    let mut applied_unacknowledged = 0;
    for log in logs {
        for name in log.acknowledged {
            assert_eq!(counts.get(&name), Some(&BATCH), "{name} was acknowledged and is lost");
        }
        let Some(device) = log.unacknowledged else { continue };
        let repeat = Request::post("/api/sync/upload", &device.upload_body()).bearer(token);
        let response = server.api.send(repeat).await.expect(200);
        let applied = response["applied"].as_array().expect("a list");
        assert_eq!(applied.len(), BATCH, "{response}");
        assert!(applied.iter().all(|applied| applied["sync_version"] == 1), "{response}");
        applied_unacknowledged +=
            usize::from(device.pending.iter().all(|change| watcher.known.contains_key(&change.key)));
    }
    watcher.download().await;
    assert!(count_items(&watcher.known).values().all(|count| *count == BATCH));
    applied_unacknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_neither_loses_nor_splits_nor_duplicates_uploads() {
    let folder = tests::scratch_dir();
    let mut rng = seeded_rng();
    let mut server = ServerProcess::start(folder.path()).await;
    let token = sign_up(&server.api, "ada").await;
    let (mut known, mut since, mut applied_unacknowledged) = (BTreeMap::new(), None, 0);
    for run in 0..KILLS {
        let logs = upload_and_kill(server, &token, run, Duration::from_millis(rng.u64(LIFETIMES))).await;
        server = ServerProcess::start(folder.path()).await;
        let mut watcher = Device::new(&server.api, &token, "watcher");
        (watcher.known, watcher.since) = (known, since);
        applied_unacknowledged += check_after_restart(&server, &token, &mut watcher, logs).await;
        (known, since) = (watcher.known, watcher.since);
    }
    let mut late = Device::new(&server.api, &token, "late");
    late.download().await;
    assert!(late.known.keys().eq(known.keys()), "a new device downloads other items");
    crate::volume::print_figure(&format!(
        "{KILLS} kills, {} items, {applied_unacknowledged} unacknowledged uploads applied",
        known.len()
    ));
}

/// Starts a server and kills it after `lifetime`, possibly during a migration.
async fn start_and_kill(folder: &Path, lifetime: Duration) {
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
async fn server_killed_during_start_starts_again() {
    let mut rng = seeded_rng();
    for _ in 0..STARTS {
        let folder = tests::scratch_dir();
        start_and_kill(folder.path(), Duration::from_millis(rng.u64(1..60))).await;
        let server = ServerProcess::start(folder.path()).await;
        sign_up(&server.api, "ada").await;
    }
}
