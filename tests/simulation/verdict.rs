//! What must be so when a schedule has ended.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::{Call, Device, Key, Known, marker_in};

use crate::world::World;

impl World<'_> {
    /// Everybody syncs until nothing waits any more.
    pub(crate) async fn settle_down(&mut self) {
        for round in 0.. {
            assert!(
                round < 20,
                "something is never taken: {:?}",
                self.devices.iter().map(|d| &d.pending).collect::<Vec<_>>()
            );
            for who in 0..self.devices.len() {
                // First down, then up: whoever slept through a purge must be told so by the download alone, too.
                if self.devices[who].since.is_none() {
                    self.devices[who].downloads().await;
                }
                self.uploads(who).await;
                self.devices[who].downloads().await;
            }
            if self.devices.iter().all(|device| device.unsent().next().is_none()) {
                break;
            }
        }
        for device in &mut self.devices {
            device.downloads().await;
        }
    }

    /// All devices hold what a new one gets.
    pub(crate) async fn devices_agree(&self) {
        let expected = self.state().await;
        for device in &self.devices {
            assert_eq!(live(device), expected, "{} differs", device.id);
        }
    }

    /// Every edit that nobody knowingly replaced is an item or in a conflict; and of open conflicts there is one per
    /// item, device and base.
    pub(crate) async fn nothing_is_lost(&self) {
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
        let missing = self.edits.missing(&found);
        assert!(missing.is_empty(), "lost: {missing:?}");
    }

    /// What a new device gets.
    pub(crate) async fn state(&self) -> BTreeMap<Key, Known> {
        let mut fresh = Device::new(&self.service.api, &self.token, "fresh");
        fresh.downloads().await;
        live(&fresh)
    }

    /// All conflicts of one status.
    pub(crate) async fn conflicts(&self, status: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/sync/conflicts?status={status}{cursor}");
            let page = self.devices[0].send(Call::get(path)).await.expect(200);
            all.extend(page["conflicts"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => {
                    assert_eq!(page["count"].as_u64(), Some(all.len() as u64), "the count is that of all");
                    return all;
                }
            }
        }
    }
}

/// The items that a device holds.
fn live(device: &Device) -> BTreeMap<Key, Known> {
    device
        .known
        .iter()
        .filter(|(_, known)| known.data.is_some())
        .map(|(key, known)| (key.clone(), known.clone()))
        .collect()
}
