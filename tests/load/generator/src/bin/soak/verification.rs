use std::collections::BTreeMap;

use serde_json::Value;
use tests::{Device, Key, KnownItem, Request};

use crate::user::User;

impl User {
    /// Verifies all data through the API. No change is pending, because every upload is repeated until it is
    /// acknowledged.
    pub(crate) async fn verify(&mut self) {
        self.download_on_both_devices().await;
        let mut fresh = self.new_device();
        fresh.download().await;
        let live = live(&fresh);
        let conflicts = self.all_conflicts().await;
        let status = self.devices[0].send(Request::get("/api/sync/status")).await.expect(200);
        let mut violations = self.expected.check(&self.devices[0].known);
        violations.extend(self.expected.check_conflicts(&conflicts, &live));
        violations.extend(self.devices.iter().filter_map(|device| difference(device, &live)));
        violations.extend(status_difference(&status, &conflicts, &live));
        for reason in violations {
            self.violation(&reason);
        }
    }
}

/// Returns the live items of a device.
fn live(device: &Device) -> BTreeMap<Key, KnownItem> {
    let live = device.known.iter().filter(|(_, known)| known.data.is_some());
    live.map(|(key, known)| (key.clone(), known.clone())).collect()
}

/// Returns the differences between `device` and a device that has just downloaded everything, if any.
fn difference(device: &Device, fresh: &BTreeMap<Key, KnownItem>) -> Option<String> {
    let held = live(device);
    let unsent = device.unsent().count();
    if held == *fresh && unsent == 0 {
        return None;
    }
    let keys = held.keys().chain(fresh.keys()).filter(|key| held.get(*key) != fresh.get(*key));
    let some: Vec<_> = keys.take(3).map(|key| (key, held.get(key), fresh.get(key))).collect();
    Some(format!("{} has {unsent} unsent edits, and differs from a new device: {some:?}", device.id))
}

/// Returns a difference between the status and the data, if any.
fn status_difference(status: &Value, conflicts: &[Value], live: &BTreeMap<Key, KnownItem>) -> Option<String> {
    let kinds = ["connection", "saved_query", "query_history"];
    let count = |kind: &str| live.keys().filter(|key| key.0 == kind).count();
    let open = conflicts.iter().filter(|conflict| conflict["resolved_at"].is_null()).count();
    let is_right = kinds.iter().all(|kind| status["counts"][*kind] == count(kind)) && status["open_conflicts"] == open;
    (!is_right).then(|| format!("{open} conflicts are open, but the status is {status}"))
}
