//! Branches, and which conflict of its branch a change renews.
//!
//! A **branch** is the edits that one device made to one item on one base version. A device that uploads again on the same
//! base version, for example after every keystroke, continues the same edit. So a branch has at most one open conflict and
//! at most one conflicted copy: a further edit *renews* them instead of adding others. What a renewal replaces stays in a
//! resolved conflict, from which the user can restore it.

use super::copy::left_behind_id;
use crate::models::{
    Conflict, Edit, ItemKey, ItemVersion, Resolution, ResolvedBy, Stored, Strategy, SyncVersion, Timestamp, Winner,
};

/// A branch of the uploading device: the item, and the base version of the edits.
pub type Branch = (ItemKey, SyncVersion);

/// Whether an `edit` that conflicts under `strategy` renews `earlier`, a conflict of its branch. Otherwise it is recorded as
/// a conflict of its own. `copy` is the conflicted copy of `earlier`, if it made one.
pub(super) fn renews(earlier: &Conflict, strategy: Strategy, edit: &Edit, copy: Option<&Stored>) -> bool {
    let Some(resolution) = &earlier.resolution else {
        // A deletion cannot be kept as a copy. Under `KeepBoth` it would resolve the open conflict and drop the edit that
        // waits for the user.
        return strategy != Strategy::KeepBoth || *edit != Edit::Delete;
    };
    match (strategy, resolution.by) {
        // The earlier edit lost, so the conflict keeps the branch's edit for restoring. If the earlier edit had won, the
        // conflict would keep the version that it overwrote, and renewing would drop that version.
        (Strategy::LastWriteWins, ResolvedBy::LastWriteWins) => resolution.winner == Some(Winner::Remote),
        // The conflict was written right after its copy, or by an earlier release at the same server time. A copy with a later
        // time has been edited since.
        (Strategy::KeepBoth, ResolvedBy::KeepBoth) => {
            *edit != Edit::Delete && copy.is_some_and(|copy| copy.is_live() && copy.seq <= earlier.seq)
        }
        _ => false,
    }
}

/// Whether renewing `earlier` with these sides replaces the content of one of its own.
pub(super) fn replaces_content(earlier: &Conflict, local: &ItemVersion, remote: &ItemVersion) -> bool {
    let sides = [(&earlier.local, local), (&earlier.remote, remote)];
    sides.into_iter().any(|(before, after)| {
        let content = before.item.as_ref().map(|item| &item.content);
        content.is_some() && content != after.item.as_ref().map(|item| &item.content)
    })
}

/// Returns the resolved conflict that keeps both sides of `earlier`, which was renewed. `item_version` is the stored version
/// of the item, and `at` the server time of this conflict, which no other write has.
pub(super) fn left_behind(earlier: &Conflict, item_version: SyncVersion, at: Timestamp) -> Conflict {
    Conflict {
        id: left_behind_id(&earlier.id, at),
        item_version,
        detected_at: at,
        resolution: Some(Resolution { at, by: ResolvedBy::Renewed, winner: None, copy_id: None }),
        seq: at,
        ..earlier.clone()
    }
}
