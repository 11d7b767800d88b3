//! Detectors of secrets in texts. Each is woken by the keywords of its rules.

mod addresses;
mod cjk_notes;
mod commands;
mod copy_rows;
mod detector;
mod keys;
pub(crate) mod pairs;
mod settings;
mod tokens;

use detector::Detector;

use crate::text::{Match, Text};

/// All detectors but that of statements, in the order in which they are asked: the surer first.
static DETECTORS: [&dyn Detector; 7] = [
    &keys::Keys,
    &addresses::Addresses,
    &tokens::Tokens,
    &commands::Commands,
    &settings::Settings,
    &cjk_notes::CjkNotes,
    &copy_rows::CopyRows,
];

/// Returns the first secret that a detector finds in `text`.
pub(crate) fn find<'t>(text: &Text<'t>) -> Option<Match<'t>> {
    DETECTORS.iter().filter(|detector| text.has(detector.wakes())).find_map(|detector| detector.find(text))
}
