use super::commit::{ENSURE_HEAD, push_row_batches};
use super::{BatchError, LibsqlSync, Statement, Value, items};
use crate::models::{Timestamp, UserId};
use crate::storage::{StoreError, StoreResult};
use crate::sync::Append;

/// Fails, as the column refuses NULL, where the account is being deleted.
const REQUIRE_OPEN: &str = "
UPDATE sync_heads SET head = CASE WHEN closed_at IS NULL THEN head END WHERE user_id = ?1";
/// Its place among the statements.
const REQUIRE_OPEN_INDEX: usize = 1;

/// Adds those entries that are not there and were not deleted, each a millisecond after the one before it, the first after
/// the head and the clock (as `next_time` in the sync core): `?1` the user, `?2` the rows, `?3` now.
const APPEND: &str = concat!(
    items::insert_query_history!("(max(h.head, ?3) / 1000 + row_number() OVER (ORDER BY j.key)) * 1000"),
    "FROM sync_heads AS h CROSS JOIN j
    WHERE h.user_id = ?1
        AND NOT EXISTS (SELECT 1 FROM query_history AS q WHERE q.user_id = ?1 AND q.id = j.value ->> '$.id')
        AND NOT EXISTS (SELECT 1 FROM receipts AS r
            WHERE r.user_id = ?1 AND r.device_id = '' AND r.change_id = 'buried:' || (j.value ->> '$.id'))"
);

/// Counts what the statement before it has added: `?2` the device, `?3` now, `?4` the client's version.
const DEVICE_STATS: &str = "
INSERT INTO sync_metadata (user_id, device_id, last_sync_at, total_synced, conflicts_count, version)
SELECT ?1, ?2, ?3, changes(), 0, ?4 WHERE changes() > 0
ON CONFLICT (user_id, device_id) DO UPDATE SET last_sync_at = excluded.last_sync_at,
    total_synced = total_synced + excluded.total_synced, version = excluded.version";

const ADVANCE_HEAD: &str = "
UPDATE sync_heads SET head = max(head, coalesce((SELECT max(seq) FROM query_history WHERE user_id = ?1), 0))
WHERE user_id = ?1 RETURNING head";

impl LibsqlSync {
    pub(super) async fn append_entries(
        &self,
        user: UserId,
        append: &Append,
        version: &str,
        now: Timestamp,
    ) -> StoreResult<Timestamp> {
        let statements = statements(user, append, version, now);
        let done = match self.database_of(user).write("append", statements).await {
            Err(BatchError::Constraint { statement: REQUIRE_OPEN_INDEX, .. }) => {
                return Err(StoreError::AccountDeleted);
            }
            other => other?,
        };
        match done.last().and_then(|done| done.rows.first()?.first()) {
            Some(Value::Integer(head)) => Ok(Timestamp::from_micros(*head)),
            _ => Err(StoreError::Refused { store: "libsql", reason: "an append returned no head".to_owned() }),
        }
    }
}

fn statements(user: UserId, append: &Append, version: &str, now: Timestamp) -> Vec<Statement> {
    let rows = append.entries.iter().map(|(key, stored)| items::to_json(&key.id, stored));
    let mut sets = Vec::new();
    push_row_batches(&mut sets, APPEND, user, rows);
    let mut statements = vec![Statement::new(ENSURE_HEAD, [user.into()]), Statement::new(REQUIRE_OPEN, [user.into()])];
    for mut set in sets {
        set.parameters.push(now.into());
        let device_stats = [user.into(), append.device.as_str().into(), now.into(), version.into()];
        statements.extend([
            set,
            Statement::new(DEVICE_STATS, device_stats),
            Statement::new(ADVANCE_HEAD, [user.into()]),
        ]);
    }
    statements
}
