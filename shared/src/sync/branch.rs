//! Which earlier conflict a change goes on with.
//!
//! One open conflict, and one copy, per item, device and base version: a client that uploads every keystroke makes no
//! storm of either. What a device sends on a base it has sent before is the same edit gone on, and takes the place of
//! what it sent then, as long as nothing of anybody else's is lost by that.

use crate::models::{Conflict, Edit, Stored, Strategy, Winner};

/// Whether a change that conflicts under `strategy` renews `earlier`, a conflict of its branch, instead of
/// becoming another. `copy` is the copy that `earlier` made, if it did.
pub(super) fn renews(earlier: &Conflict, strategy: Strategy, edit: &Edit, copy: Option<&Stored>) -> bool {
    let Some(settled) = &earlier.resolution else {
        // A deletion cannot be kept as a copy, so it must not end a conflict whose edit still waits for the user.
        return strategy != Strategy::KeepBoth || *edit != Edit::Delete;
    };
    match (strategy, settled.strategy) {
        // Lost before: what is kept for restoring is the branch as it is now. Had it won, the conflict would hold the
        // version that it overwrote, and renewing would drop that.
        (Strategy::LastWriteWins, Strategy::LastWriteWins) => settled.winner == Some(Winner::Remote),
        // The copy and its conflict were written at the same moment: if their times differ, somebody changed the copy.
        (Strategy::KeepBoth, Strategy::KeepBoth) => {
            *edit != Edit::Delete && copy.is_some_and(|copy| copy.is_live() && copy.seq == earlier.seq)
        }
        _ => false,
    }
}
