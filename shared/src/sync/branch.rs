//! Branches, and which conflict of its branch a change renews.
//!
//! A **branch** is the edits that one device made to one item on one base version. A device that uploads again on the same
//! base version, for example after every keystroke, continues the same edit. So a branch has at most one open conflict and
//! at most one conflicted copy: a further edit *renews* them instead of adding others. Renewing replaces the branch's own
//! earlier edit; it never drops what another device or the user wrote.

use crate::models::{Conflict, Edit, ItemKey, Stored, Strategy, SyncVersion, Winner};

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
    match (strategy, resolution.strategy) {
        // The earlier edit lost, so the conflict keeps the branch's edit for restoring. If the earlier edit had won, the
        // conflict would keep the version that it overwrote, and renewing would drop that version.
        (Strategy::LastWriteWins, Strategy::LastWriteWins) => resolution.winner == Some(Winner::Remote),
        // The copy and its conflict were written at the same server time. If their times differ, the copy has been edited
        // since.
        (Strategy::KeepBoth, Strategy::KeepBoth) => {
            *edit != Edit::Delete && copy.is_some_and(|copy| copy.is_live() && copy.seq == earlier.seq)
        }
        _ => false,
    }
}
