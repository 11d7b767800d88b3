use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::branch::renews;
use super::copy::{conflict_id, conflicted_copy, copy_id, sibling, unused_copy_id};
use super::plan::Outcome;
use super::snapshot::history_tombstone_id;
use super::{
    ChangeResult, Decision, DeviceStats, Head, Plan, Receipt, Records, Rejection, RejectionCode, Snapshot, Upload,
    next_time,
};
use crate::models::{
    Change, Conflict, ConflictId, DeviceId, Edit, FieldError, Item, ItemId, ItemKey, ItemType, ItemVersion, Resolution,
    Stored, Strategy, SyncVersion, Timestamp, Winner,
};

/// Decides what `upload` does to the data in `snapshot` at the server time `now`.
pub fn decide(snapshot: Snapshot, upload: &Upload, now: Timestamp) -> Decision {
    let mut state = UploadState::new(snapshot, upload, now);
    let outcomes =
        upload.changes.iter().map(|change| change.as_ref().map(|change| (change, state.apply_change(change))));
    let outcomes = outcomes.collect();
    state.into_decision(outcomes)
}

/// A change with its outcome, or why it was rejected before anything was decided.
type ChangeOutcome<'a> = Result<(&'a Change, Outcome), &'a Box<Rejection>>;

/// The user's data as the changes of one upload pass over it, one after the other.
struct UploadState<'a> {
    head: Head,
    data: Records,
    upload: &'a Upload,
    now: Timestamp,
    /// The newest server time handed out.
    time: Timestamp,
    written_items: BTreeSet<ItemKey>,
    written_conflicts: BTreeSet<ConflictId>,
    new_receipts: Vec<Receipt>,
    device_stats: DeviceStats,
    /// Bytes of conflicts that may still be kept; `None` once there was no room for one.
    conflict_budget: Option<usize>,
}

/// Most bytes of conflicts that one upload may leave behind; any upload may meet one.
const CONFLICT_BYTES: usize = 16 * 1024 * 1024;

impl<'a> UploadState<'a> {
    fn new(snapshot: Snapshot, upload: &'a Upload, now: Timestamp) -> Self {
        let (head, data) = snapshot.into_parts();
        Self {
            time: head.time,
            head,
            data,
            upload,
            now,
            written_items: BTreeSet::new(),
            written_conflicts: BTreeSet::new(),
            new_receipts: Vec::new(),
            device_stats: DeviceStats { device: upload.device.clone(), synced: 0, conflicts: 0 },
            conflict_budget: Some(CONFLICT_BYTES),
        }
    }

    fn into_decision(self, outcomes: Vec<ChangeOutcome<'_>>) -> Decision {
        let (items, conflicts) = (self.data.items, self.data.conflicts);
        let results =
            outcomes.into_iter().enumerate().map(|(index, outcome)| result(index, outcome, &conflicts)).collect();
        let written = conflicts.values().filter(|conflict| self.written_conflicts.contains(&conflict.id)).cloned();
        let plan = Plan {
            expected: self.head,
            new_head: self.time,
            items: items.into_iter().filter(|(key, _)| self.written_items.contains(key)).collect(),
            conflicts: written.collect(),
            receipts: self.new_receipts,
            device_stats: Some(self.device_stats),
        };
        Decision { plan, results }
    }

    fn apply_change(&mut self, change: &Change) -> Outcome {
        if let Some(receipt) = self.data.receipts.get(&change.id) {
            return self.replay(receipt, change);
        }
        if change.key.item_type == ItemType::QueryHistory && change.edit != Edit::Delete {
            return self.append(change);
        }
        let outcome = self.edit(change);
        self.keep_receipt(change, &outcome);
        outcome
    }

    /// A repeat changes nothing and is answered as it was the first time.
    fn replay(&self, receipt: &Receipt, change: &Change) -> Outcome {
        if receipt.key != change.key {
            let message = "was used before, for a change of another item";
            return Outcome::Rejected(RejectionCode::ChangeIdReused, FieldError::new("id", message));
        }
        match &receipt.conflict {
            Some(id) if self.data.conflicts.contains_key(id) => Outcome::Conflict(id.clone()),
            // Settled so long ago that the conflict was purged: what is left to say is which version stood.
            _ => Outcome::Applied(receipt.version),
        }
    }

    fn keep_receipt(&mut self, change: &Change, outcome: &Outcome) {
        let (version, conflict) = match outcome {
            Outcome::Applied(version) => (*version, None),
            Outcome::Conflict(id) => {
                (self.data.items.get(&change.key).map_or(0, |item| item.version), Some(id.clone()))
            }
            Outcome::Rejected(..) => return,
        };
        match conflict {
            None => self.device_stats.synced += 1,
            Some(_) => self.device_stats.conflicts += 1,
        }
        let receipt = Receipt {
            device: self.upload.device.clone(),
            change: change.id.clone(),
            key: change.key.clone(),
            version,
            conflict,
            seq: self.time,
        };
        self.data.receipts.insert(change.id.clone(), receipt.clone());
        self.new_receipts.push(receipt);
    }

    /// History is append-only: its row is its own receipt, and the version a new one is given is always 1.
    fn append(&mut self, change: &Change) -> Outcome {
        let is_buried = self.data.history_tombstones.contains(&history_tombstone_id(&change.key.id));
        if !is_buried && !self.data.items.contains_key(&change.key) {
            let at = self.tick();
            self.write(change, at);
            self.device_stats.synced += 1;
        }
        Outcome::Applied(1)
    }

    fn edit(&mut self, change: &Change) -> Outcome {
        let Some(stored) = self.data.items.get(&change.key) else {
            return self.edit_missing(change);
        };
        let version = stored.version;
        if is_same(stored, &change.edit) {
            self.tick();
            return Outcome::Applied(version);
        }
        if self.conflicts(stored, change) {
            return self.record_conflict(change);
        }
        let at = self.tick();
        if change.key.item_type == ItemType::QueryHistory {
            self.add_history_tombstone(change, version, at);
        }
        Outcome::Applied(self.write(change, at))
    }

    fn add_history_tombstone(&mut self, change: &Change, version: SyncVersion, at: Timestamp) {
        let history_tombstone = history_tombstone_id(&change.key.id);
        if self.data.history_tombstones.insert(history_tombstone.clone()) {
            let (device, key) = (DeviceId::none(), change.key.clone());
            self.new_receipts.push(Receipt {
                device,
                change: history_tombstone,
                key,
                version,
                conflict: None,
                seq: at,
            });
        }
    }

    fn edit_missing(&mut self, change: &Change) -> Outcome {
        match &change.edit {
            Edit::Delete => {
                self.tick();
                Outcome::Applied(0)
            }
            Edit::Put { expects_item: true, .. } if self.needs_resync() => {
                let message = "was deleted elsewhere, so long ago that nothing is left of it; \
                               download afresh, then upload the edit again if it is still wanted";
                Outcome::Rejected(RejectionCode::ResyncRequired, FieldError::new("item_id", message))
            }
            Edit::Put { .. } => {
                let at = self.tick();
                Outcome::Applied(self.write(change, at))
            }
        }
    }

    /// Whether tombstones were purged that this device may never have seen.
    fn needs_resync(&self) -> bool {
        self.upload.last_sync_at.unwrap_or(Timestamp::MIN) < self.head.purged_through
            && self.head.purged_through > Timestamp::EPOCH
    }

    /// A change conflicts when somebody else wrote the item last, and not the version that the change is based on. A
    /// base *above* the stored version comes from before a backup was restored, and was as little seen here.
    fn conflicts(&self, stored: &Stored, change: &Change) -> bool {
        change.key.item_type != ItemType::QueryHistory
            && stored.device != self.upload.device
            && stored.version != change.base
    }

    fn tick(&mut self) -> Timestamp {
        self.time = next_time(self.time, self.now);
        self.time
    }

    /// Clamped, so that a wrong clock cannot win for ever.
    fn edited_at(&self, change: &Change) -> Timestamp {
        change.updated_at.min(self.now)
    }

    /// Makes `change` the item, and returns its new version.
    fn write(&mut self, change: &Change, at: Timestamp) -> i64 {
        let updated_at = self.edited_at(change);
        let before = self.data.items.get(&change.key);
        let written = successor(
            self.head.version_floor(change.key.item_type),
            before,
            &change.edit,
            updated_at,
            &self.upload.device,
            at,
        );
        let version = written.version;
        self.put(change.key.clone(), written);
        version
    }

    fn put(&mut self, key: ItemKey, stored: Stored) {
        self.written_items.insert(key.clone());
        self.data.items.insert(key, stored);
    }

    /// Both versions of a conflict are kept, so a small upload could have a large item stored a great many times.
    fn record_conflict(&mut self, change: &Change) -> Outcome {
        let stored = self.data.items.get(&change.key).and_then(|stored| stored.item.as_ref());
        let sent = match &change.edit {
            Edit::Put { content, .. } => content.bytes(),
            Edit::Delete => 0,
        };
        let bytes = sent + stored.map_or(0, |item| item.content.bytes());
        // Whoever comes after the first that found no room is refused as well: edits must not overtake each other.
        self.conflict_budget = self.conflict_budget.and_then(|conflict_budget| conflict_budget.checked_sub(bytes));
        if self.conflict_budget.is_some() {
            return Outcome::Conflict(self.resolve_conflict(change));
        }
        let message = "meets a conflict, of which this upload has more than are kept at once; send it again";
        Outcome::Rejected(RejectionCode::TooManyConflicts, FieldError::new("item_id", message))
    }

    /// Settles, or leaves open, the conflict that `change` meets, and returns its id.
    fn resolve_conflict(&mut self, change: &Change) -> ConflictId {
        let at = self.tick();
        let renewable = self.renewable(change);
        let id =
            renewable.map_or_else(|| conflict_id(&self.upload.device, &change.id), |renewable| renewable.id.clone());
        let detected_at = renewable.map_or(at, |renewable| renewable.detected_at);
        let copy_before = renewable.and_then(|renewable| renewable.resolution.as_ref()?.copy_id.clone());

        let remote = ItemVersion::of(self.data.items.get(&change.key));
        let local = self.local_version(change);
        let (winner, copy_id) = match self.upload.strategy {
            Strategy::UserChoice => (None, None),
            Strategy::LastWriteWins => (Some(self.last_write(change, &remote, at)), None),
            Strategy::KeepBoth => self.keep_both(change, &id, copy_before, at),
        };
        let settled = (self.upload.strategy != Strategy::UserChoice).then_some(Resolution {
            at,
            strategy: self.upload.strategy,
            winner,
            copy_id,
        });
        let item_version = self.data.items.get(&change.key).map_or(0, |item| item.version);
        let key = change.key.clone();
        let conflict =
            Conflict { id: id.clone(), key, local, remote, item_version, detected_at, resolution: settled, seq: at };
        self.data.conflicts.insert(id.clone(), conflict);
        self.data.branches.entry((change.key.clone(), change.base)).or_default().insert(id.clone());
        self.written_conflicts.insert(id.clone());
        id
    }

    /// The conflict that `change` goes on with, if its branch has met one that it may renew.
    fn renewable(&self, change: &Change) -> Option<&Conflict> {
        let ids = self.data.branches.get(&(change.key.clone(), change.base))?;
        let conflicts = ids.iter().filter_map(|id| self.data.conflicts.get(id));
        let renewable = conflicts.filter(|renewable| {
            let copy = renewable.resolution.as_ref().and_then(|settled| settled.copy_id.as_ref());
            let copy = copy.and_then(|id| self.data.items.get(&sibling(&change.key, id)));
            renews(renewable, self.upload.strategy, &change.edit, copy)
        });
        renewable.max_by_key(|renewable| (renewable.resolution.is_none(), renewable.seq))
    }

    fn local_version(&self, change: &Change) -> ItemVersion {
        let updated_at = self.edited_at(change);
        let item = match &change.edit {
            Edit::Put { content, created_at, .. } => {
                let before = self.data.items.get(&change.key);
                Some(Item { content: content.clone(), created_at: created(*created_at, before, updated_at) })
            }
            Edit::Delete => None,
        };
        ItemVersion { item, updated_at, sync_version: change.base, device: self.upload.device.clone() }
    }

    /// The later edit becomes the item; on a tie the stored one stays.
    fn last_write(&mut self, change: &Change, remote: &ItemVersion, at: Timestamp) -> Winner {
        if self.edited_at(change) > remote.updated_at {
            self.write(change, at);
            Winner::Local
        } else {
            Winner::Remote
        }
    }

    /// The upload becomes an item beside the stored one. A deletion leaves nothing to keep: the stored item stays.
    fn keep_both(
        &mut self,
        change: &Change,
        conflict: &ConflictId,
        copy_before: Option<ItemId>,
        at: Timestamp,
    ) -> (Option<Winner>, Option<ItemId>) {
        let Edit::Put { content, created_at, .. } = &change.edit else {
            return (Some(Winner::Remote), None);
        };
        let id = copy_before.unwrap_or_else(|| {
            let id = copy_id(&change.key, &self.upload.device, change.base);
            unused_copy_id(&self.data.items, &change.key, id, conflict, at)
        });
        let content = Arc::new(conflicted_copy(content, &self.upload.device, self.now));
        let edit = Edit::Put { content, created_at: *created_at, expects_item: false };
        let key = sibling(&change.key, &id);
        let before = self.data.items.get(&key);
        let copy = successor(
            self.head.version_floor(change.key.item_type),
            before,
            &edit,
            self.edited_at(change),
            &self.upload.device,
            at,
        );
        self.put(key, copy);
        (None, Some(id))
    }
}

/// The result of the change at place `index` of the upload; `conflicts` are as they stand after all of it.
fn result(index: usize, outcome: ChangeOutcome<'_>, conflicts: &BTreeMap<ConflictId, Conflict>) -> ChangeResult {
    let (change, outcome) = match outcome {
        Ok(outcome) => outcome,
        Err(rejection) => return ChangeResult::Rejected(rejection.clone()),
    };
    let id = change.id.clone();
    match outcome {
        Outcome::Applied(version) => ChangeResult::Applied { change: id, key: change.key.clone(), version },
        Outcome::Conflict(conflict) => {
            let conflict = conflicts.get(&conflict).expect("an outcome names a conflict that is among the records");
            ChangeResult::Conflict { change: id, conflict: conflict.clone() }
        }
        Outcome::Rejected(code, error) => ChangeResult::Rejected(Box::new(Rejection::late(index, change, code, error))),
    }
}

/// What is stored after `edit` of what was `before`; `version_floor` is the version that nothing new may start below.
pub(super) fn successor(
    version_floor: SyncVersion,
    before: Option<&Stored>,
    edit: &Edit,
    updated_at: Timestamp,
    device: &DeviceId,
    at: Timestamp,
) -> Stored {
    let (item, deleted_at) = match edit {
        Edit::Put { content, created_at, .. } => {
            let created_at = created(*created_at, before, updated_at);
            (Some(Item { content: content.clone(), created_at }), None)
        }
        // What the tombstone covers stays readable until the purge.
        Edit::Delete => (before.and_then(|before| before.item.clone()), Some(at)),
    };
    let version = before.map_or(version_floor, |before| before.version) + 1;
    Stored { item, updated_at, version, seq: at, device: device.clone(), deleted_at }
}

fn created(said: Option<Timestamp>, before: Option<&Stored>, updated_at: Timestamp) -> Timestamp {
    let known = before.and_then(|before| Some(before.item.as_ref()?.created_at));
    said.or(known).unwrap_or(updated_at)
}

/// Whether `edit` says what is stored already, times aside.
fn is_same(stored: &Stored, edit: &Edit) -> bool {
    match edit {
        Edit::Put { content, .. } => {
            stored.is_live() && stored.item.as_ref().is_some_and(|item| item.content == *content)
        }
        Edit::Delete => !stored.is_live(),
    }
}
