//! Receipts: recognising repeated changes, and recording accepted ones.

use std::sync::Arc;

use super::UploadState;
use crate::models::{Change, ChangeId, DeviceId, FieldError, ItemKey, ItemType, RecentChange, SyncVersion, Timestamp};
use crate::sync::plan::Outcome;
use crate::sync::{Effect, Receipt, RejectionCode};

/// Maximum number of receipts in an item. The oldest half of more moves to rows of their own, so that the row of an item that
/// is edited often stays small.
const MAX_RECENT: usize = 16;

impl UploadState<'_> {
    /// Returns the outcome of the first time, if the change has a receipt.
    pub(super) fn repeated_outcome(&self, change: &Change) -> Option<Outcome> {
        let recent = self.records.items.get(&change.key).map_or([].as_slice(), |stored| stored.recent.as_slice());
        if let Some(found) =
            recent.iter().find(|recent| recent.change == change.id && recent.device == self.upload.device)
        {
            return Some(Outcome::Applied(found.version, effect_of(found.merged)));
        }
        let receipt = self.records.receipts.get(&change.id)?;
        if receipt.key != change.key {
            let message = "was already used for a change of another item";
            return Some(Outcome::Rejected(RejectionCode::ChangeIdReused, FieldError::new("id", message)));
        }
        Some(match &receipt.conflict {
            Some(id) if self.records.conflicts.contains_key(id) => Outcome::Conflict(id.clone()),
            // Either there was no conflict, or the purge has removed it since.
            _ => Outcome::Applied(receipt.version, effect_of(receipt.merged)),
        })
    }

    /// Adds the receipt of a change that was not rejected, at the newest server time: to the item if the change wrote it,
    /// otherwise as a row of its own. Counts the change.
    pub(super) fn add_receipt(&mut self, change: &Change, outcome: &Outcome) {
        let (version, conflict, merged) = match outcome {
            Outcome::Applied(version, effect) => (*version, None, *effect == Effect::Merged),
            Outcome::Conflict(id) => (self.stored_version(&change.key), Some(id.clone()), false),
            Outcome::Refused | Outcome::Rejected(..) => return,
        };
        match conflict {
            None => self.device_stats.synced += 1,
            Some(_) => self.device_stats.conflicts += 1,
        }
        let (device, key, seq) = (self.upload.device.clone(), change.key.clone(), self.newest_seq);
        self.growth.add(Receipt::bytes_of(&change.id, &device, &key));
        if conflict.is_none() && self.has_written(&key, seq) {
            let recent = RecentChange { change: change.id.clone(), device, version, merged };
            return self.add_to_item(&key, recent, seq);
        }
        self.new_receipts.push(Receipt { device, change: change.id.clone(), key, version, conflict, merged, seq });
        self.records.receipts.extend(self.new_receipts.last().map(|receipt| (receipt.change.clone(), receipt.clone())));
    }

    /// Whether the newest write is that of the item `key` at `seq`. History entries carry no receipts.
    fn has_written(&self, key: &ItemKey, seq: Timestamp) -> bool {
        key.item_type != ItemType::QueryHistory
            && self.written_items.last().is_some_and(|(written, stored)| written == key && stored.seq == seq)
    }

    /// Adds `recent` to the item `key`, which is written last, and moves its oldest receipts to rows of their own.
    fn add_to_item(&mut self, key: &ItemKey, recent: RecentChange, seq: Timestamp) {
        let (Some((_, written)), Some(stored)) = (self.written_items.last_mut(), self.records.items.get_mut(key))
        else {
            return;
        };
        // Both share the receipts. With one of them left, adding does not copy them.
        stored.recent = Arc::default();
        let all = Arc::make_mut(&mut written.recent);
        all.push(recent);
        let excess = if all.len() > MAX_RECENT { MAX_RECENT / 2 } else { 0 };
        for RecentChange { change, device, version, merged } in all.drain(..excess) {
            let receipt = Receipt { device, change, key: key.clone(), version, conflict: None, merged, seq };
            if receipt.device == self.upload.device {
                self.records.receipts.insert(receipt.change.clone(), receipt.clone());
            }
            self.new_receipts.push(receipt);
        }
        stored.recent = Arc::clone(&written.recent);
    }

    /// Adds the receipt `id` about the history entry of `change`, without a device, unless it exists.
    pub(super) fn add_history_receipt(&mut self, id: ChangeId, change: &Change, version: SyncVersion, seq: Timestamp) {
        if self.records.history_receipts.insert(id.clone()) {
            let (device, key) = (DeviceId::none(), change.key.clone());
            self.growth.add(Receipt::bytes_of(&id, &device, &key));
            let receipt = Receipt { device, change: id, key, version, conflict: None, merged: false, seq };
            self.new_receipts.push(receipt);
        }
    }
}

const fn effect_of(merged: bool) -> Effect {
    if merged { Effect::Merged } else { Effect::AsSent }
}
