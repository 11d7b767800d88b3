use async_trait::async_trait;

use super::totals::repair;
use super::{Databases, LibsqlSync, Maintenance, Member, Statement, Transport, Value};
use crate::models::{Timestamp, UserId};
use crate::storage::{Purged, Retention, StoreResult};

/// Moves the purge horizon of the users in a batch of tombstones, and subtracts the size of the batch from that of their accounts.
/// `?1` cutoff, `?2` size of the batch. `$version` and `$history` are the version and the size as part of the history of a row.
macro_rules! move_horizon {
    ($table:literal, $version:literal, $history:literal) => {
        concat!(
            "UPDATE sync_heads SET purged_through = max(purged_through, batch.newest),
                purged_version = max(purged_version, batch.version), bytes = sync_heads.bytes - batch.bytes,
                history_bytes = sync_heads.history_bytes - batch.history
            FROM (SELECT user_id, max(seq) AS newest, max(version) AS version, sum(bytes) AS bytes, sum(history) AS history
                FROM (SELECT user_id, seq, bytes, ",
            $version,
            " AS version, ",
            $history,
            " AS history FROM ",
            $table,
            " WHERE deleted_at < ?1 ORDER BY deleted_at, rowid LIMIT ?2) GROUP BY user_id) AS batch
            WHERE sync_heads.user_id = batch.user_id"
        )
    };
}

/// Moves the horizon of the users in a batch of resolved conflicts, and subtracts the size of the batch from that of their
/// accounts. A device whose cursor is after the resolution knows that the conflict is resolved. `?1` cutoff, `?2` size of the
/// batch.
const MOVE_CONFLICT_HORIZON: &str = "
UPDATE sync_heads SET conflicts_purged_through = max(conflicts_purged_through, batch.newest),
    bytes = sync_heads.bytes - batch.bytes
FROM (SELECT user_id, max(resolved_at) AS newest, sum(bytes) AS bytes
    FROM (SELECT user_id, resolved_at, bytes FROM conflicts WHERE resolved_at < ?1 ORDER BY resolved_at, rowid LIMIT ?2)
    GROUP BY user_id) AS batch
WHERE sync_heads.user_id = batch.user_id";

/// Moves the receipts in a batch of tombstones to rows of their own: a repeat of a change is recognised after the purge of its
/// item, too. `?1` cutoff, `?2` size of the batch.
macro_rules! keep_receipts {
    ($table:literal, $item_type:literal) => {
        concat!(
            "INSERT INTO receipts (user_id, device_id, change_id, item_type, item_id, sync_version, conflict_id, merged, seq)
            SELECT i.user_id, r.value ->> 1, r.value ->> 0, '",
            $item_type,
            "', i.id, r.value ->> 2, NULL, r.value ->> 3, i.seq
            FROM (SELECT user_id, id, seq, recent FROM ",
            $table,
            " WHERE deleted_at < ?1 ORDER BY deleted_at, rowid LIMIT ?2) AS i CROSS JOIN json_each(i.recent) AS r
            WHERE true ON CONFLICT DO NOTHING"
        )
    };
}

/// Subtracts the size of a batch of replaced versions from that of their accounts. `?1` cutoff, `?2` size of the batch.
const SUBTRACT_VERSIONS: &str = "
UPDATE sync_heads SET bytes = sync_heads.bytes - batch.bytes
FROM (SELECT user_id, sum(bytes) AS bytes
    FROM (SELECT user_id, bytes FROM item_versions WHERE replaced_at < ?1 ORDER BY replaced_at, user_id LIMIT ?2)
    GROUP BY user_id) AS batch
WHERE sync_heads.user_id = batch.user_id";

/// Removes a batch of rows: those that the statement before it in the same transaction chooses.
macro_rules! delete_batch {
    ($table:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE rowid IN (SELECT rowid FROM ",
            $table,
            " WHERE ",
            $time,
            " < ?1 ORDER BY ",
            $time,
            ", rowid LIMIT ?2)"
        )
    };
}

/// Removes a batch of versions: those that [`SUBTRACT_VERSIONS`] chooses before it in the same transaction.
const DELETE_VERSIONS: &str = "
DELETE FROM item_versions
WHERE (user_id, replaced_at) IN (
    SELECT user_id, replaced_at FROM item_versions WHERE replaced_at < ?1 ORDER BY replaced_at, user_id LIMIT ?2)";

/// Removes gaps of the change sequence. Clients with cursors from so long ago notice by the digest that they differ. `?1` cutoff,
/// `?2` size of the batch.
const DELETE_GAPS: &str = "
DELETE FROM head_gaps
WHERE (user_id, from_seq) IN (SELECT user_id, from_seq FROM head_gaps WHERE to_seq < ?1 ORDER BY to_seq LIMIT ?2)";

/// Removes the markers of deleted accounts. A marker stops uploads by access tokens that outlive the account; these have expired
/// long before the cutoff. `?1` cutoff, `?2` size of the batch.
const DELETE_CLOSED_HEADS: &str = "
DELETE FROM sync_heads
WHERE user_id IN (SELECT user_id FROM sync_heads WHERE closed_at < ?1 ORDER BY closed_at LIMIT ?2)";

/// Statements of a purge, in the order of the results that [`purge_batch`] reads.
const PURGE: [&str; 14] = [
    move_horizon!("connections", "sync_version", "0"),
    keep_receipts!("connections", "connection"),
    delete_batch!("connections", "deleted_at"),
    move_horizon!("saved_queries", "sync_version", "0"),
    keep_receipts!("saved_queries", "saved_query"),
    delete_batch!("saved_queries", "deleted_at"),
    // The history is append-only: its versions are never compared.
    move_horizon!("query_history", "0", "bytes"),
    delete_batch!("query_history", "deleted_at"),
    MOVE_CONFLICT_HORIZON,
    delete_batch!("conflicts", "resolved_at"),
    SUBTRACT_VERSIONS,
    DELETE_VERSIONS,
    DELETE_GAPS,
    DELETE_CLOSED_HEADS,
];

/// Marks the account as being deleted, which refuses further writes. `?1` user, `?2` now.
const CLOSE: &str = "
INSERT INTO sync_heads (user_id, head, closed_at) VALUES (?1, 0, ?2)
ON CONFLICT (user_id) DO UPDATE SET closed_at = coalesce(closed_at, excluded.closed_at)";

/// Removes rows of a user. `?1` user, `?2` size of the batch.
macro_rules! erase {
    ($table:literal, $key:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE user_id = ?1 AND (",
            $key,
            ") IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE user_id = ?1 LIMIT ?2)"
        )
    };
}

const ERASE: [&str; 9] = [
    erase!("connections", "id"),
    erase!("saved_queries", "id"),
    erase!("query_history", "id"),
    erase!("conflicts", "id"),
    erase!("item_versions", "replaced_at"),
    erase!("receipts", "device_id, change_id"),
    erase!("sync_metadata", "device_id"),
    erase!("walks", "device_id"),
    erase!("head_gaps", "from_seq"),
];

#[async_trait]
impl Retention for LibsqlSync {
    async fn purge(&self, cutoff: Timestamp, batch: usize, batches: usize) -> StoreResult<Purged> {
        let purged = self.run_on_all(|member| async move { purge(&*member.transport, cutoff, batch, batches).await });
        let mut sum = Purged::default();
        for purged in purged.await? {
            sum += purged;
        }
        Ok(sum)
    }

    async fn clean_up_moves(&self, cutoff: Timestamp, batch: usize, batches: usize) -> StoreResult<u64> {
        let Databases::Placed(databases) = &self.databases else { return Ok(0) };
        let cleaned = self.run_on_all(|member| async move {
            let Some(id) = member.id else { return Ok(0) };
            databases.clean_up_moves(id, &*member.transport, cutoff, batch, batches).await
        });
        Ok(cleaned.await?.into_iter().sum())
    }

    async fn repair_totals(&self, batch: usize, batches: usize) -> StoreResult<u64> {
        let repaired = self.run_on_all(|member| async move {
            let mut repaired = 0;
            for _ in 0..batches {
                let batch = repair(&*member.transport, batch).await?;
                repaired += batch;
                if batch == 0 {
                    break;
                }
            }
            Ok(repaired)
        });
        Ok(repaired.await?.into_iter().sum())
    }

    async fn invalidate_cursors(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        self.invalidate_all_cursors(now, batch).await
    }

    async fn erase(&self, user: UserId, now: Timestamp, batch: usize) -> StoreResult<bool> {
        let Some(Member { id, transport: database }) = self.database_to_erase(user).await? else { return Ok(true) };
        let close = Statement::new(CLOSE, [user.into(), now.into()]);
        let statements = [close].into_iter().chain(erase_statements(user, batch)).collect();
        let results = database.write("erase", statements).await?;
        let [_close, erased @ ..] = results.as_slice() else { return Ok(false) };
        let is_complete = erased.iter().all(|table| table.written == 0);
        if is_complete {
            if let (Databases::Placed(databases), Some(home)) = (&self.databases, id) {
                databases.forget_marks(user, home, now).await?;
            }
            database.maintain(Maintenance::TruncateLog).await?;
        }
        Ok(is_complete)
    }
}

/// Returns the statements that remove at most `batch` rows of each kind of a user.
pub(super) fn erase_statements(user: UserId, batch: usize) -> impl Iterator<Item = Statement> {
    ERASE.into_iter().map(move |sql| Statement::new(sql, [user.into(), Value::count(batch)]))
}

/// Purges a database.
async fn purge(database: &dyn Transport, cutoff: Timestamp, batch: usize, batches: usize) -> StoreResult<Purged> {
    let mut purged = Purged::default();
    for _ in 0..batches {
        let removed = purge_batch(database, cutoff, batch).await?;
        purged += removed;
        if removed.total() == 0 {
            database.maintain(Maintenance::TruncateLog).await?;
            return Ok(purged);
        }
    }
    Ok(Purged { unfinished: true, ..purged })
}

async fn purge_batch(database: &dyn Transport, cutoff: Timestamp, batch: usize) -> StoreResult<Purged> {
    let parameters = [Value::from(cutoff), Value::count(batch)];
    let results = database.write_batch("purge", PURGE.map(|sql| Statement::new(sql, parameters.clone()))).await?;
    let [_, _, connections, _, _, saved_queries, _, query_history, _, conflicts, _, versions, gaps, closed_heads] =
        results;
    Ok(Purged {
        tombstones: connections.written + saved_queries.written + query_history.written,
        conflicts: conflicts.written,
        versions: versions.written,
        gaps: gaps.written,
        accounts: closed_heads.written,
        ..Purged::default()
    })
}
