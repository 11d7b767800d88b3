use async_trait::async_trait;

use super::StoreResult;
use crate::models::{Conflict, Device, DeviceId, ItemKey, Stored, Timestamp, UserId};
use crate::sync::{Append, FullSyncCursor, Head, Plan, ReadSet, Snapshot};

/// What became of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// All of it is there.
    Applied,
    /// The user's head is not the one the plan was made for: none of it is there.
    HeadMoved,
}

/// The user's line of changes.
///
/// **Law.** What [`load`](Self::load) returns is the state at one moment, and the only thing that a decision may be made
/// from. [`commit`](Self::commit) writes all of a plan or none of it, and only while the head is the one the plan was made
/// for; so of two plans made for the same head one at most is written. [`append`](Self::append) writes all it adds or none,
/// whatever the head. What was written survives a crash of the process at any later moment. For an account that is being
/// deleted `load` and `append` fail with [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted), and `commit` finds the head
/// moved.
#[async_trait]
pub trait SyncStore: Send + Sync {
    /// The part of the user's data that an upload, or the resolution of a conflict, touches.
    ///
    /// # Errors
    /// [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted) if the account is being deleted.
    async fn load(&self, user: UserId, read_set: &ReadSet) -> StoreResult<Snapshot>;

    /// Adds those entries of the history that are not there and were never deleted, each at a place of its own after all
    /// that is in the line; where the head is then. It waits for nobody, and nobody's plan survives it. `version` is how
    /// the client describes itself.
    ///
    /// # Errors
    /// [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted) if the account is being deleted.
    async fn append(&self, user: UserId, append: &Append, version: &str, now: Timestamp) -> StoreResult<Timestamp>;

    /// Writes `plan` at the server time `now`; `version` is how the client describes itself.
    async fn commit(&self, user: UserId, plan: &Plan, version: &str, now: Timestamp) -> StoreResult<Commit>;
}

/// What a device asks of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The device.
    pub device: DeviceId,
    /// What came after this is wanted.
    pub since: Timestamp,
    /// Whether deleted items are wanted.
    pub tombstones: bool,
    /// Most items; [`crate::models::limits::PAGE_BYTES`] may allow fewer.
    pub limit: usize,
}

/// One page of a download.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The user's head.
    pub head: Head,
    /// What the device is in the middle of, if anything.
    pub full_sync: Option<FullSyncCursor>,
    /// Items, by their place in the user's line of changes.
    pub items: Vec<(ItemKey, Stored)>,
    /// Whether there is more after the last of them.
    pub has_more: bool,
    /// The newest open conflicts, as many as fit.
    pub conflicts: Vec<Conflict>,
}

/// What a user has, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The user's head.
    pub head: Head,
    /// The devices that have uploaded, the latest first.
    pub devices: Vec<Device>,
    /// Live items, in the order of [`crate::models::ItemType::ALL`].
    pub items: [i64; 3],
    /// Conflicts that wait for the user.
    pub open_conflicts: i64,
}

/// The user's data as devices read it.
///
/// **Law.** A page is the state at one moment, and holds every item after `since` up to its last one; so whoever goes on
/// from the last item, and from the head when there is no more, misses nothing. For an account that is being deleted `page`
/// and `status` fail with [`StoreError::AccountDeleted`](super::StoreError::AccountDeleted), and nothing is remembered.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// The items after `request.since`.
    async fn page(&self, user: UserId, request: &PageRequest) -> StoreResult<Page>;

    /// Remembers where `device` is in its download of the whole state.
    async fn remember(&self, user: UserId, device: &DeviceId, full_sync: FullSyncCursor) -> StoreResult<()>;

    /// What the user has.
    async fn status(&self, user: UserId) -> StoreResult<Status>;

    /// One item, deleted or not.
    async fn item(&self, user: UserId, key: &ItemKey) -> StoreResult<Option<Stored>>;

    /// Whether the store answers at all.
    async fn ping(&self) -> StoreResult<()>;
}

/// Which conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ConflictFilter {
    /// Those that wait for the user.
    Open,
    /// Those that are settled.
    Resolved,
    /// All.
    All,
}

/// One page of conflicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConflictPage {
    /// The conflicts, newest first.
    pub conflicts: Vec<Conflict>,
    /// How many match the filter in all.
    pub count: i64,
    /// Where the next page starts, if there is one.
    pub next: Option<Timestamp>,
}

/// The user's conflicts, for reading.
#[async_trait]
pub trait ConflictStore: Send + Sync {
    /// The conflicts detected before `before`, newest first, at most `limit` of them.
    async fn list(
        &self,
        user: UserId,
        filter: ConflictFilter,
        before: Option<Timestamp>,
        limit: usize,
    ) -> StoreResult<ConflictPage>;
}

/// What one batch of a purge removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Tombstones of connections, saved queries and history.
    pub tombstones: u64,
    /// Settled conflicts.
    pub conflicts: u64,
    /// Marks of accounts whose data is long gone.
    pub accounts: u64,
}

impl Purged {
    /// All of it.
    pub const fn total(self) -> u64 {
        self.tombstones + self.conflicts + self.accounts
    }
}

/// Forgetting.
///
/// **Law.** The user's purge horizon moves in the same transaction that removes a tombstone. Every call removes a
/// bounded number of rows and may be the last one: repeating calls until one removes nothing finishes the work.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Removes at most `batch` rows of each kind that were deleted or settled before `cutoff`.
    async fn purge(&self, cutoff: Timestamp, batch: usize) -> StoreResult<Purged>;

    /// Closes the user's data to writes at `now` and removes at most `batch` rows of each kind; whether all is gone.
    async fn erase(&self, user: UserId, now: Timestamp, batch: usize) -> StoreResult<bool>;
}

/// Everything about sync data.
pub trait SyncData: SyncStore + ChangeFeed + ConflictStore + Retention {}
impl<T: SyncStore + ChangeFeed + ConflictStore + Retention> SyncData for T {}
