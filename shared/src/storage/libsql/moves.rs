//! Moves of users from one database to another.
//!
//! A move closes the head in the source to writes, copies the rows, compares both sides, marks the source, records the placement,
//! and opens the target. Until the mark, downloads come from the source.
//!
//! It can stop at any point. Whoever continues begins a move of their own, whose epoch is larger: with it they claim the rows in
//! both databases, and no step of an older move has an effect after that, not even one that arrives late. A placement is recorded
//! by the newest move alone. So the database of the recorded placement always has the authoritative data.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::databases::{PlacedDatabases, unavailable};
use super::moved_tables::{RowsDigest, UserRows};
use super::retention::erase_statements;
use super::{BatchError, Databases, LibsqlSync, RowReader, Statement, StatementResult, Transport, Value};
use crate::clock::Clock;
use crate::models::{DatabaseId, UserId};
use crate::storage::{MoveEpoch, MoveError, MoveOutcome, StoreError, StoreResult};

/// Number of rows of each kind that one batch removes from the target, where an earlier move has left them.
const ERASED_ROWS: usize = 1_000;

/// Time in which the rows of a user are copied and compared. The largest account has 256 MiB by default.
const COPY_TIMEOUT: Duration = Duration::from_secs(300);

/// Number of attempts at a move. A purge in the source or the target makes one fail.
const ATTEMPTS: usize = 5;

/// Columns of a head that a move copies, as a JSON array.
macro_rules! head_columns {
    () => {
        "json_array(head, purged_through, purged_version, bytes, history_bytes, connections_count, connections_hash,
            saved_queries_count, saved_queries_hash, history_count, digest_head, conflicts_purged_through, purge_generation,
            generation_head, version_floor)"
    };
}

/// Inserts the head of a user who has not written yet: it will hold the mark. `?1` user.
const ENSURE_HEAD: &str = "
INSERT INTO sync_heads (user_id, head, digest_head) VALUES (?1, 0, 0) ON CONFLICT DO NOTHING";
/// Claims the source for a move. `?1` user, `?2` epoch, `?3` now.
const CLAIM_SOURCE: &str = "
UPDATE sync_heads SET moving = 1, moved_to = NULL, move_epoch = ?2, moved_at = ?3
WHERE user_id = ?1 AND move_epoch < ?2 AND closed_at IS NULL";
/// State of a head. `?1` user.
const STATE: &str =
    concat!("SELECT closed_at, move_epoch, moving, moved_to, ", head_columns!(), " FROM sync_heads WHERE user_id = ?1");

/// Fails if the user has a head here that is not marked as moved, or whose move is not older than the epoch: `digest_head`
/// refuses NULL. `?1` user, `?2` epoch.
pub(super) const REQUIRE_MARK: &str = "
UPDATE sync_heads SET digest_head = CASE WHEN moved_to IS NOT NULL AND move_epoch < ?2 THEN digest_head END WHERE user_id = ?1";
/// Removes the mark of an older move from the target. `?1` user, `?2` epoch.
const DELETE_MARK: &str = "DELETE FROM sync_heads WHERE user_id = ?1 AND moved_to IS NOT NULL AND move_epoch < ?2";
/// Inserts the head into the target, where it says that the data is in the source. `?1` user, `?2` epoch, `?3` now, `?4` source,
/// `?5` columns of the head in the source.
const CLAIM_TARGET: &str = "
INSERT INTO sync_heads (user_id, move_epoch, moved_at, moved_to, moving, head, purged_through, purged_version, bytes,
    history_bytes, connections_count, connections_hash, saved_queries_count, saved_queries_hash, history_count, digest_head,
    conflicts_purged_through, purge_generation, generation_head, version_floor)
SELECT ?1, ?2, ?3, ?4, 1, ?5 ->> 0, ?5 ->> 1, ?5 ->> 2, ?5 ->> 3, ?5 ->> 4, ?5 ->> 5, ?5 ->> 6, ?5 ->> 7, ?5 ->> 8, ?5 ->> 9,
    ?5 ->> 10, ?5 ->> 11, ?5 ->> 12, ?5 ->> 13, ?5 ->> 14
WHERE true ON CONFLICT DO NOTHING";

/// Fails unless the target still receives the rows of this move: the column refuses NULL. `?1` user, `?2` epoch.
const REQUIRE_CLAIM: &str = "
INSERT INTO sync_heads (user_id, head) SELECT ?1, NULL WHERE NOT EXISTS (
    SELECT 1 FROM sync_heads WHERE user_id = ?1 AND move_epoch = ?2 AND moving AND moved_to IS NOT NULL)";

/// Marks the source: the data is in the target. Has no effect if anything has changed since the claim. `?1` user, `?2` epoch,
/// `?3` now, `?4` target, `?5` columns of the head.
const MARK_SOURCE: &str = concat!(
    "UPDATE sync_heads SET moving = 0, moved_to = ?4, moved_at = ?3
    WHERE user_id = ?1 AND move_epoch = ?2 AND moving AND moved_to IS NULL AND closed_at IS NULL AND ",
    head_columns!(),
    " = ?5"
);

/// Opens the head in the database where the user is placed. The statement before it has ensured that there is one, because it
/// holds the epoch. `?1` user, `?2` epoch.
const OPEN: &str = "
UPDATE sync_heads SET moving = 0, moved_to = NULL, moved_at = NULL, move_epoch = ?2 WHERE user_id = ?1 AND move_epoch <= ?2";

impl From<BatchError> for MoveError {
    fn from(error: BatchError) -> Self {
        Self::Store(error.into())
    }
}

/// Reason why an attempt at a move ends.
enum Obstacle {
    /// The data has changed, and another attempt may succeed.
    Changed,
    Failed(MoveError),
}

impl<E: Into<MoveError>> From<E> for Obstacle {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A move of a user that has begun.
struct Move<'a> {
    user: UserId,
    epoch: MoveEpoch,
    from: DatabaseId,
    to: DatabaseId,
    source: Arc<dyn Transport>,
    target: Arc<dyn Transport>,
    clock: &'a dyn Clock,
}

/// State of a head.
pub(super) struct HeadState {
    is_closed: bool,
    pub(super) epoch: i64,
    pub(super) is_moving: bool,
    pub(super) moved_to: Option<DatabaseId>,
    /// Columns that a move copies.
    columns: String,
}

impl HeadState {
    /// Reads the state from a database; `None` if the user has no head there.
    pub(super) async fn load(database: &dyn Transport, user: UserId) -> StoreResult<Option<Self>> {
        let [state] = database.read_batch("head_state", [Statement::new(STATE, [user.into()])]).await?;
        Self::read(user, state)
    }

    fn read(user: UserId, result: StatementResult) -> StoreResult<Option<Self>> {
        let Some(row) = result.into_first_row() else { return Ok(None) };
        let mut row = RowReader::with_key("sync_heads", user, row);
        Ok(Some(Self {
            is_closed: row.optional_time("closed_at")?.is_some(),
            epoch: row.integer("move_epoch")?,
            is_moving: row.flag("moving")?,
            moved_to: row.optional_parsed("moved_to")?,
            columns: row.text("columns")?,
        }))
    }
}

impl LibsqlSync {
    /// Implements [`UserMoves::move_user`](crate::storage::UserMoves::move_user).
    pub(super) async fn move_to(
        &self,
        user: UserId,
        to: DatabaseId,
        clock: &dyn Clock,
    ) -> Result<MoveOutcome, MoveError> {
        let Databases::Placed(databases) = &self.databases else { return Err(MoveError::OneDatabase) };
        for _ in 0..ATTEMPTS {
            match databases.try_move(user, to, clock).await {
                Err(Obstacle::Changed) => {}
                Err(Obstacle::Failed(error)) => return Err(error),
                Ok(outcome) => return Ok(outcome),
            }
        }
        Err(MoveError::KeptChanging)
    }
}

impl PlacedDatabases {
    async fn try_move(&self, user: UserId, to: DatabaseId, clock: &dyn Clock) -> Result<MoveOutcome, Obstacle> {
        let members = self.directory.placements.database_set().await?.members;
        if members.iter().all(|member| member.id != to) {
            return Err(MoveError::UnknownDatabase(to).into());
        }
        let target = self.find(to).await?;
        // Records the placement if it is not.
        if let Err(StoreError::AccountDeleted) = self.look_up(user).await {
            return Err(MoveError::NoUser.into());
        }
        let begun = self.directory.placements.begin_move(user, clock.now()).await?;
        let (from, epoch) = begun.ok_or(MoveError::NoUser)?;
        let from = self.confirmed_home(user, from, epoch).await?;
        if from == to {
            open(&*target, user, epoch).await?;
            return Ok(MoveOutcome::AlreadyThere);
        }
        let source = self.find(from).await?;
        let this_move = Move { user, epoch, from, to, source, target, clock };
        let copied = timeout(COPY_TIMEOUT, this_move.copy()).await;
        match copied.unwrap_or_else(|_| Err(unavailable("the move takes too long").into())) {
            Ok(rows) => self.finish(&this_move).await.map(|()| MoveOutcome::Moved(rows)),
            Err(obstacle) => {
                // Writes continue in the source. If this fails, the next move or a purge opens it.
                open(&*this_move.source, user, epoch).await.ok();
                Err(obstacle)
            }
        }
    }

    /// Records the placement of a user whose source is marked, and opens the target.
    async fn finish(&self, this_move: &Move<'_>) -> Result<(), Obstacle> {
        match self.directory.placements.finish_move(this_move.user, this_move.epoch, this_move.to).await {
            Ok(true) => open(&*this_move.target, this_move.user, this_move.epoch).await?,
            Ok(false) => {
                open(&*this_move.source, this_move.user, this_move.epoch).await.ok();
                return Err(MoveError::Superseded.into());
            }
            Err(error) => {
                // The placement may be recorded, and only the response be lost.
                self.end_move_in_progress(this_move.user, this_move.clock.now()).await.ok();
                return Err(error.into());
            }
        }
        self.renew_hint(this_move.user, this_move.to).await;
        Ok(())
    }
}

impl Move<'_> {
    /// Copies the user to the target, up to the mark in the source. Returns the number of rows.
    async fn copy(&self) -> Result<u64, Obstacle> {
        let columns = self.claim_source().await?;
        self.claim_target(&columns).await?;
        let copied = self.copy_rows().await?;
        let target_columns = HeadState::load(&*self.target, self.user).await?.map(|state| state.columns);
        if target_columns.as_ref() != Some(&columns) || RowsDigest::of(&*self.target, self.user).await? != copied {
            return Err(Obstacle::Changed);
        }
        self.mark_source(columns).await?;
        Ok(copied.rows)
    }

    fn read_state(&self) -> Statement {
        Statement::new(STATE, [self.user.into()])
    }

    /// Closes the head in the source to writes. Returns its columns.
    async fn claim_source(&self) -> Result<String, Obstacle> {
        let parameters = [self.user.into(), self.epoch.0.into(), self.clock.now().into()];
        let statements = [
            Statement::new(ENSURE_HEAD, [self.user.into()]),
            Statement::new(CLAIM_SOURCE, parameters),
            self.read_state(),
        ];
        let [_, _, state] = self.source.write_batch("claim_source", statements).await?;
        let state = HeadState::read(self.user, state)?.ok_or(MoveError::Superseded)?;
        if state.is_closed {
            return Err(MoveError::NoUser.into());
        }
        if state.epoch != self.epoch.0 || !state.is_moving || state.moved_to.is_some() {
            return Err(MoveError::Superseded.into());
        }
        Ok(state.columns)
    }

    /// Removes what an earlier move has left in the target, and inserts the head, which says that the data is in the source.
    async fn claim_target(&self, columns: &str) -> Result<(), Obstacle> {
        if let Some(state) = HeadState::load(&*self.target, self.user).await? {
            if state.moved_to.is_none() {
                return Err(MoveError::TargetHasData.into());
            }
            let guard = Statement::new(REQUIRE_MARK, [self.user.into(), self.epoch.0.into()]);
            let remove = || remove_batch(&*self.target, self.user, Some(guard.clone()), ERASED_ROWS);
            while !remove().await.map_err(superseded_if_refused)? {}
        }
        let claim = [
            self.user.into(),
            self.epoch.0.into(),
            self.clock.now().into(),
            self.from.into(),
            Value::Text(columns.to_owned()),
        ];
        let statements = [
            Statement::new(DELETE_MARK, [self.user.into(), self.epoch.0.into()]),
            Statement::new(CLAIM_TARGET, claim),
            self.read_state(),
        ];
        let [_, _, state] = self.target.write_batch("claim_target", statements).await?;
        let is_claimed = |state: &HeadState| state.epoch == self.epoch.0 && state.moved_to == Some(self.from);
        match HeadState::read(self.user, state)? {
            Some(state) if is_claimed(&state) => Ok(()),
            _ => Err(MoveError::Superseded.into()),
        }
    }

    /// Copies the rows in batches. Returns the digest of those that were read.
    async fn copy_rows(&self) -> Result<RowsDigest, Obstacle> {
        let mut rows = UserRows::new(&*self.source, self.user);
        while let Some(insert) = rows.next().await? {
            let guard = Statement::new(REQUIRE_CLAIM, [self.user.into(), self.epoch.0.into()]);
            self.target.write("insert_rows", vec![guard, insert]).await.map_err(superseded_if_refused)?;
        }
        Ok(rows.digest)
    }

    /// Marks the source, unless anything has changed there since the claim.
    async fn mark_source(&self, columns: String) -> Result<(), Obstacle> {
        let mark =
            [self.user.into(), self.epoch.0.into(), self.clock.now().into(), self.to.into(), Value::Text(columns)];
        let statements = [Statement::new(MARK_SOURCE, mark), self.read_state()];
        let [_, state] = self.source.write_batch("mark_source", statements).await?;
        match HeadState::read(self.user, state)? {
            Some(state) if state.epoch == self.epoch.0 && state.moved_to == Some(self.to) => Ok(()),
            Some(state) if state.is_closed => Err(MoveError::NoUser.into()),
            Some(state) if state.epoch == self.epoch.0 => Err(Obstacle::Changed),
            _ => Err(MoveError::Superseded.into()),
        }
    }
}

/// Opens the head in the database where the user is placed, unless a newer move has claimed it.
pub(super) async fn open(database: &dyn Transport, user: UserId, epoch: MoveEpoch) -> StoreResult<()> {
    let open = Statement::new(OPEN, [user.into(), epoch.0.into()]);
    database.write("open_head", vec![Statement::new(ENSURE_HEAD, [user.into()]), open]).await?;
    Ok(())
}

/// Removes a batch of rows, if `guard` does not refuse it. Returns whether none was left.
pub(super) async fn remove_batch(
    database: &dyn Transport,
    user: UserId,
    guard: Option<Statement>,
    batch: usize,
) -> Result<bool, BatchError> {
    let guards = usize::from(guard.is_some());
    let statements = guard.into_iter().chain(erase_statements(user, batch)).collect();
    let removed = database.write("remove_moved_rows", statements).await?;
    Ok(removed.iter().skip(guards).all(|table| table.written == 0))
}

/// Converts the error of a write whose first statement is [`REQUIRE_CLAIM`] or [`REQUIRE_MARK`].
fn superseded_if_refused(error: BatchError) -> MoveError {
    match error {
        BatchError::Constraint { statement: 0, .. } => MoveError::Superseded,
        error => error.into(),
    }
}
