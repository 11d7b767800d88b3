use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::PostgresAccounts;
use super::time::Time;
use crate::models::{Timestamp, UserId};
use crate::storage::{Deletions, Expiry, StoreResult};

#[async_trait]
impl Deletions for PostgresAccounts {
    async fn begin_deletion(&self, user: UserId, password_hash: &SecretString, now: Timestamp) -> StoreResult<bool> {
        self.run("begin_deletion", async |connection| {
            let begun = sqlx::query_scalar!(
                r#"WITH begun AS (
                       UPDATE users SET username = '', username_key = NULL, email = '', email_key = NULL,
                           password_hash = '', deleted_at = $2
                       WHERE id = $1 AND password_hash = $3 AND deleted_at IS NULL RETURNING id),
                   forgotten AS (DELETE FROM mail_tokens USING begun WHERE user_id = begun.id),
                   unsent AS (DELETE FROM outbox USING begun WHERE user_id = begun.id)
                   SELECT EXISTS (SELECT FROM begun) AS "begun!""#,
                user.as_uuid(),
                Time::from(now) as _,
                password_hash.expose_secret(),
            )
            .fetch_one(&mut **connection)
            .await?;
            Ok(begun)
        })
        .await
    }

    async fn pending_deletions(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        self.run("pending_deletions", async |connection| {
            let pending = sqlx::query_scalar!(
                "SELECT id FROM users WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT $1",
                limit_of(limit),
            )
            .fetch_all(&mut **connection)
            .await?;
            Ok(pending.into_iter().map(UserId::new).collect())
        })
        .await
    }

    async fn finish_deletion(&self, user: UserId) -> StoreResult<()> {
        self.run("finish_deletion", async |connection| {
            sqlx::query!("DELETE FROM users WHERE id = $1 AND deleted_at IS NOT NULL", user.as_uuid())
                .execute(&mut **connection)
                .await?;
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Expiry for PostgresAccounts {
    async fn purge_expired(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        self.run("purge_expired", async |connection| {
            // Leaves a token that another transaction uses or replaces to the next run.
            let purged = sqlx::query!(
                "DELETE FROM mail_tokens WHERE (user_id, purpose) IN
                     (SELECT user_id, purpose FROM mail_tokens WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
                Time::from(now) as _,
                limit_of(batch),
            )
            .execute(&mut **connection)
            .await?;
            Ok(purged.rows_affected())
        })
        .await
    }
}

/// Returns `count` as the value of a `LIMIT`.
pub(super) fn limit_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
