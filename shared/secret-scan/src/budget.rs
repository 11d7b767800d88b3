//! Bound on the work for one change.
//!
//! Every look of a detector has a fixed maximum, so the time of a scan is bounded by the number of looks. Each look spends
//! from a budget that grows with the text: ordinary texts use a fraction of it, and a text that is made of nothing but
//! keywords uses it up and is refused.

use std::cell::Cell;

/// Looks that any change may take, however short it is.
const BASE: u64 = 64;
/// Looks for each [`BYTES`] of text.
const LOOKS: u64 = 1;
/// See [`LOOKS`].
const BYTES: u64 = 6;

/// Looks that are left for a change.
pub(crate) struct Budget {
    left: Cell<u64>,
    exhausted: Cell<bool>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: Cell::new(BASE), exhausted: Cell::new(false) }
    }

    /// Adds what a text of `bytes` may cost.
    pub(crate) fn earn(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes as u64 * LOOKS / BYTES);
    }

    /// Pays for `looks`. None ends the search.
    pub(crate) fn spend(&self, looks: u64) -> Option<()> {
        let left = self.left.get().checked_sub(looks);
        self.exhausted.set(self.exhausted.get() || left.is_none());
        self.left.set(left?);
        Some(())
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }
}
