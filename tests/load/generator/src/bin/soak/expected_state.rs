use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::{Edits, Key, KnownItem, PendingChange, marker_in};

/// Version and unique content of an item; the content is `None` if the item is deleted.
type ItemState = (i64, Option<String>);

/// State that the acknowledged changes of a user imply.
#[derive(Default)]
pub(crate) struct ExpectedState {
    /// Edits of the items that both devices edit, with the edits that they replaced.
    pub(crate) edits: Edits,
    /// Items that a single device edits. They have no conflicts, so each must equal its last acknowledged change.
    own: BTreeMap<Key, ItemState>,
    /// Acknowledged versions of all other items. Versions that resolutions create are not included.
    versions: BTreeMap<(Key, i64), Option<String>>,
    /// Newest version of these items that was acknowledged or read.
    newest: BTreeMap<Key, i64>,
    /// Ids of all conflicts that responses contained.
    conflicts: BTreeSet<String>,
}

impl ExpectedState {
    /// Records the response to the changes `sent`; returns the violations in it.
    pub(crate) fn record_response(&mut self, sent: &[PendingChange], response: &Value) -> Vec<String> {
        let mut violations = Vec::new();
        for change in sent {
            match (entry(response, "applied", change), entry(response, "conflicts", change)) {
                (Some(applied), None) => violations.extend(self.applied(change, applied["sync_version"].as_i64())),
                (None, Some(conflict)) if !is_own(&change.key) => {
                    self.conflicts.extend(conflict["id"].as_str().map(str::to_owned));
                }
                _ => violations.push(format!("{} has the invalid response {response}", change.json)),
            }
        }
        violations
    }

    fn applied(&mut self, change: &PendingChange, version: Option<i64>) -> Option<String> {
        let Some(version) = version else { return Some(format!("{} has no version", change.json)) };
        let key = change.key.clone();
        let data = change.json.get("data");
        if is_own(&key) {
            let before = self.own.get(&key).map_or(0, |(version, _)| *version);
            self.own.insert(key, (version, data.and_then(text)));
            let violation = format!("version {version} came after {before}: {}", change.json);
            return (version != before + 1).then_some(violation);
        }
        let newest = self.newest.entry(key.clone()).or_default();
        *newest = version.max(*newest);
        let content = data.and_then(marker_in);
        let recorded = self.versions.insert((key, version), content.clone())?;
        (recorded != content).then(|| format!("version {version} was {recorded:?} before: {}", change.json))
    }

    /// Returns the violations in the items of a device, including deleted ones.
    pub(crate) fn check(&mut self, held: &BTreeMap<Key, KnownItem>) -> Vec<String> {
        let mut violations = Vec::new();
        for (key, expected_state) in &self.own {
            let found = held.get(key).map(|known| (known.version, known.data.as_ref().and_then(text)));
            if found.as_ref() != Some(expected_state) {
                violations.push(format!("{key:?} is {found:?}, expected {expected_state:?}"));
            }
        }
        for (key, newest) in &self.newest {
            let found = held.get(key).map(|known| known.version);
            if found < Some(*newest) {
                violations.push(format!("{key:?} is at version {found:?}, expected at least {newest}"));
            }
        }
        for (key, known) in held {
            violations.extend(self.check_item(key, known));
        }
        violations
    }

    fn check_item(&mut self, key: &Key, known: &KnownItem) -> Option<String> {
        if is_own(key) {
            return (!self.own.contains_key(key)).then(|| format!("unknown item {key:?}"));
        }
        self.newest.insert(key.clone(), known.version);
        let content = known.data.as_ref().and_then(marker_in);
        if let Some(recorded) = self.versions.get(&(key.clone(), known.version)) {
            return (*recorded != content).then(|| format!("{key:?} is {known:?}, expected {recorded:?}"));
        }
        let is_known = content.is_some_and(|marker| self.edits.contains(&marker));
        (known.data.is_some() && !is_known).then(|| format!("unknown item {key:?}: {known:?}"))
    }

    /// Returns the violations in the list of all conflicts and the live items.
    pub(crate) fn check_conflicts(&self, conflicts: &[Value], live: &BTreeMap<Key, KnownItem>) -> Vec<String> {
        let mut violations = Vec::new();
        let ids: BTreeSet<&str> = conflicts.iter().filter_map(|conflict| conflict["id"].as_str()).collect();
        if ids.len() != conflicts.len() {
            violations.push("a conflict is listed twice".to_owned());
        }
        let lost: Vec<&String> = self.conflicts.iter().filter(|id| !ids.contains(id.as_str())).collect();
        if !lost.is_empty() {
            violations.push(format!("conflicts are lost: {lost:?}"));
        }
        let items = live.iter().filter(|(key, _)| !is_own(key)).filter_map(|(_, known)| known.data.as_ref());
        let sides = conflicts.iter().flat_map(|conflict| [&conflict["local_version"], &conflict["remote_version"]]);
        let found: BTreeSet<String> = items.chain(sides.map(|side| &side["data"])).filter_map(marker_in).collect();
        let missing = self.edits.lost(&found);
        if !missing.is_empty() {
            violations.push(format!("edits are lost: {missing:?}"));
        }
        violations
    }
}

/// Returns the entry of `change` in the list `name` of `response`.
fn entry<'a>(response: &'a Value, name: &str, change: &PendingChange) -> Option<&'a Value> {
    response[name].as_array()?.iter().find(|entry| entry["change_id"] == change.json["id"])
}

/// Returns whether a single device edits the item.
pub(crate) fn is_own(key: &Key) -> bool {
    key.1.starts_with("own-")
}

/// Returns the unique text of an item.
fn text(data: &Value) -> Option<String> {
    data["query"].as_str().or_else(|| data["database"].as_str()).map(str::to_owned)
}
