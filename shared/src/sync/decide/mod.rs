//! Decides an upload: what to write, and the result of each change.
//!
//! [`decide`] applies the changes in order. Each change sees the effects of those before it. The first rule that matches a
//! change decides it:
//!
//! 1. The change has a receipt: it is a repeat. It gets the result of the first time, and nothing is written.
//! 2. The change adds a history entry. History is append-only: the entry is written unless it exists, or its history
//!    tombstone does.
//! 3. The item does not exist. A delete is applied as version 0. An update from a device that must resync is rejected. Any
//!    other change creates the item.
//! 4. The stored item already is what the change makes it: the change is applied as the stored version.
//! 5. The change conflicts with the stored version: the conflict is recorded, and resolved by the upload's strategy. See
//!    `conflict`.
//! 6. Otherwise the change becomes the next version of the item.
//!
//! Invariants:
//!
//! - Everything that is written has a server time after the head, and the plan moves the head to the last of them.
//! - Every accepted change leaves a receipt. For an added history entry, the entry or its history tombstone serves as one.
//!   So a repeat matches rule 1 or 2 and writes nothing, regardless of later writes.
//! - A rejected change writes nothing.
//! - A change that conflicts loses neither side: the item, its conflicted copy, or the conflict keeps each of them.

mod conflict;

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Outcome;
use super::read_set::history_tombstone_id;
use super::write::{Write, is_unchanged_by, next_seq};
use super::{
    ChangeResult, Decision, DeviceStats, Head, Plan, Receipt, Records, Rejection, RejectionCode, Snapshot, Upload,
};
use crate::models::{
    Change, Conflict, ConflictId, DeviceId, Edit, FieldError, ItemKey, ItemType, Stored, SyncVersion, Timestamp,
};

/// Decides what `upload` does to the data in `snapshot`. `now` is the time of the server's clock.
pub fn decide(snapshot: Snapshot, upload: &Upload, now: Timestamp) -> Decision {
    let mut state = UploadState::new(snapshot, upload, now);
    let outcomes = upload
        .changes
        .iter()
        .map(|change| match change {
            Ok(change) => Ok((change, state.apply_change(change))),
            Err(rejection) => Err(&**rejection),
        })
        .collect();
    state.into_decision(outcomes)
}

/// A change with its outcome, or the rejection of a change that could not be parsed.
type ChangeOutcome<'a> = Result<(&'a Change, Outcome), &'a Rejection>;

/// The user's data while the changes of one upload are applied to it, and what has to be written.
struct UploadState<'a> {
    head: Head,
    records: Records,
    upload: &'a Upload,
    now: Timestamp,
    /// Newest server time: that of the head, or the last one assigned.
    newest_seq: Timestamp,
    written_items: BTreeSet<ItemKey>,
    written_conflicts: BTreeSet<ConflictId>,
    new_receipts: Vec<Receipt>,
    device_stats: DeviceStats,
    /// Bytes left for conflicts. `None` once a conflict did not fit.
    conflict_budget: Option<usize>,
}

impl<'a> UploadState<'a> {
    fn new(snapshot: Snapshot, upload: &'a Upload, now: Timestamp) -> Self {
        let (head, records) = snapshot.into_parts();
        Self {
            newest_seq: head.time,
            head,
            records,
            upload,
            now,
            written_items: BTreeSet::new(),
            written_conflicts: BTreeSet::new(),
            new_receipts: Vec::new(),
            device_stats: DeviceStats { device: upload.device.clone(), synced: 0, conflicts: 0 },
            conflict_budget: Some(conflict::BUDGET_BYTES),
        }
    }

    fn into_decision(self, outcomes: Vec<ChangeOutcome<'_>>) -> Decision {
        let (items, conflicts) = (self.records.items, self.records.conflicts);
        let results = outcomes
            .into_iter()
            .enumerate()
            .map(|(index, outcome)| change_result(index, outcome, &conflicts))
            .collect();
        let plan = Plan {
            expected: self.head,
            new_head: self.newest_seq,
            items: items.into_iter().filter(|(key, _)| self.written_items.contains(key)).collect(),
            conflicts: conflicts
                .into_values()
                .filter(|conflict| self.written_conflicts.contains(&conflict.id))
                .collect(),
            receipts: self.new_receipts,
            device_stats: Some(self.device_stats),
        };
        Decision { plan, results }
    }

    /// Applies `change` by the rules in the module documentation.
    fn apply_change(&mut self, change: &Change) -> Outcome {
        if let Some(receipt) = self.records.receipts.get(&change.id) {
            return self.repeated_outcome(receipt, change);
        }
        if change.key.item_type == ItemType::QueryHistory && change.edit != Edit::Delete {
            return self.append_history(change);
        }
        let outcome = self.apply_edit(change);
        self.add_receipt(change, &outcome);
        outcome
    }

    /// Returns the outcome of the first time, from the receipt.
    fn repeated_outcome(&self, receipt: &Receipt, change: &Change) -> Outcome {
        if receipt.key != change.key {
            let message = "was already used for a change of another item";
            return Outcome::Rejected(RejectionCode::ChangeIdReused, FieldError::new("id", message));
        }
        match &receipt.conflict {
            Some(id) if self.records.conflicts.contains_key(id) => Outcome::Conflict(id.clone()),
            // Either there was no conflict, or the purge has removed it since.
            _ => Outcome::Applied(receipt.version),
        }
    }

    /// Adds a history entry unless it exists or was deleted. The stored entry serves as the receipt. Its version is
    /// always 1.
    fn append_history(&mut self, change: &Change) -> Outcome {
        let was_deleted = self.records.history_tombstones.contains(&history_tombstone_id(&change.key.id));
        if !was_deleted && !self.records.items.contains_key(&change.key) {
            let seq = self.next_seq();
            self.write_change(change, seq);
            self.device_stats.synced += 1;
        }
        Outcome::Applied(1)
    }

    fn apply_edit(&mut self, change: &Change) -> Outcome {
        let Some(stored) = self.records.items.get(&change.key) else {
            return self.apply_to_absent_item(change);
        };
        let stored_version = stored.version;
        if is_unchanged_by(stored, &change.edit) {
            self.next_seq(); // for the receipt
            return Outcome::Applied(stored_version);
        }
        if self.is_conflict(stored, change) {
            return self.record_conflict(change);
        }
        let seq = self.next_seq();
        if change.key.item_type == ItemType::QueryHistory {
            self.add_history_tombstone(change, stored_version, seq);
        }
        Outcome::Applied(self.write_change(change, seq))
    }

    fn apply_to_absent_item(&mut self, change: &Change) -> Outcome {
        match &change.edit {
            Edit::Delete => {
                self.next_seq(); // for the receipt
                Outcome::Applied(0)
            }
            Edit::Put { expects_item: true, .. } if self.needs_resync() => {
                let message = "was deleted, and its tombstone was purged before this device saw it; \
                               download without `since`, then upload the edit again if it is still wanted";
                Outcome::Rejected(RejectionCode::ResyncRequired, FieldError::new("item_id", message))
            }
            Edit::Put { .. } => {
                let seq = self.next_seq();
                Outcome::Applied(self.write_change(change, seq))
            }
        }
    }

    /// Whether tombstones were purged that this device may not have seen.
    fn needs_resync(&self) -> bool {
        let purge_horizon = self.head.purged_through;
        self.upload.last_sync_at.unwrap_or(Timestamp::MIN) < purge_horizon && purge_horizon > Timestamp::EPOCH
    }

    /// Whether `change` conflicts with the stored version: another device wrote it, and it is not the base version.
    ///
    /// A base version *above* the stored version dates from before the server was restored from a backup. That device has
    /// not seen the stored version either.
    fn is_conflict(&self, stored: &Stored, change: &Change) -> bool {
        change.key.item_type != ItemType::QueryHistory
            && stored.device != self.upload.device
            && stored.version != change.base
    }

    /// Adds the receipt of a change that was not rejected, at the newest server time, and counts the change.
    fn add_receipt(&mut self, change: &Change, outcome: &Outcome) {
        let (version, conflict) = match outcome {
            Outcome::Applied(version) => (*version, None),
            Outcome::Conflict(id) => (self.stored_version(&change.key), Some(id.clone())),
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
            seq: self.newest_seq,
        };
        self.records.receipts.insert(change.id.clone(), receipt.clone());
        self.new_receipts.push(receipt);
    }

    /// Adds the history tombstone of the entry that `change` deletes, unless it exists.
    fn add_history_tombstone(&mut self, change: &Change, version: SyncVersion, seq: Timestamp) {
        let id = history_tombstone_id(&change.key.id);
        if self.records.history_tombstones.insert(id.clone()) {
            let key = change.key.clone();
            self.new_receipts.push(Receipt { device: DeviceId::none(), change: id, key, version, conflict: None, seq });
        }
    }

    /// Assigns the next server time.
    fn next_seq(&mut self) -> Timestamp {
        self.newest_seq = next_seq(self.newest_seq, self.now);
        self.newest_seq
    }

    /// Time of the edit, at most `now`, so that a device whose clock is fast does not win every conflict.
    fn edited_at(&self, change: &Change) -> Timestamp {
        change.updated_at.min(self.now)
    }

    fn stored_version(&self, key: &ItemKey) -> SyncVersion {
        self.records.items.get(key).map_or(0, |stored| stored.version)
    }

    /// Writes `change` as the next version of its item, and returns that version.
    fn write_change(&mut self, change: &Change, seq: Timestamp) -> SyncVersion {
        self.write_item(change.key.clone(), &change.edit, self.edited_at(change), seq)
    }

    fn write_item(&mut self, key: ItemKey, edit: &Edit, updated_at: Timestamp, seq: Timestamp) -> SyncVersion {
        let write = Write { edit, updated_at, device: &self.upload.device, seq };
        let stored = write.after(self.records.items.get(&key), self.head.version_floor(key.item_type));
        let version = stored.version;
        self.written_items.insert(key.clone());
        self.records.items.insert(key, stored);
        version
    }
}

/// Returns the result of the change at `index`. `conflicts` are the conflicts after the whole upload.
fn change_result(index: usize, outcome: ChangeOutcome<'_>, conflicts: &BTreeMap<ConflictId, Conflict>) -> ChangeResult {
    let (change, outcome) = match outcome {
        Ok(outcome) => outcome,
        Err(rejection) => return ChangeResult::Rejected(Box::new(rejection.clone())),
    };
    let id = change.id.clone();
    match outcome {
        Outcome::Applied(version) => ChangeResult::Applied { change: id, key: change.key.clone(), version },
        Outcome::Conflict(conflict) => {
            let conflict = conflicts.get(&conflict).expect("the conflict of an outcome is among the records");
            ChangeResult::Conflict { change: id, conflict: conflict.clone() }
        }
        Outcome::Rejected(code, error) => {
            ChangeResult::Rejected(Box::new(Rejection::of_parsed(index, change, code, error)))
        }
    }
}
