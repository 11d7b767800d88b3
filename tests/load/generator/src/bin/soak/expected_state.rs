use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::{Edits, Key, Known, PendingChange, marker_in};

/// The version of an item, and what tells its content from all others; `None` where it is deleted.
type Said = (i64, Option<String>);

/// Everything that a user's devices were told to be done.
#[derive(Default)]
pub(crate) struct Books {
    /// Edits of the items that both devices edit, and what they replaced.
    pub(crate) edits: Edits,
    /// The items that one device alone edits: they meet no conflict, so each must be what was told last.
    own: BTreeMap<Key, Said>,
    /// Versions of all other items, as far as they were told: those that conflicts make are not.
    versions: BTreeMap<(Key, i64), Option<String>>,
    /// The newest version of these that was told or seen.
    newest: BTreeMap<Key, i64>,
    /// The conflicts that were met.
    conflicts: BTreeSet<String>,
}

impl Books {
    /// Takes the answer to the changes `sent`, and tells what is wrong with it.
    pub(crate) fn hear(&mut self, sent: &[PendingChange], answer: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        for change in sent {
            match (entry(answer, "applied", change), entry(answer, "conflicts", change)) {
                (Some(applied), None) => wrong.extend(self.applied(change, applied["sync_version"].as_i64())),
                (None, Some(conflict)) if !is_own(&change.key) => {
                    self.conflicts.extend(conflict["id"].as_str().map(str::to_owned));
                }
                _ => wrong.push(format!("{} is answered by {answer}", change.json)),
            }
        }
        wrong
    }

    fn applied(&mut self, change: &PendingChange, version: Option<i64>) -> Option<String> {
        let Some(version) = version else { return Some(format!("{} has no version", change.json)) };
        let key = change.key.clone();
        let data = change.json.get("data");
        if is_own(&key) {
            let before = self.own.get(&key).map_or(0, |(version, _)| *version);
            self.own.insert(key, (version, data.and_then(text)));
            let wrong = format!("version {version} came after {before}: {}", change.json);
            return (version != before + 1).then_some(wrong);
        }
        let newest = self.newest.entry(key.clone()).or_default();
        *newest = version.max(*newest);
        let content = data.and_then(marker_in);
        let to_otel_span = self.versions.insert((key, version), content.clone())?;
        (to_otel_span != content).then(|| format!("version {version} was {to_otel_span:?} before: {}", change.json))
    }

    /// What is wrong with the items that a device holds, the deleted ones included.
    pub(crate) fn check(&mut self, held: &BTreeMap<Key, Known>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (key, said) in &self.own {
            let found = held.get(key).map(|known| (known.version, known.data.as_ref().and_then(text)));
            if found.as_ref() != Some(said) {
                wrong.push(format!("{key:?} was told to be {said:?}, and is {found:?}"));
            }
        }
        for (key, newest) in &self.newest {
            let found = held.get(key).map(|known| known.version);
            if found < Some(*newest) {
                wrong.push(format!("{key:?} was at version {newest}, and is at {found:?}"));
            }
        }
        for (key, known) in held {
            wrong.extend(self.check_item(key, known));
        }
        wrong
    }

    fn check_item(&mut self, key: &Key, known: &Known) -> Option<String> {
        if is_own(key) {
            return (!self.own.contains_key(key)).then(|| format!("nobody wrote {key:?}"));
        }
        self.newest.insert(key.clone(), known.version);
        let content = known.data.as_ref().and_then(marker_in);
        if let Some(to_otel_span) = self.versions.get(&(key.clone(), known.version)) {
            return (*to_otel_span != content)
                .then(|| format!("{key:?} was told to be {to_otel_span:?}, and is {known:?}"));
        }
        let is_known = content.is_some_and(|marker| self.edits.knows(&marker));
        (known.data.is_some() && !is_known).then(|| format!("nobody wrote {key:?}: {known:?}"))
    }

    /// What is wrong with all conflicts that there are, beside the items `live`.
    pub(crate) fn check_conflicts(&self, conflicts: &[Value], live: &BTreeMap<Key, Known>) -> Vec<String> {
        let mut wrong = Vec::new();
        let ids: BTreeSet<&str> = conflicts.iter().filter_map(|conflict| conflict["id"].as_str()).collect();
        if ids.len() != conflicts.len() {
            wrong.push("a conflict is listed twice".to_owned());
        }
        let lost: Vec<&String> = self.conflicts.iter().filter(|id| !ids.contains(id.as_str())).collect();
        if !lost.is_empty() {
            wrong.push(format!("conflicts are gone: {lost:?}"));
        }
        let items = live.iter().filter(|(key, _)| !is_own(key)).filter_map(|(_, known)| known.data.as_ref());
        let sides = conflicts.iter().flat_map(|conflict| [&conflict["local_version"], &conflict["remote_version"]]);
        let found: BTreeSet<String> = items.chain(sides.map(|side| &side["data"])).filter_map(marker_in).collect();
        let missing = self.edits.missing(&found);
        if !missing.is_empty() {
            wrong.push(format!("edits that nobody replaced are nowhere: {missing:?}"));
        }
        wrong
    }
}

/// What the list `name` of `answer` says of `change`.
fn entry<'a>(answer: &'a Value, name: &str, change: &PendingChange) -> Option<&'a Value> {
    answer[name].as_array()?.iter().find(|entry| entry["change_id"] == change.json["id"])
}

/// Whether one device alone edits an item.
pub(crate) fn is_own(key: &Key) -> bool {
    key.1.starts_with("own-")
}

/// What tells the data of an item from that of all others.
fn text(data: &Value) -> Option<String> {
    data["query"].as_str().or_else(|| data["database"].as_str()).map(str::to_owned)
}
