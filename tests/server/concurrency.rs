//! Concurrent devices of one user: no edit is lost, no version is downloaded twice, times increase.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use shared::clock::{Clock, SystemClock};
use tests::{Api, Device, Key, KnownItem, PendingChange, Request, saved_query};
use tokio::task::JoinSet;

use crate::fleet::Fleet;
use crate::target::text;

const DEVICES: usize = 8;
/// Number of uploads of each device.
const UPLOADS: usize = 25;
/// Number of new items in each upload.
const NEW_ITEMS: usize = 4;
/// Number of rounds in which all devices edit the same items.
const ROUNDS: usize = 5;
/// Number of items that all devices edit.
const SHARED_ITEMS: usize = 4;

/// Uploads new items and edits of older ones. Returns the device and the server times of its uploads.
async fn upload_repeatedly(mut device: Device) -> (Device, Vec<String>) {
    let mut times = Vec::new();
    for upload in 0..UPLOADS {
        for item in 0..NEW_ITEMS {
            let id = format!("{}-{upload}-{item}", device.id);
            device.write("saved_query", &id, saved_query(&id, "select 1"), SystemClock.now());
        }
        for older in [upload / 2, upload / 3] {
            let id = format!("{}-{older}-0", device.id);
            let edit = format!("select {upload}");
            device.write("saved_query", &id, saved_query(&id, &edit), SystemClock.now());
        }
        let response = device.upload().await;
        assert_eq!(response["success"], true, "{response}");
        assert_eq!(response["conflicts"].as_array().map(Vec::len), Some(0), "{response}");
        assert!(device.unsent().next().is_none(), "{response}");
        times.push(text(&response["synced_at"]));
    }
    (device, times)
}

/// Returns the key and state of the item after an applied change.
fn applied_state(change: PendingChange) -> (Key, KnownItem) {
    let version = change.applied.expect("the change was applied");
    (change.key, KnownItem { version, data: change.json.get("data").cloned() })
}

/// Polls until `finished` is set, and once more. [`Device`] asserts that no version is downloaded twice.
async fn poll_until_finished(mut reader: Device, finished: Arc<AtomicBool>) -> Device {
    reader.since = Some("1970-01-01T00:00:00.000000Z".to_owned());
    loop {
        let last = finished.load(Ordering::SeqCst);
        let before = (reader.since.clone(), reader.known.clone());
        let page = reader.download_page().await;
        assert_eq!(page["reset"], false, "{page}");
        assert!(
            before.0 < reader.since || before.1 == reader.known,
            "items arrived, but the time did not increase: {page}"
        );
        if last && page["has_more"] == false {
            return reader;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_receives_all_versions_of_eight_writers() {
    check_readers_of_eight_writers(&Fleet::single().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_receives_all_versions_of_eight_writers_on_two_servers() {
    check_readers_of_eight_writers(&Fleet::pair().await).await;
}

async fn check_readers_of_eight_writers(fleet: &Fleet) {
    let finished = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for (index, page) in [7, 1_000].into_iter().enumerate() {
        let mut reader = Device::new(fleet.api(index), &fleet.token, &format!("reader{index}"));
        reader.page_size = page;
        readers.spawn(poll_until_finished(reader, finished.clone()));
    }
    let mut writers = JoinSet::new();
    for index in 0..DEVICES {
        writers.spawn(upload_repeatedly(Device::new(fleet.api(index), &fleet.token, &format!("writer{index}"))));
    }

    let (mut written, mut all_times) = (BTreeMap::new(), BTreeSet::new());
    for (device, times) in writers.join_all().await {
        assert!(times.is_sorted(), "{times:?}");
        all_times.extend(times);
        written.extend(device.pending.into_iter().map(applied_state));
    }
    finished.store(true, Ordering::SeqCst);

    assert_eq!(all_times.len(), DEVICES * UPLOADS, "two uploads have the same time");
    assert_eq!(written.len(), DEVICES * UPLOADS * NEW_ITEMS);
    for reader in readers.join_all().await {
        assert_same_items(&reader.known, &written);
    }
    let mut late = Device::new(fleet.api(1), &fleet.token, "late");
    late.download().await;
    assert_same_items(&late.known, &written);
}

#[track_caller]
fn assert_same_items(read: &BTreeMap<Key, KnownItem>, written: &BTreeMap<Key, KnownItem>) {
    assert_eq!(read.len(), written.len());
    for (key, written) in written {
        let read = &read[key];
        assert_eq!(read.version, written.version, "{key:?}");
        assert_eq!(read.data.as_ref().map(|data| &data["query"]), written.data.as_ref().map(|data| &data["query"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_write_wins_loses_no_concurrent_edit() {
    edit_same_items(&Fleet::single().await, "last_write_wins").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_both_loses_no_concurrent_edit() {
    edit_same_items(&Fleet::single().await, "keep_both").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_choice_loses_no_concurrent_edit() {
    edit_same_items(&Fleet::single().await, "user_choice").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_concurrent_edit_is_lost_on_two_servers() {
    for strategy in ["last_write_wins", "keep_both", "user_choice"] {
        edit_same_items(&Fleet::pair().await, strategy).await;
    }
}

/// In each round all devices download the same versions and then edit them concurrently.
async fn edit_same_items(fleet: &Fleet, strategy: &str) {
    let mut devices: Vec<Device> = (0..DEVICES)
        .map(|index| Device::new(fleet.api(index), &fleet.token, &format!("device{index}")).with_strategy(strategy))
        .collect();
    for (index, device) in devices.iter_mut().enumerate() {
        // Clocks differ, so that the order of uploads is not the order of edits.
        device.clock_skew_seconds = -i64::try_from(index * 7 % DEVICES).expect("fits");
    }
    for round in 0..ROUNDS {
        devices = edit_concurrently(devices, round).await;
        let stored = stored_queries(fleet.api(round), &fleet.token).await;
        for device in &devices {
            for item in 0..SHARED_ITEMS {
                let edit = edit_text(&device.id, round, item);
                assert!(stored.contains(&edit), "{edit} is lost with {strategy}");
            }
        }
    }
}

fn edit_text(device: &str, round: usize, item: usize) -> String {
    format!("select '{device}', {round}, {item}")
}

async fn edit_concurrently(devices: Vec<Device>, round: usize) -> Vec<Device> {
    let mut editing = JoinSet::new();
    let all_downloaded = Arc::new(tokio::sync::Barrier::new(devices.len()));
    for mut device in devices {
        let barrier = all_downloaded.clone();
        editing.spawn(async move {
            device.download().await;
            for item in 0..SHARED_ITEMS {
                let data = saved_query(&format!("shared {item}"), &edit_text(&device.id, round, item));
                device.write("saved_query", &format!("shared{item}"), data, SystemClock.now());
            }
            barrier.wait().await;
            let response = device.upload().await;
            assert_eq!(response["success"], true, "{response}");
            assert!(device.unsent().next().is_none(), "{response}");
            device
        });
    }
    editing.join_all().await
}

/// Returns the texts of all queries, and of both versions of all conflicts.
async fn stored_queries(api: &Api, token: &str) -> BTreeSet<String> {
    let mut reader = Device::new(api, token, "reader");
    reader.download().await;
    let mut stored: BTreeSet<String> = reader.known.values().filter_map(|known| query(known.data.as_ref()?)).collect();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/sync/conflicts?status=all&limit=50{cursor}");
        let page = api.send(Request::get(path).bearer(token)).await.expect(200);
        for conflict in page["conflicts"].as_array().expect("conflicts") {
            stored
                .extend(["local_version", "remote_version"].iter().filter_map(|side| query(&conflict[*side]["data"])));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return stored,
        }
    }
}

fn query(data: &Value) -> Option<String> {
    data["query"].as_str().map(str::to_owned)
}
