//! Agreement of placements and databases after a restore from backups of different times.
//!
//! A database that is restored to a time before a move has the user's data again, or has it no longer.

use super::databases::PlacedDatabases;
use super::moves::open;
use super::{Member, RowReader, Statement, Value};
use crate::models::{DatabaseId, Timestamp, UserId};
use crate::storage::{MoveEpoch, Placement, StoreResult};

/// Users whose data is here, as far as the database knows, or was not yet removed after a move, and whether a move is under way.
/// `?1` user before the batch, `?2` limit.
const HELD: &str = "
SELECT user_id, moving FROM sync_heads
WHERE user_id > ?1 AND closed_at IS NULL AND (moved_to IS NULL OR (moved_at IS NOT NULL AND NOT moving))
ORDER BY user_id LIMIT ?2";
/// Marks the head of a user whose data is elsewhere. `?1` user, `?2` epoch, `?3` the other database, `?4` now.
const MARK: &str = "
UPDATE sync_heads SET moving = 0, moved_to = ?3, moved_at = ?4, move_epoch = ?2
WHERE user_id = ?1 AND moved_to IS NULL AND closed_at IS NULL AND move_epoch < ?2";

/// Inserts a mark where the user has no head. `?1` user, `?2` the database of the user, `?3` epoch.
const INSERT_MARK: &str = "
INSERT INTO sync_heads (user_id, head, digest_head, moved_to, move_epoch) VALUES (?1, 0, 0, ?2, ?3) ON CONFLICT DO NOTHING";

/// Number of users that one look-up returns.
const BATCH: usize = 1_000;

impl PlacedDatabases {
    /// Corrects the placements of users whose data a database has although they are placed in another one: they are placed where
    /// the data is, or, if both have it, the database is marked. Returns the number of these users.
    pub(super) async fn reconcile(&self, member: Member, now: Timestamp) -> StoreResult<u64> {
        let Some(id) = member.id else { return Ok(0) };
        let (mut corrected, mut last) = (0, None);
        loop {
            let after = last.map_or_else(|| Value::Text(String::new()), Value::from);
            let select = Statement::new(HELD, [after, Value::count(BATCH)]);
            let [held] = member.transport.read_batch("held_users", [select]).await?;
            let held = held.rows.into_iter().map(|row| {
                let mut row = RowReader::new("sync_heads", row);
                Ok((row.parsed("user_id")?, row.flag("moving")?))
            });
            let held = held.collect::<StoreResult<Vec<(UserId, bool)>>>()?;
            let Some((newest, _)) = held.last().copied() else { return Ok(corrected) };
            let placed = self.placed_until(id, last, newest).await?;
            for (user, is_moving) in held {
                if is_moving {
                    self.end_move_in_progress(user, now).await?;
                }
                if placed.binary_search(&user).is_err() {
                    corrected += u64::from(self.correct(&member, id, user, now).await?);
                }
            }
            last = Some(newest);
        }
    }

    /// Returns the users in `database` after `after`, to `newest` at least, in the order of their ids.
    async fn placed_until(
        &self,
        database: DatabaseId,
        after: Option<UserId>,
        newest: UserId,
    ) -> StoreResult<Vec<UserId>> {
        let mut placed: Vec<UserId> = Vec::new();
        loop {
            let after = placed.last().copied().or(after);
            let users = self.directory.placements.users_in(database, after, BATCH).await?;
            let is_last = users.last().is_none_or(|last| *last >= newest);
            placed.extend(users);
            if is_last {
                return Ok(placed);
            }
        }
    }

    /// Corrects the placement of a user whose data `member` has. Returns whether it was wrong.
    async fn correct(&self, member: &Member, id: DatabaseId, user: UserId, now: Timestamp) -> StoreResult<bool> {
        let placements = &self.directory.placements;
        match placements.placement(user).await? {
            Placement::In(home) if home != id => {}
            _ => return Ok(false),
        }
        let Some((home, epoch)) = placements.begin_move(user, now).await? else { return Ok(false) };
        let holder = match self.holder(user, home).await? {
            Some(holder) => Some(holder),
            None => self.holder(user, id).await?,
        };
        match holder {
            Some(holder) if holder != id => {
                if holder != home {
                    placements.finish_move(user, epoch, holder).await?;
                    self.renew_hint(user, holder).await;
                }
                mark(member, user, epoch, (holder, now)).await?;
            }
            _ if self.head_state(user, home).await?.map(|home| home.epoch)
                > self.head_state(user, id).await?.map(|here| here.epoch) =>
            {
                // A move from there has not recorded the placement. What is here is older.
                self.end_move_in_progress(user, now).await?;
            }
            _ => self.place_back(member, user, epoch, (id, home)).await?,
        }
        Ok(true)
    }

    /// Places a user in the database `id`, `member`, because the database `home` has lost the data.
    async fn place_back(
        &self,
        member: &Member,
        user: UserId,
        epoch: MoveEpoch,
        (id, home): (DatabaseId, DatabaseId),
    ) -> StoreResult<()> {
        // Otherwise an old hint would create the user anew there.
        let mark = Statement::new(INSERT_MARK, [user.into(), id.into(), epoch.0.into()]);
        self.find(home).await?.write("insert_mark", vec![mark]).await?;
        if self.directory.placements.finish_move(user, epoch, id).await? {
            open(&*member.transport, user, epoch).await?;
            self.renew_hint(user, id).await;
        }
        Ok(())
    }
}

async fn mark(
    member: &Member,
    user: UserId,
    epoch: MoveEpoch,
    (home, now): (DatabaseId, Timestamp),
) -> StoreResult<()> {
    let parameters = [user.into(), epoch.0.into(), home.into(), now.into()];
    member.transport.write("mark_elsewhere", vec![Statement::new(MARK, parameters)]).await?;
    Ok(())
}
