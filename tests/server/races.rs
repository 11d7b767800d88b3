//! Concurrent edits, syncs, resolutions, purges and account deletions, against the server binary.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use tests::{Device, Edits, Key, Request, Response, marker_in, saved_query};
use tokio::task::JoinSet;

use crate::fleet::Fleet;

const STRATEGIES: [&str; 3] = ["last_write_wins", "keep_both", "user_choice"];
/// Number of concurrent devices.
const DEVICES: usize = 4;
/// Number of steps of each device.
const STEPS: usize = 60;

/// Device that performs random steps, and the record of all edits.
struct RandomClient {
    device: Device,
    edits: Arc<Mutex<Edits>>,
    rng: Rng,
}

impl RandomClient {
    fn new(fleet: &Fleet, index: usize, edits: &Arc<Mutex<Edits>>) -> Self {
        let device = Device::new(fleet.api(index), &fleet.token, &format!("device{index}"));
        Self {
            device: device.with_strategy(STRATEGIES[index % 3]),
            edits: edits.clone(),
            rng: Rng::with_seed(index as u64),
        }
    }

    fn edits(&self) -> std::sync::MutexGuard<'_, Edits> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn step(&mut self) {
        match self.rng.u8(..10) {
            0..6 => self.edit_and_upload().await,
            6..7 => drop(self.device.download().await),
            _ => self.resolve_random_conflict().await,
        }
    }

    async fn edit_and_upload(&mut self) {
        let key: Key = ("saved_query".to_owned(), format!("q{}", self.rng.u8(..2)));
        let marker = self.edits().record_edit(&self.device, &key);
        self.device.write(&key.0, &key.1, saved_query("n", &format!("select '{marker}'")), SystemClock.now());
        let response = self.device.upload().await;
        assert_eq!(response["success"], true, "{response}");
    }

    /// Resolves a random conflict that is open, or already resolved by last-write-wins.
    async fn resolve_random_conflict(&mut self) {
        let status = ["open", "resolved"][self.rng.usize(..2)];
        let list = self.device.send(Request::get(format!("/api/sync/conflicts?status={status}"))).await.expect(200);
        let Some(conflict) = self.rng.choice(list["conflicts"].as_array().expect("a list")).cloned() else { return };
        let number = self.rng.u8(..);
        let (mut body, merged) = self.edits().resolution(number, &conflict);
        if self.rng.bool() {
            body["revision"] = conflict["revision"].clone();
        }
        let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
        let response = self.device.send(Request::post(path, &body)).await;
        assert!(matches!(response.status, 200 | 404 | 409), "{body} got {} {}", response.status, response.json());
        if response.status != 200 {
            merged.into_iter().for_each(|marker| self.edits().allow_loss(marker));
        }
    }
}

/// Runs all devices concurrently, and returns them after their last step.
async fn run_concurrently(fleet: &Fleet, edits: &Arc<Mutex<Edits>>) -> Vec<Device> {
    let mut tasks = JoinSet::new();
    for index in 0..DEVICES {
        let mut client = RandomClient::new(fleet, index, edits);
        tasks.spawn(async move {
            for _ in 0..STEPS {
                client.step().await;
            }
            client.device
        });
    }
    tasks.join_all().await
}

/// Returns the markers of all items, and of both versions of all conflicts.
async fn stored_markers(fleet: &Fleet) -> BTreeSet<String> {
    let mut reader = Device::new(fleet.api(0), &fleet.token, "reader");
    reader.download().await;
    let mut stored_markers: BTreeSet<String> =
        reader.known.values().filter_map(|known| marker_in(known.data.as_ref()?)).collect();
    let mut cursor = String::new();
    loop {
        let page = reader.send(Request::get(format!("/api/sync/conflicts?status=all{cursor}"))).await.expect(200);
        for conflict in page["conflicts"].as_array().expect("a list") {
            stored_markers.extend(
                ["local_version", "remote_version"].iter().filter_map(|side| marker_in(&conflict[*side]["data"])),
            );
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return stored_markers,
        }
    }
}

async fn check_no_edit_lost(fleet: &Fleet) {
    let edits = Arc::new(Mutex::new(Edits::default()));
    run_concurrently(fleet, &edits).await;
    let stored_markers = stored_markers(fleet).await;
    let edits = edits.lock().unwrap_or_else(PoisonError::into_inner);
    let lost = edits.lost(&stored_markers);
    assert!(lost.is_empty(), "lost edits: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_edit_is_lost_during_resolutions() {
    check_no_edit_lost(&Fleet::single().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_edit_is_lost_during_resolutions_on_two_servers() {
    check_no_edit_lost(&Fleet::pair().await).await;
}

/// The test process purges all tombstones and resolved conflicts while devices upload and resolve by the server process.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn devices_converge_despite_concurrent_purges() {
    let fleet = Fleet::single().await;
    let edits = Arc::new(Mutex::new(Edits::default()));
    let data = fleet.stores().await.data();
    let mut tasks = std::pin::pin!(run_concurrently(&fleet, &edits));
    let mut purged = 0;
    let devices = loop {
        tokio::select! {
            devices = &mut tasks => break devices,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                purged += data.purge(SystemClock.now(), 500, 1).await.expect("the store responds").total();
            }
        }
    };
    assert!(purged > 0, "the purges must remove something");
    let mut fresh = Device::new(fleet.api(0), &fleet.token, "fresh");
    fresh.download().await;
    for mut device in devices {
        // The first sync may be rejected with `RESYNC_REQUIRED`.
        for _ in 0..2 {
            device.sync().await;
        }
        fresh.download().await;
        device.download().await;
        let live_items = |device: &Device| -> Vec<(Key, Option<Value>)> {
            let live_items = device.known.iter().filter(|(_, known)| known.data.is_some());
            live_items.map(|(key, known)| (key.clone(), known.data.clone())).collect()
        };
        assert_eq!(live_items(&device), live_items(&fresh), "{} differs", device.id);
    }
}

/// Asserts that a request either preceded the account deletion or was rejected with 401.
fn assert_done_or_unauthorized(response: &Response) {
    assert!(matches!(response.status, 200 | 401), "{} {}", response.status, response.json());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn account_deletion_succeeds_during_uploads() {
    let fleet = Fleet::single().await;
    let mut uploading = JoinSet::new();
    for index in 0..DEVICES {
        let mut device = Device::new(fleet.api(index), &fleet.token, &format!("device{index}"));
        uploading.spawn(async move {
            for round in 0..40 {
                let query = saved_query("n", &format!("select {round}"));
                device.write("saved_query", &format!("q{}", round % 3), query, SystemClock.now());
                let response = device.send(Request::post("/api/sync/upload", &device.upload_body())).await;
                assert_done_or_unauthorized(&response);
                assert_done_or_unauthorized(&device.send(Request::get("/api/sync/download?device_id=reader")).await);
                device.pending.clear();
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    let deletion =
        Request::new(axum::http::Method::DELETE, "/api/auth/profile").json(&json!({ "password": tests::PASSWORD }));
    fleet.api(0).send(deletion.bearer(&fleet.token)).await.expect(200);
    for path in ["/api/sync/status", "/api/sync/download?device_id=late", "/api/auth/profile"] {
        fleet.api(0).send(Request::get(path).bearer(&fleet.token)).await.expect_error(401, "UNAUTHORIZED");
    }
    uploading.join_all().await;
    // The name is free again, and a new account with it has no old data.
    let token = crate::target::sign_up(fleet.api(0), "ada").await;
    let mut newcomer = Device::new(fleet.api(0), &token, "newcomer");
    newcomer.download().await;
    assert!(newcomer.known.is_empty(), "{:?}", newcomer.known);
}
