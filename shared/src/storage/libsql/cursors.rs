//! What the store knows about the cursors of devices: those that full syncs returned before the purge horizon, and the gaps of the
//! change sequence, in which no cursor can be.

use std::time::Duration;

use super::{LibsqlSync, RowReader, Statement, StatementResult, Value};
use crate::models::{DeviceId, SyncVersion, Timestamp, UserId, limits};
use crate::storage::StoreResult;
use crate::sync::CursorRecord;

/// What the store knows about a cursor. `?1` user, `?2` device, `?3` cursor. Of the gaps before the cursor only the last can
/// contain it.
const FIND: &str = "
SELECT (SELECT head FROM full_sync_cursors WHERE user_id = ?1 AND device_id = ?2 AND cursor = ?3),
    (SELECT to_seq > ?3 FROM head_gaps WHERE user_id = ?1 AND from_seq < ?3 ORDER BY from_seq DESC LIMIT 1)";

/// Remembers a cursor. If two full syncs return it, the earlier start is kept while it is valid: then the cursor is correct for
/// both. Writes nothing if the account is being deleted. `?1` user, `?2` device, `?3` cursor, `?4` head.
const SAVE: &str = "
INSERT INTO full_sync_cursors (user_id, device_id, cursor, head, place)
SELECT ?1, ?2, ?3, ?4, 1 + coalesce((SELECT max(place) FROM full_sync_cursors WHERE user_id = ?1), 0)
FROM sync_heads AS h WHERE h.user_id = ?1 AND h.closed_at IS NULL
ON CONFLICT (user_id, device_id, cursor) DO UPDATE SET place = excluded.place, head = iif(
    head < (SELECT max(h.purged_through, h.conflicts_purged_through) FROM sync_heads AS h WHERE h.user_id = ?1),
    excluded.head, head)";

/// Forgets the cursors that were returned first, if there are too many. `?1` user, `?2` maximum.
const TRIM: &str = "
DELETE FROM full_sync_cursors WHERE user_id = ?1
    AND place <= (SELECT max(place) FROM full_sync_cursors WHERE user_id = ?1) - ?2";

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

/// Time by which an invalidation moves heads beyond the clock. An upload of many changes runs ahead of the clock, by one millisecond
/// per write.
const AHEAD: Duration = Duration::from_secs(60);

/// What an invalidation adds to the version floor of an account. A restore undoes fewer versions of an item than that.
const FLOOR_STEP: SyncVersion = 1_000_000;

/// Moves head and purge horizon of a batch of accounts beyond every cursor that they have returned. `?1` time, `?2` user before the
/// batch, `?3` size of the batch, `?4` step of the version floor.
const INVALIDATE: &str = "
UPDATE sync_heads SET head = batch.next, purged_through = batch.next, version_floor = sync_heads.version_floor + ?4,
    digest_head = iif(sync_heads.digest_head = sync_heads.head, batch.next, sync_heads.digest_head)
FROM (SELECT user_id, (max(head, ?1) / 1000 + 1) * 1000 AS next FROM sync_heads
    WHERE user_id > ?2 AND closed_at IS NULL ORDER BY user_id LIMIT ?3) AS batch
WHERE sync_heads.user_id = batch.user_id RETURNING user_id";

/// Returns the statement that looks a cursor up.
pub(super) fn find(user: UserId, device: &DeviceId, cursor: Timestamp) -> Statement {
    Statement::new(FIND, [user.into(), device.as_str().into(), cursor.into()])
}

/// Decodes the result of [`find`].
pub(super) fn read(user: UserId, result: StatementResult) -> StoreResult<CursorRecord> {
    let mut row = RowReader::with_key("full_sync_cursors", user, result.into_first_row().unwrap_or_default());
    let full_sync_start = row.optional_time("head")?;
    Ok(CursorRecord { full_sync_start, is_in_gap: row.optional_integer("is_in_gap")? == Some(1) })
}

/// Returns the statements that remember a cursor of a full sync that started when the head was `start`.
pub(super) fn save(user: UserId, device: &DeviceId, cursor: Timestamp, start: Timestamp) -> [Statement; 2] {
    let maximum = Value::Integer(limits::FULL_SYNC_CURSORS as i64);
    [
        Statement::new(SAVE, [user.into(), device.as_str().into(), cursor.into(), start.into()]),
        Statement::new(TRIM, [user.into(), maximum]),
    ]
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
        let mut count = 0;
        let limit = i64::try_from(batch).unwrap_or(i64::MAX);
        let time = Timestamp::from_micros(now.micros() + AHEAD.as_micros() as i64);
        for database in &*self.databases {
            let mut last = String::new();
            loop {
                let parameters = [time.into(), last.as_str().into(), limit.into(), FLOOR_STEP.into()];
                let invalidate = Statement::new(INVALIDATE, parameters);
                let [accounts] = database.write_batch("invalidate_cursors", [invalidate]).await?;
                let users = accounts.rows.into_iter().map(|row| RowReader::new("sync_heads", row).text("user_id"));
                let users = users.collect::<StoreResult<Vec<String>>>()?;
                count += users.len() as u64;
                let Some(newest) = users.into_iter().max() else { break };
                last = newest;
            }
        }
        Ok(count)
    }
}
