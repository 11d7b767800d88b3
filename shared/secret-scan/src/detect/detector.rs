//! What all detectors have in common.

use crate::{
    rules::Groups,
    text::{Match, Text},
};

/// Finds secrets of one kind in a text.
pub(crate) trait Detector: Sync {
    /// Keywords that wake the detector.
    fn wakes(&self) -> Groups;

    /// Returns the first secret, or None if there is none or the budget is exhausted.
    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>>;
}
