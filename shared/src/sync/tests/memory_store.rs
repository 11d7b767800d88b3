//! The data of one user in memory: a store that is simple enough to be obviously correct.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::models::{
    Change, ChangeId, Conflict, ConflictId, Content, DeviceId, Edit, Extra, ItemId, ItemKey, ItemType, ItemVersion,
    Quota, SavedQuery, Stored, Strategy, SyncVersion, Timestamp,
};
use crate::sync::plan::Outcome;
use crate::sync::{
    ChangeResult, Digest, Effect, Head, Plan, ReadSet, Receipt, Records, Size, Snapshot, Totals, Upload, decide,
    resolution_copy_id,
};

/// All data of one user.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct MemoryStore {
    pub(super) head: Head,
    pub(super) items: BTreeMap<ItemKey, Stored>,
    pub(super) conflicts: BTreeMap<ConflictId, Conflict>,
    /// All versions of connections and saved queries that were replaced.
    pub(super) versions: BTreeMap<(ItemKey, SyncVersion), Stored>,
    receipts: BTreeMap<(DeviceId, ChangeId), Receipt>,
    pub(super) quota: Quota,
}

impl MemoryStore {
    /// Loads the snapshot for `read_set`.
    pub(super) fn snapshot(&self, read_set: &ReadSet) -> Snapshot {
        let mut records = Records::default();
        for change in &read_set.changes {
            if let Some(receipt) = self.receipts.get(&(read_set.device.clone(), change.clone())) {
                records.receipts.insert(change.clone(), receipt.clone());
                let conflict = receipt.conflict.as_ref().and_then(|id| self.conflicts.get(id));
                records.conflicts.extend(conflict.map(|conflict| (conflict.id.clone(), conflict.clone())));
            }
        }
        let is_known = |id: &&ChangeId| self.receipts.contains_key(&(DeviceId::none(), (*id).clone()));
        records.history_receipts.extend(read_set.history_receipts.iter().filter(is_known).cloned());
        for entry in &read_set.added_history {
            let key = ItemKey { item_type: ItemType::QueryHistory, id: entry.clone() };
            records.items.extend(self.items.get(&key).map(|stored| (key, stored.clone())));
        }
        for branch in &read_set.branches {
            let of_branch = |conflict: &&Conflict| {
                conflict.key == branch.0
                    && conflict.local.sync_version == branch.1
                    && conflict.local.device == read_set.device
            };
            for conflict in self.conflicts.values().filter(of_branch) {
                records.branches.entry(branch.clone()).or_default().insert(conflict.id.clone());
                records.conflicts.insert(conflict.id.clone(), conflict.clone());
            }
        }
        let requested = read_set.conflict.as_ref().and_then(|id| self.conflicts.get(id));
        records.conflicts.extend(requested.map(|conflict| (conflict.id.clone(), conflict.clone())));
        for key in records.conflicts.values().flat_map(related_items).chain(read_set.items.iter().cloned()) {
            records.items.extend(self.items.get(&key).map(|stored| (key, stored.clone())));
        }
        for branch in read_set.branches.iter().filter(|_| read_set.with_bases) {
            records.bases.extend(self.base(branch, &read_set.device).map(|base| (branch.clone(), base)));
        }
        if let Some((key, version)) = &read_set.version {
            let named = records.receipts.values().map(|receipt| receipt.version);
            let numbers = named.chain([*version]).collect::<Vec<_>>();
            let kept = numbers.iter().filter_map(|number| self.versions.get(&(key.clone(), *number)));
            records.versions.extend(kept.map(|stored| (stored.version, ItemVersion::of(Some(stored)))));
        }
        Snapshot::from_batch(self.head, self.totals(), records)
    }

    /// Returns the version to merge `branch` against.
    fn base(&self, (key, base): &(ItemKey, SyncVersion), device: &DeviceId) -> Option<ItemVersion> {
        let stored = self.items.get(key).filter(|stored| stored.version > *base && stored.device != *device)?;
        let versions = (*base..stored.version).rev().filter_map(|number| self.versions.get(&(key.clone(), number)));
        let mut bases = versions.filter(|version| version.version == *base || version.device == *device);
        bases.next().map(|version| ItemVersion::of(Some(version)))
    }

    /// Computes size and digest from all rows.
    pub(super) fn totals(&self) -> Totals {
        let (mut size, mut digest) = (Size::default(), Digest::default());
        for (key, stored) in &self.items {
            size.add_item(key.item_type, stored.bytes);
            for recent in stored.recent.iter() {
                size.add(Receipt::bytes_of(&recent.change, &recent.device, key));
            }
            digest.replace(key, None, stored);
        }
        self.versions.values().for_each(|version| size.add(version.bytes));
        self.conflicts.values().for_each(|conflict| size.add(conflict.bytes()));
        for receipt in self.receipts.values() {
            size.add(Receipt::bytes_of(&receipt.change, &receipt.device, &receipt.key));
        }
        Totals { size, digest, is_digest_stale: false }
    }

    /// Commits `plan`, and checks what every plan must guarantee.
    pub(super) fn commit(&mut self, plan: &Plan) {
        assert_eq!(plan.expected, self.head, "a plan is made for the current head");
        assert!(plan.is_empty() || plan.new_head > self.head.time, "every write moves the head");
        let items = plan.items.iter().map(|(_, stored)| stored.seq);
        let mut places: Vec<Timestamp> = items.chain(plan.conflicts.iter().map(|conflict| conflict.seq)).collect();
        places.sort();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "two writes have one position: {places:?}");
        assert!(plan.first_seq().is_none_or(|first| first > self.head.time && first <= plan.new_head));
        let before = self.totals().size;
        let replaced = plan.conflicts.iter().filter_map(|conflict| self.conflicts.get(&conflict.id));
        let replaced: usize = replaced.map(Conflict::bytes).sum();
        self.head.time = plan.new_head;
        for (key, stored) in &plan.items {
            let replaced = self.items.insert(key.clone(), stored.clone());
            if let Some(replaced) = replaced.filter(|_| key.item_type != ItemType::QueryHistory) {
                assert_eq!(replaced.version + 1, stored.version, "no version is left out");
                self.versions.insert((key.clone(), replaced.version), replaced);
            }
        }
        self.conflicts.extend(plan.conflicts.iter().map(|conflict| (conflict.id.clone(), conflict.clone())));
        for receipt in &plan.receipts {
            let key = (receipt.device.clone(), receipt.change.clone());
            assert!(self.receipts.insert(key, receipt.clone()).is_none(), "a change has one receipt");
        }
        let after = self.totals();
        assert_eq!(plan.digest, after.digest, "the digest is that of the items");
        let bytes = before.bytes + plan.growth.bytes - replaced as i64;
        assert_eq!(
            (bytes, before.history_bytes + plan.growth.history_bytes),
            (after.size.bytes, after.size.history_bytes)
        );
    }

    /// Decides and commits `upload`, and returns the outcome of each change.
    pub(super) fn apply(&mut self, upload: &Upload, now: Timestamp) -> Vec<Outcome> {
        self.results(upload, now).into_iter().map(outcome).collect()
    }

    /// Decides and commits `upload`, and returns the result of each change.
    pub(super) fn results(&mut self, upload: &Upload, now: Timestamp) -> Vec<ChangeResult> {
        let decision = decide(self.snapshot(&ReadSet::for_upload(upload)), upload, self.quota, now);
        self.commit(&decision.plan);
        decision.results
    }

    /// Returns the text of the saved query `id`; `None` if it does not exist or is deleted.
    pub(super) fn query_text(&self, id: &str) -> Option<&str> {
        let stored = self.items.get(&key(id)).filter(|stored| stored.is_live())?;
        query_of(&stored.item.as_ref()?.content)
    }

    /// Returns the only conflict.
    pub(super) fn only_conflict(&self) -> &Conflict {
        assert_eq!(self.conflicts.len(), 1, "{:?}", self.conflicts.keys());
        self.conflicts.values().next().expect("there is a conflict")
    }
}

/// Returns the keys of the item of `conflict`, of its conflicted copy, and of the copy that resolving it may make.
fn related_items(conflict: &Conflict) -> Vec<ItemKey> {
    let ids =
        conflict.copy_id().cloned().into_iter().chain([conflict.key.id.clone(), resolution_copy_id(&conflict.id)]);
    ids.map(|id| ItemKey { item_type: conflict.key.item_type, id }).collect()
}

/// Returns the outcome without the parts that repeat the change.
fn outcome(result: ChangeResult) -> Outcome {
    match result {
        ChangeResult::Applied { version, effect, .. } => Outcome::Applied(version, effect),
        ChangeResult::Conflict { conflict, .. } => Outcome::Conflict(conflict.id),
        ChangeResult::Refused { .. } => Outcome::Refused,
        ChangeResult::Rejected(rejection) => {
            Outcome::Rejected(rejection.code, rejection.details.into_iter().next().expect("a rejection has details"))
        }
    }
}

/// Returns the outcome of a change that is applied as sent.
pub(super) const fn applied(version: SyncVersion) -> Outcome {
    Outcome::Applied(version, Effect::AsSent)
}

/// Returns the text of a saved query.
pub(super) fn query_of(content: &Content) -> Option<&str> {
    match content {
        Content::SavedQuery(query) => Some(&query.query),
        Content::Connection(_) | Content::QueryHistory(_) => None,
    }
}

/// Returns the key of the saved query `id`.
pub(super) fn key(id: &str) -> ItemKey {
    ItemKey { item_type: ItemType::SavedQuery, id: ItemId::new_unchecked(id) }
}

/// Returns the time `second` seconds after an arbitrary start.
pub(super) fn at_second(second: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).plus_seconds(second)
}

/// Returns the change `id` that sets the saved query `item` to `query`, based on version `base`, at the second `at`.
pub(super) fn change(id: &str, item: &str, query: &str, base: SyncVersion, at: i64) -> Change {
    let content = Content::SavedQuery(SavedQuery {
        name: "orders".to_owned(),
        description: None,
        query: query.to_owned(),
        connection_id: None,
        tags: Vec::new(),
        favorite: false,
        metadata: BTreeMap::new(),
        extra: Extra::default(),
    });
    let edit = Edit::Put { content: Arc::new(content), created_at: None, expects_item: base > 0 };
    Change { id: ChangeId::new_unchecked(id), key: key(item), edit, updated_at: at_second(at), base }
}

/// Returns the change `id` that deletes the saved query `item`, based on version `base`, at the second `at`.
pub(super) fn delete(id: &str, item: &str, base: SyncVersion, at: i64) -> Change {
    Change { edit: Edit::Delete, ..change(id, item, "", base, at) }
}

/// Returns an upload of a device that has never synced.
pub(super) fn upload(device: &str, strategy: Strategy, changes: impl IntoIterator<Item = Change>) -> Upload {
    let changes = changes.into_iter().map(Ok).collect();
    Upload { device: DeviceId::new_unchecked(device), last_sync_at: None, strategy, changes }
}
