use async_trait::async_trait;
use serde::Serialize;

use super::append::append_entries;
use super::databases::unavailable;
use super::load::to_json_list;
use super::totals::digest_values;
use super::{BatchError, LibsqlSync, RowReader, Statement, Transport, Value, conflicts, cursors, items, versions};
use crate::models::{ItemId, ItemType, PlacedUser, Stored, Timestamp, UserId, limits};
use crate::storage::{Commit, StoreError, StoreResult, SyncStore};
use crate::sync::{Append, DeviceStats, Head, Plan, ReadSet, Receipt, Snapshot};

/// Maximum size of a text parameter, in bytes. The server accepts 5,000,000.
const MAX_PARAMETER_BYTES: usize = 4_000_000;

/// Inserts the head of a user who has not written yet. Fails if the head is closed to writes: the column refuses NULL. `?1` user.
const ENSURE_OPEN_HEAD: &str = "
INSERT INTO sync_heads (user_id, head, digest_head)
SELECT ?1, iif(EXISTS (SELECT 1 FROM sync_heads
    WHERE user_id = ?1 AND (closed_at IS NOT NULL OR moved_to IS NOT NULL OR moving)), NULL, 0), 0
WHERE true ON CONFLICT (user_id) DO NOTHING";
/// Index of [`ENSURE_OPEN_HEAD`] among the statements of a write.
pub(super) const ENSURE_OPEN_HEAD_INDEX: usize = 0;

/// State that closes a head to writes. `?1` user.
const CLOSED_STATE: &str = "SELECT closed_at, moved_to FROM sync_heads WHERE user_id = ?1";

/// Compare-and-swap of the head, with the new totals. `?1` user, `?2` expected head, `?3` new head, `?4` and `?5` expected horizon
/// of the purge, `?6` and `?7` growth, `?8` whether the digest covers every write, and the digest.
///
/// The digest is computed from the rows that were loaded at the expected head, so its new value is written. The sizes change
/// without the head in a purge, so their difference is added.
///
/// Sets the head to NULL if it is not the expected one. The column refuses NULL, and the error stops the transaction on every
/// transport, which an update of no row does not. A plan depends on the horizon of the purge, so that is compared, too.
const MOVE_HEAD: &str = "
UPDATE sync_heads SET head = CASE
    WHEN head = ?2 AND purged_through = ?4 AND purged_version = ?5 THEN ?3 END,
    bytes = bytes + ?6, history_bytes = history_bytes + ?7, digest_head = iif(?8, ?3, digest_head),
    connections_count = ?9, connections_hash = ?10, saved_queries_count = ?11, saved_queries_hash = ?12, history_count = ?13
WHERE user_id = ?1";
/// Index of [`MOVE_HEAD`] among the statements of a commit.
const MOVE_HEAD_INDEX: usize = 1;

/// Inserts receipts. `?1` user, `?2` rows in the format of [`receipt_row`].
const RECEIPTS: &str = concat!(
    items::with_rows!(),
    "INSERT INTO receipts (user_id, device_id, change_id, item_type, item_id, sync_version, conflict_id, merged, seq)
SELECT ?1, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6,
    j.value ->> 7 FROM j WHERE true ON CONFLICT DO NOTHING"
);

/// Subtracts the size of the conflicts that are replaced. `?1` user, `?2` ids.
const SUBTRACT_REPLACED_CONFLICTS: &str = "
UPDATE sync_heads SET bytes = bytes - (SELECT coalesce(sum(c.bytes), 0)
    FROM json_each(?2) AS j CROSS JOIN conflicts AS c WHERE c.user_id = ?1 AND c.id = j.value)
WHERE user_id = ?1";

/// Adds to the statistics of a device.
const DEVICE_STATS: &str = "
INSERT INTO sync_metadata (user_id, device_id, last_sync_at, total_synced, conflicts_count, version)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (user_id, device_id) DO UPDATE SET last_sync_at = excluded.last_sync_at,
    total_synced = total_synced + excluded.total_synced, conflicts_count = conflicts_count + excluded.conflicts_count,
    version = excluded.version";

/// Removes the devices that have not uploaded for the longest time, if there are too many. `?1` user, `?2` maximum.
const TRIM_DEVICES: &str = "
DELETE FROM sync_metadata WHERE user_id = ?1 AND device_id IN (
    SELECT device_id FROM sync_metadata WHERE user_id = ?1 ORDER BY last_sync_at DESC, device_id LIMIT -1 OFFSET ?2 + 0)";

#[async_trait]
impl SyncStore for LibsqlSync {
    async fn load(&self, user: PlacedUser, read_set: &ReadSet) -> StoreResult<Snapshot> {
        self.load_read_set(user, read_set).await
    }

    async fn append(
        &self,
        user: PlacedUser,
        append: &Append,
        version: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Timestamp>> {
        self.run_for(user, |database| async move { append_entries(&*database, user.id, append, version, now).await })
            .await
    }

    async fn commit(&self, user: PlacedUser, plan: &Plan, version: &str, now: Timestamp) -> StoreResult<Commit> {
        let committed = self.run_for(user, |database| async move {
            match database.write("commit", statements(user.id, plan, version, now)).await {
                Ok(_) => Ok(Commit::Applied),
                Err(BatchError::Constraint { statement: ENSURE_OPEN_HEAD_INDEX, .. }) => {
                    Err(closed_head_error(&*database, user.id).await?)
                }
                Err(BatchError::Constraint { statement: MOVE_HEAD_INDEX, .. }) => Ok(Commit::HeadMoved),
                Err(error) => Err(error.into()),
            }
        });
        match committed.await {
            Err(StoreError::AccountDeleted) => Ok(Commit::HeadMoved),
            committed => committed,
        }
    }
}

/// Returns the first statement of each write, which ensures that the user has a head here, and that it is open.
pub(super) fn ensure_open_head(user: UserId) -> Statement {
    Statement::new(ENSURE_OPEN_HEAD, [user.into()])
}

/// Returns the error of a write that [`ensure_open_head`] has refused.
pub(super) async fn closed_head_error(database: &dyn Transport, user: UserId) -> StoreResult<StoreError> {
    let [closed] = database.read_batch("closed_head", [Statement::new(CLOSED_STATE, [user.into()])]).await?;
    let mut row = RowReader::with_key("sync_heads", user, closed.into_first_row().unwrap_or_default());
    Ok(if row.optional_time("closed_at")?.is_some() {
        StoreError::AccountDeleted
    } else if let Some(to) = row.optional_parsed("moved_to")? {
        StoreError::Moved { to }
    } else {
        unavailable("the user is being moved to another database")
    })
}

fn statements(user: UserId, plan: &Plan, version: &str, now: Timestamp) -> Vec<Statement> {
    let mut statements = vec![ensure_open_head(user), move_head(user, plan)];
    statements.extend(plan.first_seq().and_then(|first| cursors::gap(user, plan.expected.time, first)));
    for item_type in ItemType::ALL {
        let of_type = || plan.items.iter().filter(move |(key, _)| key.item_type == item_type);
        let rows = |has_content: bool| {
            let rows = of_type().filter(move |(_, stored)| stored.item.is_some() == has_content);
            rows.map(|(key, stored)| items::to_row(&key.id, stored))
        };
        push_row_batches(&mut statements, items::upsert(item_type), user, rows(true));
        if item_type == ItemType::QueryHistory {
            push_row_batches(&mut statements, items::DELETE_QUERY_HISTORY, user, rows(false));
        }
        let trimmed: Vec<&ItemId> =
            of_type().filter(|(_, stored)| is_trimmed(stored)).map(|(key, _)| &key.id).collect();
        if !trimmed.is_empty() {
            statements.extend(versions::trim(user, item_type, &to_json_list(&trimmed)));
        }
    }
    if !plan.conflicts.is_empty() {
        let ids: Vec<_> = plan.conflicts.iter().map(|conflict| &conflict.id).collect();
        let replaced = [user.into(), to_json_list(&ids).into()];
        statements.push(Statement::new(SUBTRACT_REPLACED_CONFLICTS, replaced));
        push_row_batches(&mut statements, conflicts::UPSERT, user, plan.conflicts.iter().map(conflicts::to_row));
        statements.extend(conflicts::trim(user, &plan.conflicts));
    }
    push_row_batches(&mut statements, RECEIPTS, user, plan.receipts.iter().map(receipt_row));
    if let Some(device_stats) = &plan.device_stats {
        statements.push(add_device_stats(user, device_stats, version, now));
        statements.push(trim_devices(user));
    }
    statements
}

fn move_head(user: UserId, plan: &Plan) -> Statement {
    let Head { time, purged_through, purged_version, .. } = plan.expected;
    let head = [user.into(), time.into(), plan.new_head.into(), purged_through.into(), purged_version.into()];
    let growth = [plan.growth.bytes.into(), plan.growth.history_bytes.into(), (!plan.is_digest_stale).into()];
    Statement::new(MOVE_HEAD, head.into_iter().chain(growth).chain(digest_values(&plan.digest)))
}

/// Whether the oldest versions of the item are removed after this write.
fn is_trimmed(stored: &Stored) -> bool {
    versions::is_trimmed(stored.version - 1, stored.version)
}

/// Returns the statement that removes devices beyond the maximum.
pub(super) fn trim_devices(user: UserId) -> Statement {
    Statement::new(TRIM_DEVICES, [user.into(), Value::Integer(limits::DEVICES as i64)])
}

/// Adds statements that run `sql` for `rows`: as many as [`MAX_PARAMETER_BYTES`] requires, and none if there are no rows. Returns the
/// number of rows of each.
pub(super) fn push_row_batches(
    statements: &mut Vec<Statement>,
    sql: &'static str,
    user: UserId,
    rows: impl Iterator<Item = impl Serialize>,
) -> Vec<usize> {
    let (mut batch, mut counts) = (Vec::new(), vec![0]);
    let mut push = |mut batch: Vec<u8>| {
        batch.push(b']');
        let rows = String::from_utf8(batch).expect("JSON is UTF-8");
        statements.push(Statement::new(sql, [user.into(), Value::Text(rows)]));
    };
    for row in rows {
        let start = batch.len();
        batch.push(if start == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut batch, &row).expect("all keys are strings");
        if start > 0 && batch.len() >= MAX_PARAMETER_BYTES {
            let mut next = batch.split_off(start);
            next[0] = b'[';
            push(std::mem::replace(&mut batch, next));
            counts.push(0);
        }
        *counts.last_mut().expect("the list is never empty") += 1;
    }
    if !batch.is_empty() {
        push(batch);
    }
    counts
}

/// Returns the row of a receipt: an array of its columns.
fn receipt_row(receipt: &Receipt) -> impl Serialize {
    let Receipt { device, change, key, version, conflict, merged, seq } = receipt;
    (device, change, key.item_type, &key.id, version, conflict, i64::from(*merged), seq.micros())
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
