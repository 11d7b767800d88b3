//! Merges a change with the stored version instead of recording a conflict, under `Strategy::Merge`.

use std::sync::Arc;

use super::UploadState;
use crate::models::{Change, Content, DeviceId, Edit, Item, Stored, Strategy, limits};
use crate::sync::Effect;
use crate::sync::merge::merge;
use crate::sync::plan::Outcome;
use crate::sync::write::Write;

impl UploadState<'_> {
    /// Writes `change`, which conflicts, merged with the stored version. Returns `None` if it must be recorded as a conflict:
    /// under another strategy; if one side is a deletion, or the version to merge against is not kept; if both sides changed
    /// one field; and if the result breaks a limit.
    ///
    /// The merged version counts as written by no device. The uploading device has not seen it: as its own version, it would
    /// be overwritten by the edits that the device has made meanwhile.
    pub(super) fn merge_change(&mut self, change: &Change) -> Option<Outcome> {
        if self.upload.strategy != Strategy::Merge {
            return None;
        }
        let Edit::Put { content: sent, created_at, .. } = &change.edit else { return None };
        let base = self.merge_base(change)?;
        let stored = self.records.items.get(&change.key).filter(|stored| stored.is_live())?;
        let Item { content: remote, created_at: stored_created_at } = stored.item.as_ref()?;
        let local = sent.completed_from(Some(&*base));
        let merged = merge(&base, &local, remote)?;
        if merged.check().is_err() || Stored::bytes_of(&change.key.id, &merged) > limits::ITEM_BYTES {
            return None;
        }
        let (is_unchanged, version) = (merged == *remote, stored.version);
        let updated_at = self.edited_at(change).max(stored.updated_at);
        let created_at = created_at.map_or(*stored_created_at, |sent| sent.min(*stored_created_at));
        let branch = (change.key.clone(), change.base);
        if is_unchanged {
            if let Err(outcome) = self.reserve_receipt(change) {
                return Some(outcome);
            }
            self.next_seq(); // for the receipt
            self.merged_edits.insert(branch, local);
            return Some(Outcome::Applied(version, Effect::Merged));
        }
        let edit = Edit::Put { content: merged, created_at: Some(created_at), expects_item: true };
        let write = Change { edit, ..change.clone() };
        let bytes = match self.reserve_edit(&write) {
            Ok(bytes) => bytes,
            Err(outcome) => return Some(outcome),
        };
        self.merged_edits.insert(branch, local);
        let seq = self.next_seq();
        let write = Write { edit: &write.edit, bytes, updated_at, device: &DeviceId::none(), seq };
        Some(Outcome::Applied(self.write_item(&change.key, &write), Effect::Merged))
    }

    /// Remembers the edit of a repeated change that was merged the first time, as [`merge_change`](Self::merge_change) does.
    pub(super) fn record_merged_edit(&mut self, change: &Change) {
        let Edit::Put { content, .. } = &change.edit else { return };
        let base = self.merge_base(change);
        let local = content.completed_from(base.as_deref());
        self.merged_edits.insert((change.key.clone(), change.base), local);
    }

    /// Returns the content that the device started from: that of its own newest edit of the branch, or of its base version.
    fn merge_base(&self, change: &Change) -> Option<Arc<Content>> {
        let branch = (change.key.clone(), change.base);
        let earlier = self.merged_edits.get(&branch).cloned();
        earlier.or_else(|| Some(self.records.bases.get(&branch)?.item.as_ref()?.content.clone()))
    }
}
