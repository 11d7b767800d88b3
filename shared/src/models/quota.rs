/// What an account may store. The query history may use half of it, so that it cannot displace the other items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Maximum size of all rows of the account, in bytes: items, replaced versions, conflicts and receipts.
    pub bytes: i64,
    /// Maximum number of live items.
    pub items: i64,
}

impl Quota {
    /// Returns the quota for the query history alone.
    #[must_use]
    pub const fn of_history(self) -> Self {
        Self { bytes: self.bytes / 2, items: self.items / 2 }
    }

    /// Returns the number of bytes up to which an edit passes that makes its item smaller: 110 %. A user whose account is full
    /// can still shorten what it holds, although the replaced version is kept for a while.
    pub const fn bytes_of_shrinking_edits(self) -> i64 {
        self.bytes.saturating_add(self.bytes / 10)
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self { bytes: 256 * 1024 * 1024, items: 200_000 }
    }
}
