use async_trait::async_trait;
use uuid::Uuid;

use super::StoreResult;
use crate::models::{DatabaseId, Timestamp, UserId};
use crate::placement::MemberDatabase;

/// The databases of sync data that belong to this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSet {
    /// Id of the set, which each of the databases holds beside its own id. It distinguishes the databases of this service from
    /// those of another one.
    pub id: Uuid,
    /// The databases in the order of their ordinals.
    pub members: Vec<MemberDatabase>,
    /// Members that users are placed in.
    pub used: Vec<DatabaseId>,
}

/// Where the sync data of a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// There is no such user.
    NoUser,
    /// The user was created by a release that did not record placements.
    Unrecorded,
    /// In this database.
    In(DatabaseId),
}

/// Fencing token of a move. Of two moves of a user, the one that began later has the larger epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MoveEpoch(pub i64);

/// The databases of sync data, and which of them holds the data of each user.
///
/// # Contract
///
/// A user is placed in at most one database, always. A placement that is recorded changes only by
/// [`finish_move`](Self::finish_move). Of all moves of a user only the one that began last can finish.
#[async_trait]
pub trait Placements: Send + Sync {
    /// Returns the databases.
    async fn database_set(&self) -> StoreResult<DatabaseSet>;

    /// Makes `databases` with these weights the members of the set. Databases that are new get ordinals in this order.
    ///
    /// Changes nothing and returns the members that are missing in `databases` if users are placed in these.
    async fn register(&self, databases: &[(DatabaseId, u32)]) -> StoreResult<Vec<DatabaseId>>;

    /// Sets the weight of a member to 0, so that no new users are placed in it.
    async fn close_to_new_users(&self, database: DatabaseId) -> StoreResult<()>;

    /// Returns where the data of `user` is, also while the account is being deleted.
    async fn placement(&self, user: UserId) -> StoreResult<Placement>;

    /// Records `database` for those of `users` whose placement is not recorded.
    async fn record(&self, users: &[UserId], database: DatabaseId) -> StoreResult<()>;

    /// Returns at most `limit` users whose placement is not recorded.
    async fn unrecorded(&self, limit: usize) -> StoreResult<Vec<UserId>>;

    /// Returns at most `limit` users in `database` after the user `after`, in the order of their ids, without those whose deletion
    /// has begun.
    async fn users_in(&self, database: DatabaseId, after: Option<UserId>, limit: usize) -> StoreResult<Vec<UserId>>;

    /// Begins a move of `user`, which prevents every earlier one from finishing. Returns the database of the user and the epoch
    /// of the move, which is at least the microseconds of `now`; `None` if there is no such user, the deletion of the account has
    /// begun, or the placement is not recorded.
    async fn begin_move(&self, user: UserId, now: Timestamp) -> StoreResult<Option<(DatabaseId, MoveEpoch)>>;

    /// Places `user` in `database`, unless another move has begun since, or the deletion of the account. Returns whether it did.
    async fn finish_move(&self, user: UserId, epoch: MoveEpoch, database: DatabaseId) -> StoreResult<bool>;
}
