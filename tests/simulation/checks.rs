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

    /// Asserts that every edit that was not replaced is in an item or in a conflict, and that there is one open conflict per
    /// item, device and base version.
    pub(crate) async fn assert_no_edit_lost(&self) {
        let mut found: BTreeSet<String> =
            self.state().await.values().filter_map(|known| marker_in(known.data.as_ref()?)).collect();
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
        let lost = self.edits.lost(&found);
        assert!(lost.is_empty(), "lost edits: {lost:?}");
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
fn live_items(device: &Device) -> BTreeMap<Key, KnownItem> {
    device
        .known
        .iter()
        .filter(|(_, known)| known.data.is_some())
        .map(|(key, known)| (key.clone(), known.clone()))
        .collect()
}
