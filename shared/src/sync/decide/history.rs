//! Adding history entries. History is append-only: the first entry with an id stays, and a deleted one is not added again.

use super::UploadState;
use super::results::is_as_said;
use crate::models::{Change, ChangeId, SyncVersion};
use crate::sync::Effect;
use crate::sync::plan::Outcome;
use crate::sync::read_set::{history_tombstone_id, ignored_edit_id};

/// Version of every history entry.
const VERSION: SyncVersion = 1;

impl UploadState<'_> {
    /// Adds a history entry unless it exists or was deleted. The stored entry serves as the receipt of the change that added
    /// it. A change with other content is an edit, and is ignored.
    pub(super) fn append_history(&mut self, change: &Change) -> Outcome {
        let is_known = |id: ChangeId| self.records.history_receipts.contains(&id);
        if is_known(ignored_edit_id(change, &self.upload.device)) {
            return Outcome::Applied(VERSION, Effect::Unchanged);
        }
        match self.records.items.get(&change.key) {
            Some(stored) if !is_as_said(&change.edit, stored) => self.ignore_edit(change),
            Some(_) => Outcome::Applied(VERSION, Effect::AsSent),
            None if is_known(history_tombstone_id(&change.key.id)) => Outcome::Applied(VERSION, Effect::AsSent),
            None => self.add_entry(change),
        }
    }

    fn add_entry(&mut self, change: &Change) -> Outcome {
        let bytes = match self.reserve_history(change) {
            Ok(bytes) => bytes,
            Err(outcome) => return outcome,
        };
        let seq = self.next_seq();
        self.write_change(change, bytes, seq);
        self.device_stats.synced += 1;
        Outcome::Applied(VERSION, Effect::AsSent)
    }

    /// Leaves a receipt of the edit, so that a repeat gets the same response after the entry was deleted, too.
    fn ignore_edit(&mut self, change: &Change) -> Outcome {
        if let Err(outcome) = self.reserve_receipt(change) {
            return outcome;
        }
        let (id, seq) = (ignored_edit_id(change, &self.upload.device), self.next_seq());
        self.add_history_receipt(id, change, VERSION, seq);
        Outcome::Applied(VERSION, Effect::Unchanged)
    }
}
