//! Conflicts of an upload.

use std::collections::BTreeSet;

use shared::models::{ResolvedBy, Strategy, Timestamp, Winner};

use super::{Expected, UploadExecution};
use crate::call::{Change, Content, Edit, Key};
use crate::data::StoredConflict;
use crate::response::{ChangeResult, Conflict, Resolution, Side};
use crate::{Mismatch, expect_equal};

impl UploadExecution<'_> {
    /// Records the conflict of `change` and resolves it by the strategy of the upload.
    pub(super) fn conflict(&mut self, change: &Change, actual: &ChangeResult) -> Result<Expected, Mismatch> {
        if !self.has_room_for_conflict(change) {
            return Ok(Expected::Rejected("QUOTA_EXCEEDED"));
        }
        let ChangeResult::Conflict { conflict: shown, .. } = actual else {
            return Err(format!("{change:?} is {actual:?}, expected a conflict"));
        };
        let earlier = self.conflict_to_renew(change).cloned();
        match &earlier {
            Some(earlier) => expect_equal("the renewed conflict", &shown.id, &earlier.id)?,
            None if self.data.conflicts.contains_key(&shown.id) => {
                return Err(format!("{change:?} renews {}, expected a new conflict", shown.id));
            }
            None => {}
        }
        let remote = self.data.side(&change.key);
        let local = Side {
            content: change.edit.content().cloned(),
            updated_at: self.edited_at(change),
            version: change.base,
            device: self.upload.device.clone(),
        };
        if let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.loses_content(&local, &remote)) {
            let at = self.tick();
            self.data.leave_behind(earlier, at);
        }
        let resolution = self.resolve(change, &remote, earlier.as_ref(), shown)?;
        let at = self.tick();
        let resolution = resolution.map(|resolution| Resolution { at, ..resolution });
        let mut conflict = earlier.unwrap_or_else(|| StoredConflict {
            id: shown.id.clone(),
            key: change.key.clone(),
            local: local.clone(),
            remote: remote.clone(),
            item_version: 0,
            resolution: None,
            at,
            detected_at: at,
            revision: None,
            old_revisions: BTreeSet::new(),
        });
        conflict.touch(at);
        (conflict.local, conflict.remote, conflict.resolution) = (local, remote, resolution);
        conflict.item_version = self.data.side(&change.key).version;
        self.data.conflicts.insert(shown.id.clone(), conflict);
        Ok(Expected::Conflict(shown.id.clone()))
    }

    /// Returns whether the quota has room for the item or the copy that the strategy of the upload writes.
    fn has_room_for_conflict(&self, change: &Change) -> bool {
        if change.edit == Edit::Delete {
            return true;
        }
        match self.upload.strategy {
            Strategy::LastWriteWins if self.edited_at(change) > self.data.side(&change.key).updated_at => {
                self.data.has_room_for(&change.key)
            }
            Strategy::KeepBoth => {
                let copy = |earlier: &StoredConflict| earlier.resolution.as_ref()?.copy.clone();
                let new_copy = Key { id: String::new(), ..change.key.clone() };
                self.conflict_to_renew(change).and_then(copy).is_some() || self.data.has_room_for(&new_copy)
            }
            Strategy::LastWriteWins | Strategy::UserChoice | Strategy::Merge | Strategy::Refuse => true,
        }
    }

    /// Writes the item or the copy by the strategy of the upload. Returns the resolution, without its time, or `None` if the
    /// conflict stays open.
    fn resolve(
        &mut self,
        change: &Change,
        remote: &Side,
        earlier: Option<&StoredConflict>,
        shown: &Conflict,
    ) -> Result<Option<Resolution>, Mismatch> {
        let (by, winner, copy) = match (self.upload.strategy, &change.edit) {
            (Strategy::UserChoice | Strategy::Merge | Strategy::Refuse, _) => return Ok(None),
            (Strategy::LastWriteWins, _) if self.edited_at(change) > remote.updated_at => {
                self.write(change);
                (ResolvedBy::LastWriteWins, Some(Winner::Local), None)
            }
            (Strategy::LastWriteWins, _) => (ResolvedBy::LastWriteWins, Some(Winner::Remote), None),
            (Strategy::KeepBoth, Edit::Delete) => (ResolvedBy::KeepBoth, Some(Winner::Remote), None),
            (Strategy::KeepBoth, _) => (ResolvedBy::KeepBoth, None, Some(self.copy(change, earlier, shown)?)),
        };
        Ok(Some(Resolution { at: Timestamp::EPOCH, by, winner, copy }))
    }

    /// Writes the copy of `keep_both`: the copy of the renewed conflict, or a new one.
    fn copy(
        &mut self,
        change: &Change,
        earlier: Option<&StoredConflict>,
        shown: &Conflict,
    ) -> Result<String, Mismatch> {
        let copy_id = |resolution: &Resolution| resolution.copy.clone();
        let id = shown.resolution.as_ref().and_then(copy_id).ok_or_else(|| format!("{change:?} created no copy"))?;
        let key = Key { id: id.clone(), ..change.key.clone() };
        match earlier.and_then(|earlier| copy_id(earlier.resolution.as_ref()?)) {
            Some(before) => expect_equal("the renewed copy", &id, &before)?,
            None if self.data.items.contains_key(&key) => return Err(format!("the copy {id} is not a new item")),
            None => {}
        }
        let content = change.edit.content().map(|content| copy_of(content, &self.upload.device, self.now));
        let at = self.tick();
        self.write_at(&key, change, content, at);
        Ok(id)
    }

    /// Returns the conflict that `change` renews: one of the same item, device and base version; the open one, or else
    /// the newest. A conflict that a renewal left behind is not renewed.
    fn conflict_to_renew(&self, change: &Change) -> Option<&StoredConflict> {
        let of_branch = |conflict: &&StoredConflict| {
            conflict.key == change.key
                && conflict.local.device == self.upload.device
                && conflict.local.version == change.base
                && !conflict.is_resolved_by(ResolvedBy::Renewed)
        };
        let branch: Vec<&StoredConflict> = self.data.conflicts.values().filter(of_branch).collect();
        // Among conflicts with the same kind of resolution, only the newest can be renewed.
        let kind = |conflict: &StoredConflict| {
            conflict.resolution.as_ref().map(|resolution| (resolution.by, resolution.copy.is_some()))
        };
        let is_newest = |conflict: &&&StoredConflict| {
            !branch.iter().any(|other| kind(other) == kind(conflict) && other.at > conflict.at)
        };
        let candidates = branch.iter().filter(is_newest).filter(|conflict| self.can_renew(conflict, change));
        candidates.max_by_key(|conflict| (conflict.resolution.is_none(), conflict.at)).copied()
    }

    fn can_renew(&self, conflict: &StoredConflict, change: &Change) -> bool {
        let is_deletion = change.edit == Edit::Delete;
        let Some(resolution) = &conflict.resolution else {
            return !(self.upload.strategy == Strategy::KeepBoth && is_deletion);
        };
        match self.upload.strategy {
            Strategy::LastWriteWins => {
                conflict.is_resolved_by(ResolvedBy::LastWriteWins) && resolution.winner == Some(Winner::Remote)
            }
            Strategy::KeepBoth if conflict.is_resolved_by(ResolvedBy::KeepBoth) && !is_deletion => {
                let copy = resolution.copy.as_ref().map(|id| Key { id: id.clone(), ..conflict.key.clone() });
                let copy = copy.and_then(|key| self.data.items.get(&key));
                copy.is_some_and(|copy| copy.content.is_some() && copy.at < conflict.at)
            }
            _ => false,
        }
    }
}

/// Returns `content` under the name of a copy that was created for `device` on the day of `now`.
pub(crate) fn copy_of(content: &Content, device: &str, now: Timestamp) -> Content {
    let name = format!("{} (conflicted copy, {device}, {})", content.name, now.date());
    Content { name, text: content.text.clone() }
}
