use async_trait::async_trait;

use super::{LibsqlSync, Statement, StatementResult, Value};
use crate::models::{Timestamp, UserId};
use crate::storage::{Purged, Retention, StoreResult};

/// Moves the horizon of the users of one batch of tombstones, then removes the batch: `?1` the cut-off, `?2` its size.
/// Both statements run in one transaction, and so choose the same rows.
macro_rules! purge {
    ($table:literal, $version:literal) => {
        [
            concat!(
                "UPDATE sync_heads SET purged_through = max(purged_through, batch.newest),
                    purged_version = max(purged_version, batch.version)
                FROM (SELECT user_id, max(seq) AS newest, max(version) AS version FROM (SELECT user_id, seq, ",
                $version,
                " AS version FROM ",
                $table,
                " WHERE deleted_at < ?1 ORDER BY deleted_at, rowid LIMIT ?2) GROUP BY user_id) AS batch
                WHERE sync_heads.user_id = batch.user_id"
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE rowid IN (SELECT rowid FROM ",
                $table,
                " WHERE deleted_at < ?1 ORDER BY deleted_at, rowid LIMIT ?2)"
            ),
        ]
    };
}

const TOMBSTONES: [[&str; 2]; 3] = [
    purge!("connections", "sync_version"),
    purge!("saved_queries", "sync_version"),
    // The history is append-only: its versions are never compared.
    purge!("query_history", "0"),
];

const CONFLICTS: &str = "
DELETE FROM conflicts
WHERE rowid IN (SELECT rowid FROM conflicts WHERE resolved_at < ?1 ORDER BY resolved_at, rowid LIMIT ?2)";

/// The mark that keeps a late upload from writing for a deleted account; its token has long expired by then.
const CLOSED: &str = "
DELETE FROM sync_heads
WHERE user_id IN (SELECT user_id FROM sync_heads WHERE closed_at < ?1 ORDER BY closed_at LIMIT ?2)";

const CLOSE: &str = "
INSERT INTO sync_heads (user_id, head, closed_at) VALUES (?1, 0, ?2)
ON CONFLICT (user_id) DO UPDATE SET closed_at = coalesce(closed_at, excluded.closed_at)";

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
        let parameters = [Value::from(cutoff), rows(batch)];
        let of_all = TOMBSTONES.iter().flatten().chain([&CONFLICTS, &CLOSED]);
        let statements: Vec<_> = of_all.map(|sql| Statement::new(sql, parameters.clone())).collect();
        let mut purged = Purged::default();
        for database in &*self.databases {
            let done = database.write("purge", statements.clone()).await?;
            let written = |place: usize| done.get(place).map_or(0, |done: &StatementResult| done.written);
            purged.tombstones += written(1) + written(3) + written(5);
            purged.conflicts += written(6);
            purged.accounts += written(7);
        }
        Ok(purged)
    }

    async fn erase(&self, user: UserId, now: Timestamp, batch: usize) -> StoreResult<bool> {
        let mut statements = vec![Statement::new(CLOSE, [user.into(), now.into()])];
        statements.extend(ERASE.iter().map(|sql| Statement::new(sql, [user.into(), rows(batch)])));
        let done = self.database_of(user).write("erase", statements).await?;
        Ok(done.iter().skip(1).all(|done| done.written == 0))
    }
}

fn rows(batch: usize) -> Value {
    Value::Integer(i64::try_from(batch).unwrap_or(i64::MAX))
}
