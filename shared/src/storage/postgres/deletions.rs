use async_trait::async_trait;

use super::PostgresAccounts;
use super::time::Time;
use crate::models::{Timestamp, UserId};
use crate::storage::{Deletions, Expiry, LINK_PAUSE, StoreResult};

#[async_trait]
impl Deletions for PostgresAccounts {
    async fn begin_deletion(&self, user: UserId, now: Timestamp) -> StoreResult<()> {
        self.within(async {
            let mut lease = self.lease().await?;
            sqlx::query!(
                "WITH forgotten AS (DELETE FROM mail_tokens WHERE user_id = $1),
                     unsent AS (DELETE FROM outbox WHERE user_id = $1)
                 UPDATE users SET username = '', username_key = NULL, email = '', email_key = NULL, password_hash = '',
                     deleted_at = $2
                 WHERE id = $1 AND deleted_at IS NULL",
                user,
                Time(now) as _,
            )
            .execute(lease.connection())
            .await?;
            Ok((lease, ()))
        })
        .await
    }

    async fn pending_deletions(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        self.within(async {
            let mut lease = self.lease().await?;
            let pending = sqlx::query_scalar!(
                "SELECT id FROM users WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT $1",
                rows(limit),
            )
            .fetch_all(lease.connection())
            .await?;
            Ok((lease, pending))
        })
        .await
    }

    async fn finish_deletion(&self, user: UserId) -> StoreResult<()> {
        self.within(async {
            let mut lease = self.lease().await?;
            sqlx::query!("DELETE FROM users WHERE id = $1 AND deleted_at IS NOT NULL", user)
                .execute(lease.connection())
                .await?;
            Ok((lease, ()))
        })
        .await
    }
}

#[async_trait]
impl Expiry for PostgresAccounts {
    async fn purge_expired(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        self.within(async {
            let mut lease = self.lease().await?;
            // The times twice: a token may have been issued, or a mail queued, anew since the list was made.
            let purged = sqlx::query_scalar!(
                r#"WITH tokens AS (
                       DELETE FROM mail_tokens WHERE expires_at <= $1 AND (user_id, purpose) IN
                           (SELECT user_id, purpose FROM mail_tokens WHERE expires_at <= $1 LIMIT $3) RETURNING 1),
                   mails AS (
                       DELETE FROM outbox WHERE due_at IS NULL AND queued_at <= $2 AND (user_id, kind) IN
                           (SELECT user_id, kind FROM outbox WHERE due_at IS NULL AND queued_at <= $2 LIMIT $3)
                       RETURNING 1)
                   SELECT (SELECT count(*) FROM tokens) + (SELECT count(*) FROM mails) AS "purged!""#,
                Time(now) as _,
                Time(now.plus_seconds(-LINK_PAUSE)) as _,
                rows(batch),
            )
            .fetch_one(lease.connection())
            .await?;
            Ok((lease, u64::try_from(purged).unwrap_or(0)))
        })
        .await
    }
}

fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
