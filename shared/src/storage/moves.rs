use async_trait::async_trait;

use super::{StoreError, StoreResult};
use crate::clock::Clock;
use crate::models::{DatabaseId, UserId};
use crate::placement::MemberDatabase;

/// Result of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveOutcome {
    /// The user is in the target now. The number of copied rows.
    Moved(u64),
    /// The user was there before. A move that was interrupted in its last step is complete.
    AlreadyThere,
}

/// A move failed. The data is where the user is placed. If a database does not respond, the head may be closed until the move is
/// repeated.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is one database only, which is not registered.
    #[error("there is only one database")]
    OneDatabase,
    /// The database is not one of the service.
    #[error("the service has no database {0}")]
    UnknownDatabase(DatabaseId),
    /// No other database takes users.
    #[error("no other database takes users: set the weight of one above 0")]
    NoTarget,
    /// There is no such user, or the account is being deleted.
    #[error("there is no such user, or the account is being deleted")]
    NoUser,
    /// The target has data of the user that no move has brought there.
    #[error("the target already has data of the user, from before placements were recorded; remove that first")]
    TargetHasData,
    /// Another move of the user has begun.
    #[error("another move of the user has begun")]
    Superseded,
    /// The data changed during each attempt.
    #[error("the data kept changing; run it again when no purge is running")]
    KeptChanging,
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Progress of a drain, and its result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Users who are in other databases now.
    pub moved: u64,
    /// Users who could not be moved. The log says why.
    pub failed: u64,
    /// Whether users are left who were not tried.
    pub unfinished: bool,
}

/// A database of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseOverview {
    /// The database.
    pub database: MemberDatabase,
    /// Position in `TURSO_DATABASE_URL`, starting at 1; `None` if it is not there, or does not respond.
    pub position: Option<usize>,
    /// Number of users who are placed in it.
    pub users: u64,
}

/// Moves of users between databases of sync data.
///
/// # Contract
///
/// While a user is moved, writes fail with [`StoreError::Unavailable`] and reads succeed, except for a moment at the end. The
/// database where the user is placed always has the authoritative data, and no acknowledged write is lost. A call can be
/// interrupted at any point and repeated; it continues. Of concurrent moves of a user the one that began last succeeds.
#[async_trait]
pub trait UserMoves: Send + Sync {
    /// Returns the databases in the order of their registration; none if there is only one, which is not registered.
    async fn overview(&self) -> StoreResult<Vec<DatabaseOverview>>;

    /// Moves `user` to the database `to`, from wherever an earlier move was interrupted.
    async fn move_user(&self, user: UserId, to: DatabaseId, clock: &dyn Clock) -> Result<MoveOutcome, MoveError>;

    /// Moves the users of `database` to the other databases by weight. No new users are placed in it from then on. Begins no more
    /// moves once `must_stop` returns true. Reports progress to `report`.
    ///
    /// # Errors
    /// When the stores fail. Users who cannot be moved are counted.
    async fn drain(
        &self,
        database: DatabaseId,
        clock: &dyn Clock,
        must_stop: &(dyn Fn() -> bool + Sync),
        report: &(dyn Fn(Drained) + Sync),
    ) -> Result<Drained, MoveError>;
}
