use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreResult;
use crate::models::{
    Conflict, Device, ItemKey, ItemType, ItemVersion, PlacedUser, Stored, SyncVersion, Timestamp, UserId,
};
use crate::sync::{Append, Cursor, Digest, Head, Plan, ReadSet, Snapshot, Totals};

/// Outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// The plan has been written.
    Applied,
    /// The head of the user is not the one that the plan expects. Nothing has been written.
    HeadMoved,
}

/// Store of a user's sequence of changes.
///
/// # Contract
///
/// A write remembers the gap between the head before it and its first position, so that
/// [`ChangeFeed::page`] recognises cursors which this store has not returned.
///
/// A write of a connection or a saved query keeps the version that it replaces, until the retention period ends or
/// [`limits::VERSIONS`](crate::models::limits::VERSIONS) newer ones follow. Each write updates size and digest of the account.
///
/// [`load`](Self::load) returns a consistent snapshot, and decisions are made from that alone. [`commit`](Self::commit) is atomic,
/// and writes a plan only if the head is the one that the plan expects. So of two plans for the same head at most one is
/// written. [`append`](Self::append) is atomic, too, and independent of the head. Writes are durable.
///
/// For an account that is being deleted `load` and `append` fail with
/// [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted), and `commit` returns [`Commit::HeadMoved`].
#[async_trait]
pub trait SyncStore: Send + Sync {
    /// Loads the read set of an upload, or of the resolution of a conflict.
    ///
    /// # Errors
    /// [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted) if the account is being deleted.
    async fn load(&self, user: PlacedUser, read_set: &ReadSet) -> StoreResult<Snapshot>;

    /// Adds new history entries, each at a position of its own after the head. Returns the new head. `version` is the version that
    /// the client reports.
    ///
    /// Returns `None`, and adds nothing, if some entries exist or have a history tombstone, or not all would fit into the quota.
    ///
    /// Bypasses the compare-and-swap of the head. Plans made before it fail with [`Commit::HeadMoved`].
    ///
    /// # Errors
    /// [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted) if the account is being deleted.
    async fn append(
        &self,
        user: PlacedUser,
        append: &Append,
        version: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Timestamp>>;

    /// Writes `plan` at the server time `now`. `version` is the version that the client reports.
    async fn commit(&self, user: PlacedUser, plan: &Plan, version: &str, now: Timestamp) -> StoreResult<Commit>;
}

/// Request for a page of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Position after which the page starts.
    pub since: Timestamp,
    /// Whether to include deleted items and resolved conflicts.
    pub with_removed: bool,
    /// Types of the items, and of the items in conflict.
    pub item_types: BTreeSet<ItemType>,
    /// Maximum number of items and conflicts. [`crate::models::limits::PAGE_BYTES`] may reduce it.
    pub limit: usize,
}

/// Page of a download.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Head of the user.
    pub head: Head,
    /// Whether `since` is in a gap of the change sequence: this store has never returned it.
    pub is_in_gap: bool,
    /// Items, sorted by their position in the user's sequence of changes. Tombstones have no content.
    pub items: Vec<(ItemKey, Stored)>,
    /// Conflicts, sorted by their position in the same sequence.
    pub conflicts: Vec<Conflict>,
    /// Whether items or conflicts follow the last ones.
    pub has_more: bool,
    /// Digest of the live items as of the head, if it is known.
    pub digest: Option<Digest>,
}

impl Page {
    /// Returns the cursor after the page, as the client keeps it: its last position, or the head if nothing follows.
    pub fn next_cursor(&self) -> Timestamp {
        let item = self.items.last().map(|(_, stored)| stored.seq);
        let last = item.max(self.conflicts.last().map(|conflict| conflict.seq));
        last.filter(|_| self.has_more).map_or(self.head.time, |last| Cursor::encode(last, self.head))
    }
}

/// Statistics of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Head of the user.
    pub head: Head,
    /// Size and digest of the account.
    pub totals: Totals,
    /// Devices that have uploaded, the latest first.
    pub devices: Vec<Device>,
    /// Number of live items of each type, in the order of [`crate::models::ItemType::ALL`].
    pub items: [i64; 3],
    /// Number of open conflicts.
    pub open_conflicts: i64,
}

/// A version of an item: the current one, or a replaced one that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVersion {
    /// The version.
    pub version: ItemVersion,
    /// Server time at which another version replaced it; `None` for the current one.
    pub replaced_at: Option<Timestamp>,
}

/// Page of the versions of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// Versions, the newest first.
    pub versions: Vec<KeptVersion>,
    /// Value of `before` for the next page, if there is one.
    pub next: Option<SyncVersion>,
}

/// Store of a user's data, as devices download it.
///
/// # Contract
///
/// A page is a consistent snapshot, and contains every item and conflict between `since` and its last position. So a device misses
/// nothing if it continues from [`Page::next_cursor`].
///
/// For an account that is being deleted `page` and `status` fail with
/// [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted).
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Returns the items and conflicts after `request.since`.
    async fn page(&self, user: PlacedUser, request: &PageRequest) -> StoreResult<Page>;

    /// Returns statistics of the user.
    async fn status(&self, user: PlacedUser) -> StoreResult<Status>;

    /// Returns an item, deleted or not.
    async fn item(&self, user: PlacedUser, key: &ItemKey) -> StoreResult<Option<Stored>>;

    /// Returns at most `limit` versions of an item before the version `before`, the newest first, and as many as fit a page.
    /// Returns `None` if there is no such item.
    async fn versions(
        &self,
        user: PlacedUser,
        key: &ItemKey,
        before: Option<SyncVersion>,
        limit: usize,
    ) -> StoreResult<Option<VersionPage>>;

    /// Checks that the store responds.
    async fn ping(&self) -> StoreResult<()>;
}

/// Filter for a list of conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ConflictFilter {
    /// Conflicts that are not resolved.
    Open,
    /// Conflicts that are resolved.
    Resolved,
    /// All conflicts.
    All,
}

/// Page of a list of conflicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConflictPage {
    /// Conflicts, the newest first.
    pub conflicts: Vec<Conflict>,
    /// Total number of conflicts that match the filter.
    pub count: i64,
    /// Value of `before` for the next page, if there is one.
    pub next: Option<Timestamp>,
}

/// Read access to a user's conflicts.
#[async_trait]
pub trait ConflictStore: Send + Sync {
    /// Returns at most `limit` conflicts that were detected before `before`, the newest first.
    async fn list(
        &self,
        user: PlacedUser,
        filter: ConflictFilter,
        before: Option<Timestamp>,
        limit: usize,
    ) -> StoreResult<ConflictPage>;
}

/// Result of a purge: numbers of removed rows, and whether more is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Tombstones of connections, saved queries and history.
    pub tombstones: u64,
    /// Resolved conflicts.
    pub conflicts: u64,
    /// Replaced versions.
    pub versions: u64,
    /// Gaps of the change sequences.
    pub gaps: u64,
    /// Markers of accounts whose data was erased long ago.
    pub accounts: u64,
    /// Whether more is due than the call was allowed to remove.
    pub unfinished: bool,
}

impl Purged {
    /// Returns the total number of rows.
    pub const fn total(self) -> u64 {
        self.tombstones + self.conflicts + self.versions + self.gaps + self.accounts
    }
}

impl std::ops::AddAssign for Purged {
    fn add_assign(&mut self, other: Self) {
        let Self { tombstones, conflicts, versions, gaps, accounts, unfinished } = other;
        self.tombstones += tombstones;
        self.conflicts += conflicts;
        self.versions += versions;
        self.gaps += gaps;
        self.accounts += accounts;
        self.unfinished |= unfinished;
    }
}

/// Removal of old data.
///
/// # Contract
///
/// The transaction that removes a tombstone or a resolved conflict also moves the horizon of its user, keeps the receipts of a
/// removed item, and updates the size of the account. Removed data cannot be recovered from the storage of the store. Work is
/// done in batches, each a transaction that leaves consistent data behind, on all databases side by side: a call that fails on
/// one of them completes it on the others.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Removes what was deleted, replaced or resolved before `cutoff`, in at most `batches` batches per database, each of at most
    /// `batch` rows of each kind.
    async fn purge(&self, cutoff: Timestamp, batch: usize, batches: usize) -> StoreResult<Purged>;

    /// Ends moves that were abandoned before `cutoff`, and removes the rows of users who were moved before it from the source: of
    /// each user at most `batches` batches of `batch` rows of each kind. Returns the number of users whose rows were all removed.
    async fn clean_up_moves(&self, cutoff: Timestamp, batch: usize, batches: usize) -> StoreResult<u64>;

    /// Computes size and digest of accounts whose digest does not cover their newest write, in at most `batches` batches of `batch`
    /// accounts per database. Returns the number of accounts that have them now.
    async fn repair_totals(&self, batch: usize, batches: usize) -> StoreResult<u64>;

    /// Ends all cursors of all accounts, after a restore from a backup: each device downloads everything anew. Moves the head of
    /// each account behind every cursor that it has returned, also before the restore, if the clock was right, and raises the
    /// version floor. Ends the moves that are under way, and corrects the placements of users who were moved after the backup.
    /// Proceeds in batches of `batch` accounts, each a transaction. Returns the number of accounts.
    async fn invalidate_cursors(&self, now: Timestamp, batch: usize) -> StoreResult<u64>;

    /// Marks the user's data as being deleted at `now`, which refuses further writes, and removes at most `batch` rows of each
    /// kind. Returns true once no row is left to remove.
    async fn erase(&self, user: UserId, now: Timestamp, batch: usize) -> StoreResult<bool>;
}

/// All traits of sync data.
pub trait SyncData: SyncStore + ChangeFeed + ConflictStore + Retention {}
impl<T: SyncStore + ChangeFeed + ConflictStore + Retention> SyncData for T {}
