//! Devices that edit, sync and resolve at once, on the threads of the server's own binary, while others purge and erase.

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
/// Devices, each with a thread of its own.
const DEVICES: usize = 4;
/// Things that each of them does.
const STEPS: usize = 60;

/// One device, and what it remembers of its edits.
struct Racer {
    device: Device,
    edits: Arc<Mutex<Edits>>,
    rng: Rng,
}

impl Racer {
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
            0..6 => self.edits_and_uploads().await,
            6..7 => drop(self.device.download().await),
            _ => self.resolves().await,
        }
    }

    async fn edits_and_uploads(&mut self) {
        let key: Key = ("saved_query".to_owned(), format!("q{}", self.rng.u8(..2)));
        let marker = self.edits().record_edit(&self.device, &key);
        self.device.write(&key.0, &key.1, saved_query("n", &format!("select '{marker}'")), SystemClock.now());
        let response = self.device.upload().await;
        assert_eq!(response["success"], true, "{response}");
    }

    /// Resolves some conflict that is open, or that last-write-wins has settled.
    async fn resolves(&mut self) {
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
        assert!(
            matches!(response.status, 200 | 404 | 409),
            "{body} is answered {} {}",
            response.status,
            response.json()
        );
        if response.status != 200 {
            merged.into_iter().for_each(|marker| self.edits().allow_loss(marker));
        }
    }
}

/// All devices at once, each on a task of its own, until they have taken their steps.
async fn race(fleet: &Fleet, edits: &Arc<Mutex<Edits>>) -> Vec<Device> {
    let mut racing = JoinSet::new();
    for index in 0..DEVICES {
        let mut racer = Racer::new(fleet, index, edits);
        racing.spawn(async move {
            for _ in 0..STEPS {
                racer.step().await;
            }
            racer.device
        });
    }
    racing.join_all().await
}

/// The markers of all items and of both sides of all conflicts.
async fn kept(fleet: &Fleet) -> BTreeSet<String> {
    let mut reader = Device::new(fleet.api(0), &fleet.token, "reader");
    reader.download().await;
    let mut kept: BTreeSet<String> =
        reader.known.values().filter_map(|known| marker_in(known.data.as_ref()?)).collect();
    let mut cursor = String::new();
    loop {
        let page = reader.send(Request::get(format!("/api/sync/conflicts?status=all{cursor}"))).await.expect(200);
        for conflict in page["conflicts"].as_array().expect("a list") {
            kept.extend(
                ["local_version", "remote_version"].iter().filter_map(|side| marker_in(&conflict[*side]["data"])),
            );
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return kept,
        }
    }
}

async fn nothing_is_lost(fleet: &Fleet) {
    let edits = Arc::new(Mutex::new(Edits::default()));
    race(fleet, &edits).await;
    let kept = kept(fleet).await;
    let edits = edits.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = edits.lost(&kept);
    assert!(missing.is_empty(), "lost: {missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_while_conflicts_are_resolved() {
    nothing_is_lost(&Fleet::of_one().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_while_conflicts_are_resolved_on_two_servers() {
    nothing_is_lost(&Fleet::of_two().await).await;
}

/// This process purges all tombstones and resolved conflicts while devices upload and resolve by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_devices_agree_after_purges_in_between() {
    let fleet = Fleet::of_one().await;
    let edits = Arc::new(Mutex::new(Edits::default()));
    let data = fleet.stores().await.data();
    let mut racing = std::pin::pin!(race(&fleet, &edits));
    let mut purged = 0;
    let devices = loop {
        tokio::select! {
            devices = &mut racing => break devices,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                purged += data.purge(SystemClock.now(), 500).await.expect("the store responds").total();
            }
        }
    };
    assert!(purged > 0, "there was something to purge");
    let mut fresh = Device::new(fleet.api(0), &fleet.token, "fresh");
    fresh.download().await;
    for mut device in devices {
        // Twice: the first time may be refused with `RESYNC_REQUIRED`.
        for _ in 0..2 {
            device.sync().await;
        }
        fresh.download().await;
        device.download().await;
        let live = |device: &Device| -> Vec<(Key, Option<Value>)> {
            let live = device.known.iter().filter(|(_, known)| known.data.is_some());
            live.map(|(key, known)| (key.clone(), known.data.clone())).collect()
        };
        assert_eq!(live(&device), live(&fresh), "{} differs", device.id);
    }
}

/// A request of an account that is being deleted either comes before the deletion or is refused.
fn is_done_or_refused(response: &Response) {
    assert!(matches!(response.status, 200 | 401), "{} {}", response.status, response.json());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_is_erased_while_its_devices_upload() {
    let fleet = Fleet::of_one().await;
    let mut uploading = JoinSet::new();
    for index in 0..DEVICES {
        let mut device = Device::new(fleet.api(index), &fleet.token, &format!("device{index}"));
        uploading.spawn(async move {
            for round in 0..40 {
                let query = saved_query("n", &format!("select {round}"));
                device.write("saved_query", &format!("q{}", round % 3), query, SystemClock.now());
                let response = device.send(Request::post("/api/sync/upload", &device.upload_body())).await;
                is_done_or_refused(&response);
                is_done_or_refused(&device.send(Request::get("/api/sync/download?device_id=reader")).await);
                device.pending.clear();
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    let erase =
        Request::new(axum::http::Method::DELETE, "/api/auth/profile").json(&json!({ "password": tests::PASSWORD }));
    fleet.api(0).send(erase.bearer(&fleet.token)).await.expect(200);
    for path in ["/api/sync/status", "/api/sync/download?device_id=late", "/api/auth/profile"] {
        fleet.api(0).send(Request::get(path).bearer(&fleet.token)).await.expect_error(401, "UNAUTHORIZED");
    }
    uploading.join_all().await;
    // The name is free again, and nothing of the old account comes with it.
    let token = crate::accounts::sign_up(fleet.api(0), "ada").await;
    let mut newcomer = Device::new(fleet.api(0), &token, "newcomer");
    newcomer.download().await;
    assert!(newcomer.known.is_empty(), "{:?}", newcomer.known);
}
