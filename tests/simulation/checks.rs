//! Invariants at the end of a schedule.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::{Device, Key, KnownItem, Request, marker_in};

use crate::world::World;

impl World<'_> {
    /// Syncs all devices until no edit is pending.
    pub(crate) async fn sync_until_idle(&mut self) {
        for round in 0.. {
            assert!(
                round < 20,
                "edits are never accepted: {:?}",
                self.devices.iter().map(|d| &d.pending).collect::<Vec<_>>()
            );
            for index in 0..self.devices.len() {
                // A download before the upload: it alone must report that the device needs a resync.
                if self.devices[index].since.is_none() {
                    self.devices[index].download().await;
                }
                self.upload(index).await;
                self.devices[index].download().await;
            }
            if self.devices.iter().all(|device| device.unsent().next().is_none()) {
                break;
            }
        }
        for device in &mut self.devices {
            device.download().await;
        }
    }

    /// Asserts that all devices have the state that a new device downloads.
    pub(crate) async fn assert_devices_agree(&self) {
        let expected = self.state().await;
        for device in &self.devices {
            assert_eq!(live_items(device), expected, "{} differs", device.id);
        }
    }

    /// Asserts that every edit is in an item, in a replaced version or in a conflict, and that there is one open conflict per item,
    /// device and base version.
    pub(crate) async fn assert_no_edit_lost(&self) {
        let mut found: BTreeSet<String> =
            self.state().await.values().filter_map(|known| marker_in(known.data.as_ref()?)).collect();
        found.extend(self.versions().await.iter().filter_map(|version| marker_in(&version["data"])));
        let mut branches = BTreeSet::new();
        for conflict in self.conflicts("all").await {
            let (local, remote) = (&conflict["local_version"], &conflict["remote_version"]);
            found.extend([local, remote].into_iter().filter_map(|version| marker_in(&version["data"])));
            if conflict.get("resolved_at").is_none() {
                let branch = format!(
                    "{}{}{}{}",
                    conflict["item_type"], conflict["item_id"], local["device_id"], local["sync_version"]
                );
                assert!(branches.insert(branch), "two open conflicts of one branch: {conflict}");
            }
        }
        let lost = self.edits.missing(&found);
        assert!(lost.is_empty(), "lost edits: {lost:?}");
    }

    /// Asserts that the account does not store more than it may: 110 % of the bytes, by edits that make items smaller.
    pub(crate) async fn assert_within_quota(&self) {
        let limits = self.devices[0].send(Request::get("/api/sync/limits")).await.expect(200);
        let storage = self.devices[0].send(Request::get("/api/sync/status")).await.expect(200)["storage"].clone();
        let number = |json: &Value, field: &str| json[field].as_i64().expect("a number");
        assert!(number(&storage, "items") <= number(&limits, "user_items"), "{storage}");
        assert!(number(&storage, "bytes") <= number(&limits, "user_bytes") / 10 * 11, "{storage}");
    }

    /// Lists the versions of all items, those that the devices edit and copies.
    pub(crate) async fn versions(&self) -> Vec<Value> {
        let mut keys: BTreeSet<Key> = self.state().await.into_keys().collect();
        let edited = ["saved_query", "connection"].into_iter().flat_map(|kind| (0..4).map(move |id| (kind, id)));
        keys.extend(edited.map(|(kind, id)| (kind.to_owned(), format!("i{id}"))));
        let mut all = Vec::new();
        for (kind, id) in keys {
            all.extend(self.versions_of(&kind, &id).await);
        }
        all
    }

    /// Lists the versions of an item.
    pub(crate) async fn versions_of(&self, kind: &str, id: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/sync/versions?item_type={kind}&item_id={id}{cursor}");
            let response = self.devices[0].send(Request::get(path)).await;
            if response.status == 404 {
                return all;
            }
            let page = response.expect(200);
            all.extend(page["versions"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Returns the items that a new device downloads.
    pub(crate) async fn state(&self) -> BTreeMap<Key, KnownItem> {
        let mut fresh = Device::new(&self.service.api, &self.token, "fresh");
        fresh.download().await;
        live_items(&fresh)
    }

    /// Lists all conflicts with a status.
    pub(crate) async fn conflicts(&self, status: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/sync/conflicts?status={status}{cursor}");
            let page = self.devices[0].send(Request::get(path)).await.expect(200);
            all.extend(page["conflicts"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => {
                    assert_eq!(page["count"].as_u64(), Some(all.len() as u64), "the count covers all pages");
                    return all;
                }
            }
        }
    }
}

/// Returns the items of a device that are not deleted.
pub(crate) fn live_items(device: &Device) -> BTreeMap<Key, KnownItem> {
    device
        .known
        .iter()
        .filter(|(_, known)| known.data.is_some())
        .map(|(key, known)| (key.clone(), known.clone()))
        .collect()
}
