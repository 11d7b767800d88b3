use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::Embedded;
use crate::models::{Timestamp, UserId};
use crate::storage::libsql::{Maintenance, RowReader, Statement, Value};
use crate::storage::{Deletions, Expiry, StoreResult};

/// Removes the personal data of an account. `?1` user, `?2` now, `?3` hash of the password.
const BEGIN: &str = "
UPDATE users SET username = '', username_key = NULL, email = '', email_key = NULL, password_hash = '', deleted_at = ?2
WHERE id = ?1 AND password_hash = ?3 AND deleted_at IS NULL";
/// Removes the tokens of a user whose deletion has begun.
const DELETE_TOKENS: &str = "
DELETE FROM mail_tokens WHERE user_id = ?1 AND EXISTS (SELECT 1 FROM users WHERE id = ?1 AND deleted_at IS NOT NULL)";
/// Removes the queued emails of a user whose deletion has begun.
const DELETE_EMAILS: &str = "
DELETE FROM outbox WHERE user_id = ?1 AND EXISTS (SELECT 1 FROM users WHERE id = ?1 AND deleted_at IS NOT NULL)";
const PENDING: &str = "SELECT id FROM users WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT ?1";
const FINISH: &str = "DELETE FROM users WHERE id = ?1 AND deleted_at IS NOT NULL";

/// Remove what has expired. `?1` now, `?2` size of the batch.
const PURGE_EXPIRED: [&str; 3] = [
    "DELETE FROM mail_tokens WHERE rowid IN (SELECT rowid FROM mail_tokens WHERE expires_at <= ?1 LIMIT ?2)",
    "DELETE FROM refresh_tokens WHERE rowid IN (SELECT rowid FROM refresh_tokens WHERE expires_at <= ?1 LIMIT ?2)",
    "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at <= ?1 LIMIT ?2)",
];

#[async_trait]
impl Deletions for Embedded {
    async fn begin_deletion(&self, user: UserId, password_hash: &SecretString, now: Timestamp) -> StoreResult<bool> {
        let begin = Statement::new(BEGIN, [user.into(), now.into(), password_hash.expose_secret().into()]);
        let [delete_tokens, delete_emails] =
            [DELETE_TOKENS, DELETE_EMAILS].map(|sql| Statement::new(sql, [user.into()]));
        let [begun, ..] = self.file.write_batch("begin_deletion", [begin, delete_tokens, delete_emails]).await?;
        Ok(begun.written > 0)
    }

    async fn pending_deletions(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        let limit = Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        let [pending] = self.file.read_batch("pending_deletions", [Statement::new(PENDING, [limit])]).await?;
        pending.rows.into_iter().map(|row| RowReader::new("users", row).parsed("id")).collect()
    }

    async fn finish_deletion(&self, user: UserId) -> StoreResult<()> {
        self.file.write("finish_deletion", vec![Statement::new(FINISH, [user.into()])]).await?;
        self.file.maintain(Maintenance::TruncateLog).await?;
        Ok(())
    }
}

#[async_trait]
impl Expiry for Embedded {
    async fn purge_expired(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        let batch = Value::Integer(i64::try_from(batch).unwrap_or(i64::MAX));
        let statements = PURGE_EXPIRED.map(|sql| Statement::new(sql, [now.into(), batch.clone()]));
        let purged = self.file.write_batch("purge_expired", statements).await?;
        Ok(purged.iter().map(|table| table.written).sum())
    }
}
