use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{Device, Key, connection, saved_query};

/// Record of all edits in a test. Each edit leaves a unique marker in its item, so that lost edits can be detected.
#[derive(Default)]
pub struct Edits {
    recorded: BTreeSet<String>,
    replaced: BTreeSet<String>,
    allowed: BTreeSet<String>,
    /// Markers by device, item and base version: successive edits of one version on one device count as one edit.
    branches: BTreeMap<(String, Key, i64), Vec<String>>,
}

impl Edits {
    /// Records an edit of `key` that `device` is about to make, with the edits that it replaces, and returns its marker.
    pub fn record_edit(&mut self, device: &Device, key: &Key) -> String {
        self.record_replacement(device, key);
        let marker = format!("m{}.", self.recorded.len());
        self.recorded.insert(marker.clone());
        let base = device.base_version(key);
        self.branches.entry((device.id.clone(), key.clone(), base)).or_default().push(marker.clone());
        marker
    }

    /// Records that `device` is about to replace the data of `key` that is visible to it.
    pub fn record_replacement(&mut self, device: &Device, key: &Key) {
        if let Some(data) = device.visible_data(&key.0, &key.1) {
            self.replaced.extend(marker_in(&data));
        }
        let base = device.base_version(key);
        let branch = self.branches.entry((device.id.clone(), key.clone(), base)).or_default();
        self.replaced.extend(branch.iter().cloned());
    }

    /// Records a merge that replaces `versions`, and returns its marker.
    pub fn record_merge(&mut self, versions: &[&Value]) -> String {
        for version in versions {
            self.replaced.extend(marker_in(version));
        }
        let marker = format!("m{}.", self.recorded.len());
        self.recorded.insert(marker.clone());
        marker
    }

    /// Returns the body of a request that resolves `conflict`, and the marker if it merges. `number` modulo 5 selects the kind.
    pub fn resolution(&mut self, number: u8, conflict: &Value) -> (Value, Option<String>) {
        let body = match number % 5 {
            0 => json!({ "strategy": "last_write_wins" }),
            1 => json!({ "strategy": "keep_both" }),
            2 => json!({ "strategy": "user_choice", "chosen_version": "local" }),
            3 => json!({ "strategy": "user_choice", "chosen_version": "remote" }),
            _ => {
                let marker =
                    self.record_merge(&[&conflict["local_version"]["data"], &conflict["remote_version"]["data"]]);
                let mut merged = connection("name");
                merged["database"] = json!(marker);
                if conflict["item_type"] == "saved_query" {
                    merged = saved_query("name", &format!("select '{marker}'"));
                }
                return (json!({ "strategy": "user_choice", "merged_data": merged }), Some(marker));
            }
        };
        (body, None)
    }

    /// Records that the edit with `marker` may be lost.
    pub fn allow_loss(&mut self, marker: String) {
        self.allowed.insert(marker);
    }

    /// Whether a recorded edit has this marker.
    pub fn contains(&self, marker: &str) -> bool {
        self.recorded.contains(marker)
    }

    /// Returns the markers of lost edits, where old versions are not looked at: neither replaced nor in `found`.
    pub fn lost(&self, found: &BTreeSet<String>) -> Vec<&String> {
        self.missing(found).into_iter().filter(|marker| !self.replaced.contains(*marker)).collect()
    }

    /// Returns the markers that are not in `found`, and whose loss is not allowed.
    pub fn missing(&self, found: &BTreeSet<String>) -> Vec<&String> {
        self.recorded.iter().filter(|marker| !self.allowed.contains(*marker) && !found.contains(*marker)).collect()
    }
}

/// Extracts the marker from an item's data.
pub fn marker_in(data: &Value) -> Option<String> {
    let text = data["query"].as_str().or_else(|| data["database"].as_str())?;
    let start = text.find('m')?;
    let end = text[start..].find('.')? + start + 1;
    Some(text[start..end].to_owned())
}
