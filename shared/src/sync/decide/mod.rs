//! Decides an upload: what to write, and the result of each change.
//!
//! [`decide`] applies the changes in order. Each change sees the effects of those before it. The first rule that matches a
//! change decides it:
//!
//! 1. The change has a receipt, in the item or by itself: it is a repeat. It gets the result of the first time, and nothing is
//!    written.
//! 2. The change adds a history entry. History is append-only: the entry is written unless it exists, or its history
//!    tombstone does. See `history`.
//! 3. An earlier change of the upload is about the same item, under `Strategy::Refuse`: it is rejected. No such change can name
//!    the version that the earlier one makes.
//! 4. The item already is what the change makes it: the change is applied as the stored version, or as version 0.
//! 5. The item is not at the version that the change names, under `Strategy::Refuse`: it is refused, and leaves no trace.
//! 6. The item does not exist. An update from a device that must resync is rejected. Any other change creates the item.
//! 7. The change conflicts with the stored version: it is merged, if that is the strategy and possible. Otherwise the conflict
//!    is recorded, and resolved by the strategy. See `merging` and `conflict`.
//! 8. Otherwise the change becomes the next version of the item.
//!
//! Unknown fields that a change leaves out are taken from the stored item before rule 4, and for a merge from the version that
//! it is merged against. A change that does not fit the quota is rejected instead of written; see `quota`.
//!
//! Invariants:
//!
//! - Everything that is written has a server time after the head, and the plan moves the head to the last of them.
//! - Every accepted change leaves a receipt. A change that becomes a version of its item leaves it in the item, whose row is
//!   written anyway. For an added history entry, the entry or its history tombstone serves as one. So a repeat matches rule 1
//!   or 2 and writes nothing, regardless of later writes.
//! - A rejected or refused change writes nothing.
//! - The last result that concerns an item has its state after the upload, if that is not what the change said. See `results`.
//! - A change that conflicts loses neither side: the item, its conflicted copy, or the conflict keeps each of them.

mod conflict;
mod history;
mod merging;
mod quota;
mod receipts;
mod results;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plan::Outcome;
use super::read_set::history_tombstone_id;
use super::write::{Write, is_unchanged_by, next_seq};
use super::{
    Branch, Decision, DeviceStats, Effect, Head, Plan, Receipt, Records, Rejection, RejectionCode, Size, Snapshot,
    Totals, Upload,
};
use crate::models::{
    Change, Conflict, ConflictId, Content, Edit, FieldError, ItemKey, ItemType, ItemVersion, Quota, Stored, Strategy,
    SyncVersion, Timestamp, limits,
};

/// Decides what `upload` does to the data in `snapshot`, of an account that may store `quota`. `now` is the time of the
/// server's clock.
pub fn decide(snapshot: Snapshot, upload: &Upload, quota: Quota, now: Timestamp) -> Decision {
    let mut state = UploadState::new(snapshot, upload, quota, now);
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
    totals: Totals,
    quota: Quota,
    /// Size of what the plan writes so far.
    growth: Size,
    records: Records,
    upload: &'a Upload,
    now: Timestamp,
    /// Newest server time: that of the head, or the last one assigned.
    newest_seq: Timestamp,
    written_items: Vec<(ItemKey, Stored)>,
    /// For each branch that has been merged, the device's own newest edit: its next one continues from there.
    merged_edits: BTreeMap<Branch, Arc<Content>>,
    written_conflicts: BTreeSet<ConflictId>,
    /// Items that the upload has changed or tried to change, under [`Strategy::Refuse`].
    compared_items: BTreeSet<ItemKey>,
    new_receipts: Vec<Receipt>,
    device_stats: DeviceStats,
    /// Bytes left for conflicts. `None` once a conflict did not fit.
    conflict_budget: Option<usize>,
}

impl<'a> UploadState<'a> {
    fn new(snapshot: Snapshot, upload: &'a Upload, quota: Quota, now: Timestamp) -> Self {
        let (head, totals, records) = snapshot.into_parts();
        Self {
            newest_seq: head.time,
            head,
            totals,
            quota,
            growth: Size::default(),
            records,
            upload,
            now,
            written_items: Vec::new(),
            merged_edits: BTreeMap::new(),
            written_conflicts: BTreeSet::new(),
            compared_items: BTreeSet::new(),
            new_receipts: Vec::new(),
            device_stats: DeviceStats { device: upload.device.clone(), synced: 0, conflicts: 0 },
            conflict_budget: Some(conflict::BUDGET_BYTES),
        }
    }

    fn into_decision(mut self, outcomes: Vec<ChangeOutcome<'_>>) -> Decision {
        self.growth.subtract(remove_oldest_versions(&mut self.written_items));
        let records = self.records;
        let results = results::of(outcomes, &records);
        let is_written = |conflict: &Conflict| self.written_conflicts.contains(&conflict.id);
        let plan = Plan {
            expected: self.head,
            new_head: self.newest_seq,
            items: self.written_items,
            conflicts: records.conflicts.into_values().filter(is_written).collect(),
            receipts: self.new_receipts,
            device_stats: Some(self.device_stats),
            growth: self.growth,
            digest: self.totals.digest,
            is_digest_stale: self.totals.is_digest_stale,
        };
        Decision { plan, results }
    }

    /// Applies `change` by the rules in the module documentation.
    fn apply_change(&mut self, change: &Change) -> Outcome {
        if change.key.item_type == ItemType::QueryHistory && change.edit != Edit::Delete {
            return self.append_history(change);
        }
        let is_compared_before = self.compares(change) && !self.compared_items.insert(change.key.clone());
        if let Some(outcome) = self.repeated_outcome(change) {
            if matches!(outcome, Outcome::Applied(_, Effect::Merged)) {
                self.record_merged_edit(change);
            }
            return outcome;
        }
        if is_compared_before {
            let message = "is changed more than once; with `refuse`, an upload changes an item only once";
            return Outcome::Rejected(RejectionCode::InvalidChange, FieldError::new("item_id", message));
        }
        let completed = self.completed(change);
        if let Edit::Put { content, .. } = &completed.edit
            && let Err(error) = content.extra().check()
        {
            return Outcome::Rejected(RejectionCode::InvalidChange, error.below("data"));
        }
        let outcome = self.apply_edit(&completed, change);
        self.add_receipt(change, &outcome);
        outcome
    }

    /// Returns the change with the unknown fields of the stored item that it leaves out. A change that creates an item takes
    /// none from a deleted one.
    fn completed<'c>(&self, change: &'c Change) -> Cow<'c, Change> {
        let Edit::Put { content, created_at, expects_item } = &change.edit else { return Cow::Borrowed(change) };
        let stored = self.records.items.get(&change.key).filter(|stored| stored.is_live() || *expects_item);
        let stored = stored.and_then(|stored| Some(&*stored.item.as_ref()?.content));
        let completed = content.completed_from(stored);
        if Arc::ptr_eq(&completed, content) {
            return Cow::Borrowed(change);
        }
        let edit = Edit::Put { content: completed, created_at: *created_at, expects_item: *expects_item };
        Cow::Owned(Change { edit, ..change.clone() })
    }

    /// Whether the change is applied only to the version that it names. History has no versions to compare.
    fn compares(&self, change: &Change) -> bool {
        self.upload.strategy == Strategy::Refuse && change.key.item_type != ItemType::QueryHistory
    }

    /// Applies a change that is no repeat. `original` is the change without the unknown fields of the stored item.
    fn apply_edit(&mut self, change: &Change, original: &Change) -> Outcome {
        let Some(stored) = self.records.items.get(&change.key) else {
            return self.apply_to_absent_item(change);
        };
        let stored_version = stored.version;
        if is_unchanged_by(stored, &change.edit) {
            if let Err(outcome) = self.reserve_receipt(change) {
                return outcome;
            }
            self.next_seq(); // for the receipt
            return Outcome::Applied(stored_version, Effect::AsSent);
        }
        if self.compares(change) && stored_version != change.base {
            return Outcome::Refused;
        }
        if self.is_conflict(stored, change) {
            return self.merge_change(original).unwrap_or_else(|| self.record_conflict(change));
        }
        let bytes = match self.reserve_edit(change) {
            Ok(bytes) => bytes,
            Err(outcome) => return outcome,
        };
        let seq = self.next_seq();
        if change.key.item_type == ItemType::QueryHistory {
            self.add_history_receipt(history_tombstone_id(&change.key.id), change, stored_version, seq);
        }
        Outcome::Applied(self.write_change(change, bytes, seq), Effect::AsSent)
    }

    fn apply_to_absent_item(&mut self, change: &Change) -> Outcome {
        if self.compares(change) && change.base != 0 && change.edit != Edit::Delete {
            return Outcome::Refused;
        }
        let expects_item = matches!(change.edit, Edit::Put { expects_item: true, .. });
        if expects_item && !self.compares(change) && self.needs_resync() {
            let message = "was deleted, and its tombstone was purged before this device saw it; \
                           download without `since`, then upload the edit again if it is still wanted";
            return Outcome::Rejected(RejectionCode::ResyncRequired, FieldError::new("item_id", message));
        }
        let bytes = match self.reserve_edit(change) {
            Ok(bytes) => bytes,
            Err(outcome) => return outcome,
        };
        let seq = self.next_seq(); // for the receipt of a deletion
        if change.edit == Edit::Delete {
            Outcome::Applied(0, Effect::AsSent)
        } else {
            Outcome::Applied(self.write_change(change, bytes, seq), Effect::AsSent)
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

    /// Writes `change` as the next version of its item, of this size, and returns that version.
    fn write_change(&mut self, change: &Change, bytes: usize, seq: Timestamp) -> SyncVersion {
        let (edit, updated_at, device) = (&change.edit, self.edited_at(change), &self.upload.device);
        self.write_item(&change.key, &Write { edit, bytes, updated_at, device, seq })
    }

    fn write_item(&mut self, key: &ItemKey, write: &Write<'_>) -> SyncVersion {
        let before = self.records.items.get(key);
        let version = self.head.next_version(key.item_type, before.map(|before| before.version));
        let stored = write.after(before, version);
        self.totals.digest.replace(key, before, &stored);
        if key.item_type != ItemType::QueryHistory || before.is_none() {
            // Deleting a history entry marks its row, and keeps no other version.
            self.growth.add_item(key.item_type, stored.bytes);
        }
        // A later change of the upload may name the version that this one replaces.
        let replaced =
            before.filter(|_| self.upload.strategy == Strategy::Merge).map(|before| ItemVersion::of(Some(before)));
        if let Some(replaced) = replaced {
            self.records.bases.entry((key.clone(), replaced.sync_version)).or_insert(replaced);
        }
        let version = stored.version;
        self.written_items.push((key.clone(), stored.clone()));
        self.records.items.insert(key.clone(), stored);
        version
    }
}

/// Removes the written versions that the store would not keep: those of an item that [`limits::VERSIONS`] newer ones follow, and
/// those of a history entry but the newest. Returns their size.
fn remove_oldest_versions(written: &mut Vec<(ItemKey, Stored)>) -> usize {
    let mut newer = BTreeMap::<&ItemKey, usize>::new();
    let mut removed = BTreeSet::new();
    for (index, (key, _)) in written.iter().enumerate().rev() {
        let count = newer.entry(key).or_default();
        let kept = if key.item_type == ItemType::QueryHistory { 0 } else { limits::VERSIONS };
        if *count > kept {
            removed.insert(index);
        }
        *count += 1;
    }
    if removed.is_empty() {
        return 0;
    }
    let of_items = |(index, (key, _)): &(usize, &(ItemKey, Stored))| {
        removed.contains(index) && key.item_type != ItemType::QueryHistory
    };
    let bytes = written.iter().enumerate().filter(of_items).map(|(_, (_, stored))| stored.bytes).sum();
    let mut index = 0;
    written.retain(|_| {
        index += 1;
        !removed.contains(&(index - 1))
    });
    bytes
}
