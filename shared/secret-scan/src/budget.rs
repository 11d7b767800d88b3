//! Bound on the work for one change.
//!
//! Every look of a detector has a fixed maximum, so the time of a scan is bounded by the number of looks. Each look spends
//! from a budget that grows with the text: ordinary texts use a fraction of it, and a text that is made of nothing but
//! keywords uses it up and is refused.

use std::cell::Cell;

/// Bytes of text that pay for a look.
const LOOK: u64 = 6;
/// Looks that any change may take, however short it is.
const BASE: u64 = 64;
/// Bytes that a text earns besides its length: two quotes and the punctuation between it and the next text.
const QUOTES: u64 = 4;

/// Bytes that are left to pay for the looks of a change.
pub(crate) struct Budget {
    left: Cell<u64>,
    exhausted: Cell<bool>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: Cell::new(BASE * LOOK), exhausted: Cell::new(false) }
    }

    /// Adds what a text of `bytes` may cost.
    pub(crate) fn earn(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes as u64 + QUOTES);
    }

    /// Pays for `looks`, at least one. Once it has returned None it does so for the rest of the text, which takes no time then.
    pub(crate) fn spend(&self, looks: u64) -> Option<()> {
        let left = self.left.get().checked_sub(looks * LOOK);
        self.left.set(left.unwrap_or_default());
        if left.is_none() {
            self.exhaust();
        }
        left.map(|_| ())
    }

    /// Number of keywords that are kept in memory. Several may belong to one word, which is looked at once.
    pub(crate) fn most_keywords(&self) -> usize {
        usize::try_from(self.left.get() / LOOK * 4).unwrap_or(usize::MAX)
    }

    /// Notes that a text was not searched to its end.
    pub(crate) fn exhaust(&self) {
        self.exhausted.set(true);
    }

    /// Whether a text was not searched to its end.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }
}
