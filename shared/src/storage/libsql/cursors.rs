//! The gaps of the change sequence, in which no cursor can be, and the end of all cursors.

use std::time::Duration;

use super::{Databases, LibsqlSync, RowReader, Statement, Transport, Value};
use crate::models::{SyncVersion, Timestamp, UserId};
use crate::storage::StoreResult;

/// Returns a row with 1 if a position is in a gap. Of the gaps before it only the last can contain it. `?1` user, `?2` position.
const IN_GAP: &str = "
SELECT to_seq > ?2 FROM head_gaps WHERE user_id = ?1 AND from_seq < ?2 ORDER BY from_seq DESC LIMIT 1";

/// Shortest gap that is remembered. Restoring a backup takes longer, and a write that follows another one at once has no further
/// row to write.
const MIN_GAP: Duration = Duration::from_millis(100);

/// Remembers a gap. `?1` user, `?2` head before the write, `?3` first position of the write.
const GAP: &str = "INSERT INTO head_gaps (user_id, from_seq, to_seq) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

/// Remembers the gap between the head and the first history entry after it. `?1` user, `?2` length of the shortest gap.
const GAP_BEFORE_ENTRIES: &str = "
INSERT INTO head_gaps (user_id, from_seq, to_seq)
SELECT h.user_id, h.head, min(q.seq) FROM sync_heads AS h JOIN query_history AS q ON q.user_id = h.user_id AND q.seq > h.head
WHERE h.user_id = ?1 GROUP BY h.user_id HAVING min(q.seq) - h.head > ?2
ON CONFLICT DO NOTHING";

/// Time by which an invalidation moves heads beyond the clock. An upload of many changes runs ahead of the clock, by one
/// millisecond per write.
const AHEAD: Duration = Duration::from_secs(60);

/// Number of versions by which an invalidation raises the version floor of an account: more than a restore undoes of any item.
const FLOOR_STEP: SyncVersion = 1_000_000;

/// Moves head and purge horizon of a batch of accounts beyond every cursor that they have returned. `?1` time, `?2` user before the
/// batch, `?3` size of the batch, `?4` step of the version floor.
const INVALIDATE: &str = "
UPDATE sync_heads SET head = batch.next, purged_through = batch.next, version_floor = sync_heads.version_floor + ?4,
    digest_head = iif(sync_heads.digest_head = sync_heads.head, batch.next, sync_heads.digest_head)
FROM (SELECT user_id, (max(head, ?1) / 1000 + 1) * 1000 AS next FROM sync_heads
    WHERE user_id > ?2 AND closed_at IS NULL AND moved_to IS NULL AND NOT moving ORDER BY user_id LIMIT ?3) AS batch
WHERE sync_heads.user_id = batch.user_id RETURNING user_id";

/// Returns the statement that looks for a gap around a position.
pub(super) fn find_gap(user: UserId, position: Timestamp) -> Statement {
    Statement::new(IN_GAP, [user.into(), position.into()])
}

/// Returns the statement that remembers the gap between `head` and `first`, if it is long enough.
pub(super) fn gap(user: UserId, head: Timestamp, first: Timestamp) -> Option<Statement> {
    let is_gap = first.micros() - head.micros() > MIN_GAP.as_micros() as i64;
    is_gap.then(|| Statement::new(GAP, [user.into(), head.into(), first.into()]))
}

/// Returns the statement that remembers the gap before history entries after the head, if it is long enough.
pub(super) fn gap_before_entries(user: UserId) -> Statement {
    Statement::new(GAP_BEFORE_ENTRIES, [user.into(), Value::Integer(MIN_GAP.as_micros() as i64)])
}

impl LibsqlSync {
    /// Implements [`Retention::invalidate_cursors`](crate::storage::Retention::invalidate_cursors).
    pub(super) async fn invalidate_all_cursors(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        if let Databases::Placed(databases) = &self.databases {
            self.run_on_all(|member| databases.reconcile(member, now)).await?;
        }
        let time = Timestamp::from_micros(now.micros() + AHEAD.as_micros() as i64);
        let counts = self.run_on_all(|member| async move { invalidate(&*member.transport, time, batch).await }).await?;
        Ok(counts.into_iter().sum())
    }
}

/// Invalidates the cursors of all accounts in a database. Returns the number of the accounts.
async fn invalidate(database: &dyn Transport, time: Timestamp, batch: usize) -> StoreResult<u64> {
    let (mut count, mut last) = (0, String::new());
    loop {
        let parameters = [time.into(), last.as_str().into(), Value::count(batch), FLOOR_STEP.into()];
        let [accounts] = database.write_batch("invalidate_cursors", [Statement::new(INVALIDATE, parameters)]).await?;
        let users = accounts.rows.into_iter().map(|row| RowReader::new("sync_heads", row).text("user_id"));
        let users = users.collect::<StoreResult<Vec<String>>>()?;
        count += users.len() as u64;
        let Some(newest) = users.into_iter().max() else { return Ok(count) };
        last = newest;
    }
}
