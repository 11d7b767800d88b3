//! Merging of changes under the strategy `merge`.

use shared::models::Strategy;

use super::UploadExecution;
use crate::call::{Change, Content};

impl UploadExecution<'_> {
    /// Writes `change`, which conflicts, merged with the stored version; returns the resulting version. Returns `None` if
    /// it is a conflict: under another strategy, if one side is a deletion, if the version to merge against is not kept, or
    /// if both sides changed one field.
    ///
    /// No device has seen the merged version, so it counts as written by none.
    pub(super) fn merge(&mut self, change: &Change) -> Option<i64> {
        if self.upload.strategy != Strategy::Merge {
            return None;
        }
        let local = change.edit.content()?;
        let stored = self.data.items.get(&change.key)?;
        let (remote, version) = (stored.content.clone()?, stored.version);
        let updated_at = self.edited_at(change).max(stored.updated_at);
        let own_edit = self.merged_edits.get(&(change.key.clone(), change.base)).cloned();
        let base = own_edit.or_else(|| self.data.merge_base(&change.key, change.base, &self.upload.device))?;
        let merged = merge(&base, local, &remote)?;
        let at = self.tick();
        self.continue_from(change);
        if merged == remote {
            return Some(version);
        }
        Some(self.data.write_item(&change.key, Some(merged), updated_at, "", at))
    }

    /// Makes the content of `change` the base of the next change of the same item and base version: the device made both
    /// edits before it saw the merged version.
    pub(super) fn continue_from(&mut self, change: &Change) {
        if let Some(content) = change.edit.content() {
            self.merged_edits.insert((change.key.clone(), change.base), content.clone());
        }
    }
}

/// Merges both sides field by field. Returns `None` if both changed one field to different values.
fn merge(base: &Content, local: &Content, remote: &Content) -> Option<Content> {
    let field = |base: &String, local: &String, remote: &String| {
        let changed = [local, remote].into_iter().filter(|side| *side != base).collect::<Vec<_>>();
        match changed[..] {
            [] => Some(base.clone()),
            [one] => Some(one.clone()),
            [one, other] => (one == other).then(|| one.clone()),
            _ => None,
        }
    };
    let name = field(&base.name, &local.name, &remote.name)?;
    Some(Content { name, text: field(&base.text, &local.text, &remote.text)? })
}
