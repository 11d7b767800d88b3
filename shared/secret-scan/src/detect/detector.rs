//! What all detectors have in common.

use crate::{
    rules::KeywordGroups,
    text::{Match, Text},
};

/// Finds secrets of one kind in a text.
pub(crate) trait Detector: Sync {
    /// Keywords that wake the detector.
    fn wakes(&self) -> KeywordGroups;

    /// Returns the first secret, or None if there is none or the budget is exhausted.
    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>>;
}
