use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{Device, Key, connection, saved_query};

/// Everything that was ever written, by the unique marker that each edit leaves in its item.
#[derive(Default)]
pub struct Edits {
    made: BTreeSet<String>,
    replaced: BTreeSet<String>,
    /// Markers by device, item and base: one device's edits of one version are one edit that went on.
    branches: BTreeMap<(String, Key, i64), Vec<String>>,
}

impl Edits {
    /// A marker for an edit that `device` is about to make of `key`; what the edit replaces is noted.
    pub fn mark(&mut self, device: &Device, key: &Key) -> String {
        self.replaces(device, key);
        let marker = format!("m{}.", self.made.len());
        self.made.insert(marker.clone());
        let base = device.base(key);
        self.branches.entry((device.id.clone(), key.clone(), base)).or_default().push(marker.clone());
        marker
    }

    /// Notes that `device` is about to replace what it sees of `key`, knowingly.
    pub fn replaces(&mut self, device: &Device, key: &Key) {
        if let Some(seen) = device.sees(&key.0, &key.1) {
            self.replaced.extend(marker_in(&seen));
        }
        let base = device.base(key);
        let branch = self.branches.entry((device.id.clone(), key.clone(), base)).or_default();
        self.replaced.extend(branch.iter().cloned());
    }

    /// A marker that a user puts into a merge of `versions`, which it replaces.
    pub fn merge(&mut self, versions: &[&Value]) -> String {
        for version in versions {
            self.replaced.extend(marker_in(version));
        }
        let marker = format!("m{}.", self.made.len());
        self.made.insert(marker.clone());
        marker
    }

    /// One of the ways to resolve `conflict`, by its number: the body of the request, and the marker of the merge if it is one.
    pub fn choice(&mut self, number: u8, conflict: &Value) -> (Value, Option<String>) {
        let body = match number % 5 {
            0 => json!({ "strategy": "last_write_wins" }),
            1 => json!({ "strategy": "keep_both" }),
            2 => json!({ "strategy": "user_choice", "chosen_version": "local" }),
            3 => json!({ "strategy": "user_choice", "chosen_version": "remote" }),
            _ => {
                let marker = self.merge(&[&conflict["local_version"]["data"], &conflict["remote_version"]["data"]]);
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

    /// Notes that what `marker` marks has been forgotten by right.
    pub fn forget(&mut self, marker: String) {
        self.replaced.insert(marker);
    }

    /// Whether some edit has left this marker.
    pub fn knows(&self, marker: &str) -> bool {
        self.made.contains(marker)
    }

    /// The markers that nobody replaced and `found` does not have.
    pub fn missing(&self, found: &BTreeSet<String>) -> Vec<&String> {
        self.made.iter().filter(|marker| !self.replaced.contains(*marker) && !found.contains(*marker)).collect()
    }
}

/// The marker in an item's data.
pub fn marker_in(data: &Value) -> Option<String> {
    let text = data["query"].as_str().or_else(|| data["database"].as_str())?;
    let start = text.find('m')?;
    let end = text[start..].find('.')? + start + 1;
    Some(text[start..end].to_owned())
}
