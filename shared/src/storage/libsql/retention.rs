use async_trait::async_trait;

use super::{LibsqlSync, Statement, Value};
use crate::models::{Timestamp, UserId};
use crate::storage::{Purged, Retention, StoreResult};

/// Moves the purge horizon of the users in a batch of tombstones. `?1` cutoff, `?2` size of the batch.
macro_rules! move_horizon {
    ($table:literal, $version:literal) => {
        concat!(
            "UPDATE sync_heads SET purged_through = max(purged_through, batch.newest),
                purged_version = max(purged_version, batch.version)
            FROM (SELECT user_id, max(seq) AS newest, max(version) AS version FROM (SELECT user_id, seq, ",
            $version,
            " AS version FROM ",
            $table,
            " WHERE deleted_at < ?1 ORDER BY deleted_at, rowid LIMIT ?2) GROUP BY user_id) AS batch
            WHERE sync_heads.user_id = batch.user_id"
        )
    };
}

/// Removes a batch of tombstones: the rows that [`move_horizon!`] chooses before it in the same transaction.
macro_rules! delete_tombstones {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE rowid IN (SELECT rowid FROM ",
            $table,
            " WHERE deleted_at < ?1 ORDER BY deleted_at, rowid LIMIT ?2)"
        )
    };
}

/// Removes resolved conflicts. `?1` cutoff, `?2` size of the batch.
const DELETE_CONFLICTS: &str = "
DELETE FROM conflicts
WHERE rowid IN (SELECT rowid FROM conflicts WHERE resolved_at < ?1 ORDER BY resolved_at, rowid LIMIT ?2)";

/// Removes the markers of deleted accounts. A marker stops uploads by access tokens that outlive the account; these have expired
/// long before the cutoff. `?1` cutoff, `?2` size of the batch.
const DELETE_CLOSED_HEADS: &str = "
DELETE FROM sync_heads
WHERE user_id IN (SELECT user_id FROM sync_heads WHERE closed_at < ?1 ORDER BY closed_at LIMIT ?2)";

/// Statements of a purge, in the order of the results that [`LibsqlSync::purge`] reads.
const PURGE: [&str; 8] = [
    move_horizon!("connections", "sync_version"),
    delete_tombstones!("connections"),
    move_horizon!("saved_queries", "sync_version"),
    delete_tombstones!("saved_queries"),
    // The history is append-only: its versions are never compared.
    move_horizon!("query_history", "0"),
    delete_tombstones!("query_history"),
    DELETE_CONFLICTS,
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

const ERASE: [&str; 7] = [
    erase!("connections", "id"),
    erase!("saved_queries", "id"),
    erase!("query_history", "id"),
    erase!("conflicts", "id"),
    erase!("receipts", "device_id, change_id"),
    erase!("sync_metadata", "device_id"),
    erase!("walks", "device_id"),
];

#[async_trait]
impl Retention for LibsqlSync {
    async fn purge(&self, cutoff: Timestamp, batch: usize) -> StoreResult<Purged> {
        let parameters = [Value::from(cutoff), limit_of(batch)];
        let statements = PURGE.map(|sql| Statement::new(sql, parameters.clone()));
        let mut purged = Purged::default();
        for database in &*self.databases {
            let results = database.write_batch("purge", statements.clone()).await?;
            let [_, connections, _, saved_queries, _, query_history, conflicts, closed_heads] = results;
            purged.tombstones += connections.written + saved_queries.written + query_history.written;
            purged.conflicts += conflicts.written;
            purged.accounts += closed_heads.written;
        }
        Ok(purged)
    }

    async fn erase(&self, user: UserId, now: Timestamp, batch: usize) -> StoreResult<bool> {
        let close = Statement::new(CLOSE, [user.into(), now.into()]);
        let erase = ERASE.map(|sql| Statement::new(sql, [user.into(), limit_of(batch)]));
        let statements = [close].into_iter().chain(erase).collect();
        let results = self.database_of(user).write("erase", statements).await?;
        let [_close, erased @ ..] = results.as_slice() else { return Ok(false) };
        Ok(erased.iter().all(|table| table.written == 0))
    }
}

/// Returns `batch` as the value of a `LIMIT`.
fn limit_of(batch: usize) -> Value {
    Value::Integer(i64::try_from(batch).unwrap_or(i64::MAX))
}
