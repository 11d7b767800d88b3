use async_trait::async_trait;

use super::load::to_json_list;
use super::{BatchError, LibsqlSync, Statement, Value, conflicts, items};
use crate::models::{ItemType, Timestamp, UserId};
use crate::storage::{Commit, StoreResult, SyncStore};
use crate::sync::{Append, DeviceStats, Head, Plan, ReadSet, Receipt, Snapshot};

/// Maximum size of a text parameter, in bytes. The server accepts 5,000,000.
const MAX_PARAMETER_BYTES: usize = 4_000_000;

/// Inserts the head of a user who has not written yet. `?1` user.
pub(super) const ENSURE_HEAD: &str = "
INSERT INTO sync_heads (user_id, head) VALUES (?1, 0) ON CONFLICT DO NOTHING";

/// Compare-and-swap of the head. `?1` user, `?2` expected head, `?3` new head, `?4` and `?5` expected horizon of the purge.
///
/// Sets the head to NULL if it is not the expected one. The column refuses NULL, and the error stops the transaction on every
/// transport, which an update of no row does not. A plan depends on the horizon of the purge, so that is compared, too.
const MOVE_HEAD: &str = "
UPDATE sync_heads SET head = CASE
    WHEN head = ?2 AND purged_through = ?4 AND purged_version = ?5 AND closed_at IS NULL THEN ?3 END
WHERE user_id = ?1";
/// Index of [`MOVE_HEAD`] among the statements of a commit.
const MOVE_HEAD_INDEX: usize = 1;

/// Inserts receipts. `?1` user, `?2` rows in the format of [`receipt_to_json`].
const RECEIPTS: &str = concat!(
    items::with_rows!(),
    "INSERT INTO receipts (user_id, device_id, change_id, item_type, item_id, sync_version, conflict_id, seq)
SELECT ?1, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6 FROM j"
);

/// Adds to the statistics of a device.
const DEVICE_STATS: &str = "
INSERT INTO sync_metadata (user_id, device_id, last_sync_at, total_synced, conflicts_count, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (user_id, device_id) DO UPDATE SET last_sync_at = excluded.last_sync_at,
    total_synced = total_synced + excluded.total_synced, conflicts_count = conflicts_count + excluded.conflicts_count,
    version = excluded.version";

#[async_trait]
impl SyncStore for LibsqlSync {
    async fn load(&self, user: UserId, read_set: &ReadSet) -> StoreResult<Snapshot> {
        self.load_read_set(user, read_set).await
    }

    async fn append(&self, user: UserId, append: &Append, version: &str, now: Timestamp) -> StoreResult<Timestamp> {
        self.append_entries(user, append, version, now).await
    }

    async fn commit(&self, user: UserId, plan: &Plan, version: &str, now: Timestamp) -> StoreResult<Commit> {
        match self.database_of(user).write("commit", statements(user, plan, version, now)).await {
            Ok(_) => Ok(Commit::Applied),
            Err(BatchError::Constraint { statement: MOVE_HEAD_INDEX, .. }) => Ok(Commit::HeadMoved),
            Err(error) => Err(error.into()),
        }
    }
}

fn statements(user: UserId, plan: &Plan, version: &str, now: Timestamp) -> Vec<Statement> {
    let Head { time, purged_through, purged_version } = plan.expected;
    let head = [user.into(), time.into(), plan.new_head.into(), purged_through.into(), purged_version.into()];
    let mut statements = vec![Statement::new(ENSURE_HEAD, [user.into()]), Statement::new(MOVE_HEAD, head)];
    for item_type in ItemType::ALL {
        let of_type = || plan.items.iter().filter(move |(key, _)| key.item_type == item_type);
        let rows = |has_content: bool| {
            let rows = of_type().filter(move |(_, stored)| stored.item.is_some() == has_content);
            rows.map(|(key, stored)| items::to_json(&key.id, stored))
        };
        push_row_batches(&mut statements, items::upsert(item_type), user, rows(true));
        if item_type == ItemType::QueryHistory {
            push_row_batches(&mut statements, items::DELETE_QUERY_HISTORY, user, rows(false));
        }
    }
    push_row_batches(&mut statements, conflicts::UPSERT, user, plan.conflicts.iter().map(conflicts::to_json));
    push_row_batches(&mut statements, RECEIPTS, user, plan.receipts.iter().map(receipt_to_json));
    if let Some(device_stats) = &plan.device_stats {
        statements.push(add_device_stats(user, device_stats, version, now));
    }
    statements
}

/// Adds statements that run `sql` for `rows`: as many as [`MAX_PARAMETER_BYTES`] requires, and none if there are no rows.
pub(super) fn push_row_batches(
    statements: &mut Vec<Statement>,
    sql: &'static str,
    user: UserId,
    rows: impl Iterator<Item = String>,
) {
    let mut batch = String::new();
    let mut push = |batch: String| statements.push(Statement::new(sql, [user.into(), Value::Text(batch + "]")]));
    for row in rows {
        if !batch.is_empty() && batch.len() + row.len() >= MAX_PARAMETER_BYTES {
            push(std::mem::take(&mut batch));
        }
        batch.push(if batch.is_empty() { '[' } else { ',' });
        batch.push_str(&row);
    }
    if !batch.is_empty() {
        push(batch);
    }
}

/// Encodes a receipt as a JSON array of its columns. An object with their names would be longer, and there is a receipt for
/// every change.
fn receipt_to_json(receipt: &Receipt) -> String {
    let Receipt { device, change, key, version, conflict, seq } = receipt;
    to_json_list(&(device, change, key.item_type, &key.id, version, conflict, seq.micros()))
}

fn add_device_stats(user: UserId, device_stats: &DeviceStats, version: &str, now: Timestamp) -> Statement {
    let parameters = [
        user.into(),
        device_stats.device.as_str().into(),
        now.into(),
        device_stats.synced.into(),
        device_stats.conflicts.into(),
        version.into(),
    ];
    Statement::new(DEVICE_STATS, parameters)
}
