//! The end of moves that were abandoned, and the removal of what moves leave behind.

use futures_util::future::join_all;

use super::databases::PlacedDatabases;
use super::moves::{HeadState, REQUIRE_MARK, open, remove_batch};
use super::{BatchError, RowReader, Statement, Transport, Value};
use crate::models::{DatabaseId, Timestamp, UserId};
use crate::storage::{MoveEpoch, Placement, StoreResult};
use crate::telemetry;

/// Maximum number of batches of users in a clean-up.
const MAX_BATCHES: usize = 1_000;

/// Maximum number of users in a clean-up whose moves cannot be ended. More of them mean that a store is down.
const MAX_FAILURES: usize = 20;

/// Maximum number of marks that lead from one database to the next.
const MAX_MARKS: usize = 16;

/// Heads of moves whose last step is old. `?1` cutoff, `?2` whether the move is under way, `?3` and `?4` time and user before the
/// batch, `?5` limit.
const UNFINISHED: &str = "
SELECT user_id, move_epoch, moved_at FROM sync_heads
WHERE moved_at < ?1 AND moving = ?2 AND (moved_at, user_id) > (?3, ?4) ORDER BY moved_at, user_id LIMIT ?5";
/// Closes the target of an abandoned move to further rows, and marks a source that a backup has restored in the middle of a move.
/// `?1` user, `?2` epoch, `?3` database of the user.
const STOP_COPY: &str = "
UPDATE sync_heads SET moving = 0, moved_to = coalesce(moved_to, ?3) WHERE user_id = ?1 AND move_epoch = ?2 AND moving";
/// Removes the head of a user who does not exist any more, unless it stops uploads by access tokens that outlive the account. `?1`
/// user, `?2` epoch.
const FORGET: &str = "DELETE FROM sync_heads WHERE user_id = ?1 AND move_epoch = ?2 AND closed_at IS NULL";
/// Marks rows of a user whose data is erased elsewhere: the list of databases was edited before placements were recorded. `?1`
/// user, `?2` the other database, `?3` now.
const MARK_REST: &str = "
UPDATE sync_heads SET moved_to = ?2, moved_at = ?3 WHERE user_id = ?1 AND moved_to IS NULL AND closed_at IS NULL";
/// Removes the mark of a user whose data is erased. Marks behind which something is left are removed with that. `?1` user.
const FORGET_MARK: &str = "
DELETE FROM sync_heads WHERE user_id = ?1 AND moved_to IS NOT NULL AND moved_at IS NULL AND closed_at IS NULL";
/// Ends a move of which nothing is left here but the head. `?1` user, `?2` epoch.
const END_MOVE: &str = "UPDATE sync_heads SET moving = 0, moved_at = NULL WHERE user_id = ?1 AND move_epoch = ?2";

impl PlacedDatabases {
    /// Ends the move that is under way, and opens the head in the database of `user`. Returns that database; `None` if there is
    /// no such user, or the account is being deleted.
    pub(super) async fn end_move_in_progress(&self, user: UserId, now: Timestamp) -> StoreResult<Option<DatabaseId>> {
        let Some((home, epoch)) = self.directory.placements.begin_move(user, now).await? else { return Ok(None) };
        let home = self.confirmed_home(user, home, epoch).await?;
        open(&*self.find(home).await?, user, epoch).await?;
        Ok(Some(home))
    }

    /// Returns the database of a user who is placed in `home`, and whose move with `epoch` has begun. Follows the marks, and
    /// corrects the placement: that is outdated if the accounts were restored to a time before a move.
    pub(super) async fn confirmed_home(
        &self,
        user: UserId,
        home: DatabaseId,
        epoch: MoveEpoch,
    ) -> StoreResult<DatabaseId> {
        match self.holder(user, home).await? {
            Some(holder) if holder != home => {
                self.directory.placements.finish_move(user, epoch, holder).await?;
                Ok(holder)
            }
            _ => Ok(home),
        }
    }

    /// Follows the marks from `database`, and returns the database that has the data of `user`, as far as it knows. `None` if
    /// there is none: the mark may lead to the target of a move that has not recorded the placement.
    pub(super) async fn holder(&self, user: UserId, database: DatabaseId) -> StoreResult<Option<DatabaseId>> {
        let mut database = database;
        for _ in 0..MAX_MARKS {
            match self.head_state(user, database).await? {
                Some(HeadState { moved_to: None, .. }) => return Ok(Some(database)),
                Some(HeadState { moved_to: Some(to), is_moving: false, .. }) => database = to,
                _ => break,
            }
        }
        Ok(None)
    }

    /// Returns the state of the head of `user` in `database`.
    pub(super) async fn head_state(&self, user: UserId, database: DatabaseId) -> StoreResult<Option<HeadState>> {
        HeadState::load(&*self.find(database).await?, user).await
    }

    /// Ends moves of which the database `id` is the source or the target and whose last step was before `cutoff`, and removes the
    /// rows of users who are elsewhere: in batches of `batch` users, and of each at most `batches` batches of `batch` rows of
    /// each kind. Returns the number of users whose rows were all removed.
    pub(super) async fn clean_up_moves(
        &self,
        id: DatabaseId,
        database: &dyn Transport,
        cutoff: Timestamp,
        batch: usize,
        batches: usize,
    ) -> StoreResult<u64> {
        let (mut cleaned, mut failures) = (0, 0);
        // Users whose head is closed come first.
        for is_moving in [true, false] {
            let mut last = (Value::Integer(i64::MIN), Value::Text(String::new()));
            for _ in 0..MAX_BATCHES {
                let parameters = [cutoff.into(), is_moving.into(), last.0, last.1, Value::count(batch)];
                let select = Statement::new(UNFINISHED, parameters);
                let [unfinished] = database.read_batch("unfinished_moves", [select]).await?;
                let Some(newest) = unfinished.rows.last() else { break };
                last = (newest[2].clone(), newest[0].clone());
                for row in unfinished.rows {
                    let mut row = RowReader::new("sync_heads", row);
                    let (user, epoch) = (row.parsed("user_id")?, MoveEpoch(row.integer("move_epoch")?));
                    match self.clean_up_move((id, database), user, (epoch, is_moving), (batch, batches)).await {
                        Ok(is_clean) => cleaned += u64::from(is_clean),
                        Err(error) if failures == MAX_FAILURES => return Err(error),
                        Err(error) => {
                            failures += 1;
                            tracing::error!(user = telemetry::pseudonym(user), %error, "move not cleaned up");
                        }
                    }
                }
            }
        }
        Ok(cleaned)
    }

    async fn clean_up_move(
        &self,
        (id, database): (DatabaseId, &dyn Transport),
        user: UserId,
        (epoch, is_moving): (MoveEpoch, bool),
        limits: (usize, usize),
    ) -> StoreResult<bool> {
        let home = match self.directory.placements.placement(user).await? {
            Placement::Unrecorded => return Ok(false),
            Placement::NoUser => None,
            Placement::In(home) if home == id || is_moving => {
                // A move that is slow must not finish after this: it counts on the rows here.
                let ended = self.end_move_in_progress(user, Timestamp::from_micros(epoch.0 + 1)).await?;
                // A user whose deletion has begun is handled once the account is gone.
                let Some(home) = ended.filter(|home| *home != id) else { return Ok(false) };
                Some(home)
            }
            Placement::In(home) => Some(home),
        };
        if let Some(home) = home
            && self.head_state(user, home).await?.is_none_or(|head| head.moved_to.is_some())
        {
            // A backup from before the move has replaced that database.
            tracing::error!(user = telemetry::pseudonym(user), %home, "data of a moved user is missing");
            return Ok(false);
        }
        clean_up_user(database, user, epoch, home, limits).await
    }

    /// Removes the marks that moves of a user have left in the other databases, once the data in `home` is erased. Data of the
    /// user that is in another database all the same is left to the purge.
    ///
    /// # Errors
    /// When a database is unreachable. The others are complete then.
    pub(super) async fn forget_marks(&self, user: UserId, home: DatabaseId, now: Timestamp) -> StoreResult<()> {
        let members = self.directory.placements.database_set().await?.members;
        let others = members.iter().filter(|member| member.id != home);
        let forgotten = others.map(|member| async {
            let rest = Statement::new(MARK_REST, [user.into(), home.into(), now.into()]);
            let forget = vec![rest, Statement::new(FORGET_MARK, [user.into()])];
            self.find(member.id).await?.write("forget_mark", forget).await?;
            Ok(())
        });
        join_all(forgotten).await.into_iter().collect()
    }
}

/// Removes the rows of a user who is in `home`, or does not exist any more, in batches. Returns whether nothing is left: not if
/// another move has begun.
async fn clean_up_user(
    database: &dyn Transport,
    user: UserId,
    epoch: MoveEpoch,
    home: Option<DatabaseId>,
    (batch, batches): (usize, usize),
) -> StoreResult<bool> {
    let key = || [user.into(), epoch.0.into()];
    let end = Statement::new(END_MOVE, key());
    let (guard, last) = match home {
        Some(home) => {
            let stop = key().into_iter().chain([home.into()]);
            database.write("stop_copy", vec![Statement::new(STOP_COPY, stop)]).await?;
            (Some(Statement::new(REQUIRE_MARK, [user.into(), (epoch.0 + 1).into()])), vec![end])
        }
        None => (None, vec![Statement::new(FORGET, key()), end]),
    };
    for _ in 0..batches {
        match remove_batch(database, user, guard.clone(), batch).await {
            Ok(false) => {}
            Ok(true) => {
                database.write("end_move", last).await?;
                return Ok(true);
            }
            Err(BatchError::Constraint { statement: 0, .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}
