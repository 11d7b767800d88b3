use super::commit::{ENSURE_OPEN_HEAD_INDEX, closed_head_error, ensure_open_head, push_row_batches, trim_devices};
use super::{BatchError, RowReader, Statement, Transport, Value, cursors, items};
use crate::models::{Timestamp, UserId};
use crate::storage::StoreResult;
use crate::sync::Append;

/// Sets the head to NULL if not all entries would fit into the quota. The column refuses NULL, so the transaction fails. `?1`
/// user, `?2` bytes and `?3` number of the entries, `?4` to `?7` maximum of all bytes and items, and of those of the history.
const REQUIRE_ROOM: &str = "
UPDATE sync_heads SET head = CASE WHEN bytes + ?2 <= ?4 AND history_bytes + ?2 <= ?6 AND history_count + ?3 <= ?7
    AND connections_count + saved_queries_count + history_count + ?3 <= ?5 THEN head END
WHERE user_id = ?1";
/// Index of [`REQUIRE_ROOM`] among the statements of an append.
const REQUIRE_ROOM_INDEX: usize = 1;

/// Inserts the entries that have no history tombstone, and fails if one exists. Their positions are one millisecond apart, the
/// first one after both head and clock, as `next_time` in the sync core computes it. `?1` user, `?2` rows, `?3` now.
const APPEND: &str = concat!(
    items::insert_query_history!("(max(h.head, ?3) / 1000 + row_number() OVER (ORDER BY j.key)) * 1000"),
    "FROM sync_heads AS h CROSS JOIN j
    WHERE h.user_id = ?1
        AND NOT EXISTS (SELECT 1 FROM receipts AS r
            WHERE r.user_id = ?1 AND r.device_id = '' AND r.change_id = 'buried:' || (j.value ->> '$.id'))"
);

/// Index of the first [`APPEND`] among the statements of an append.
const FIRST_APPEND_INDEX: usize = 3;

/// Sets the head to NULL if [`APPEND`], which runs before it, has skipped an entry. `?1` user, `?2` number of the entries.
const REQUIRE_ALL: &str = "UPDATE sync_heads SET head = CASE WHEN changes() = ?2 THEN head END WHERE user_id = ?1";

/// Adds to the statistics of the device. `?1` user, `?2` device, `?3` now, `?4` version of the client, `?5` number of the entries.
const DEVICE_STATS: &str = "
INSERT INTO sync_metadata (user_id, device_id, last_sync_at, total_synced, conflicts_count, version)
VALUES (?1, ?2, ?3, ?5, 0, ?4)
ON CONFLICT (user_id, device_id) DO UPDATE SET last_sync_at = excluded.last_sync_at,
    total_synced = total_synced + excluded.total_synced, version = excluded.version";

/// Moves the head to the newest entry, and adds the entries after it to the totals. `?1` user.
const ADVANCE_HEAD: &str = "
UPDATE sync_heads SET head = added.newest, digest_head = iif(digest_head = head, added.newest, digest_head),
    bytes = bytes + added.size, history_bytes = history_bytes + added.size, history_count = history_count + added.count
FROM (SELECT coalesce(max(q.seq), h.head) AS newest, count(q.seq) AS count, coalesce(sum(q.bytes), 0) AS size
    FROM sync_heads AS h LEFT JOIN query_history AS q ON q.user_id = h.user_id AND q.seq > h.head
    WHERE h.user_id = ?1) AS added
WHERE user_id = ?1 RETURNING head";

/// Implements [`SyncStore::append`](crate::storage::SyncStore::append).
pub(super) async fn append_entries(
    database: &dyn Transport,
    user: UserId,
    append: &Append,
    version: &str,
    now: Timestamp,
) -> StoreResult<Option<Timestamp>> {
    let mut results = match database.write("append", statements(user, append, version, now)).await {
        Err(BatchError::Constraint { statement: ENSURE_OPEN_HEAD_INDEX, .. }) => {
            return Err(closed_head_error(database, user).await?);
        }
        Err(BatchError::Constraint { statement, .. })
            if statement == REQUIRE_ROOM_INDEX || statement >= FIRST_APPEND_INDEX =>
        {
            return Ok(None);
        }
        other => other?,
    };
    let advanced_head = results.pop().unwrap_or_default();
    let row = advanced_head.into_first_row().unwrap_or_default();
    RowReader::with_key("sync_heads", user, row).time("head").map(Some)
}

/// Returns the statements of an append. The last one is [`ADVANCE_HEAD`], unless there are no entries.
fn statements(user: UserId, append: &Append, version: &str, now: Timestamp) -> Vec<Statement> {
    let rows = append.entries.iter().map(|(key, stored)| items::to_row(&key.id, stored));
    let mut inserts = Vec::new();
    let counts = push_row_batches(&mut inserts, APPEND, user, rows);
    let (bytes, history) = (append.bytes(), append.quota.of_history());
    let maxima = [append.quota.bytes, append.quota.items, history.bytes, history.items].map(Value::Integer);
    let room = [user.into(), bytes.into(), Value::Integer(append.entries.len() as i64)];
    let mut statements =
        vec![ensure_open_head(user), Statement::new(REQUIRE_ROOM, room.into_iter().chain(maxima)), trim_devices(user)];
    for (mut insert, count) in inserts.into_iter().zip(counts) {
        let count = Value::Integer(count as i64);
        insert.parameters.push(now.into());
        let device_stats = [user.into(), append.device.as_str().into(), now.into(), version.into(), count.clone()];
        statements.extend([
            insert,
            Statement::new(REQUIRE_ALL, [user.into(), count]),
            Statement::new(DEVICE_STATS, device_stats),
            cursors::gap_before_entries(user),
            Statement::new(ADVANCE_HEAD, [user.into()]),
        ]);
    }
    statements
}
