use async_trait::async_trait;

use super::PostgresAccounts;
use super::deletions::rows;
use super::time::Time;
use crate::models::{EmailAddress, Timestamp, UserId};
use crate::storage::outbox::placeholder_user;
use crate::storage::{LINK_COOLDOWN_SECONDS, MailKind, Outbox, QueuedMail, StoreError, StoreResult};

#[async_trait]
impl Outbox for PostgresAccounts {
    async fn request_verification(&self, user: UserId, now: Timestamp) -> StoreResult<()> {
        self.within("request_verification", async {
            let mut connection = self.connection().await?;
            sqlx::query!(
                "INSERT INTO outbox (user_id, kind, queued_at, due_at) VALUES ($1, 'verify_email', $2, $2)
                 ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = $2, due_at = $2, attempts = 0
                 WHERE outbox.queued_at <= $3",
                user.as_uuid(),
                Time(now) as _,
                Time(now.plus_seconds(-LINK_COOLDOWN_SECONDS)) as _,
            )
            .execute(connection.connection())
            .await?;
            Ok((connection, ()))
        })
        .await
    }

    async fn request_reset(&self, address: &EmailAddress, now: Timestamp) -> StoreResult<()> {
        self.within("request_reset", async {
            let mut connection = self.connection().await?;
            sqlx::query!(
                "INSERT INTO outbox (user_id, kind, queued_at, due_at)
                 SELECT coalesce(id, $2), 'reset_password', $3, $3
                 FROM (VALUES ($1::text)) AS asked (email_key)
                     LEFT JOIN users ON users.email_key = asked.email_key AND deleted_at IS NULL
                 ON CONFLICT (user_id, kind)
                     DO UPDATE SET queued_at = $3, due_at = $3, attempts = 0
                 WHERE outbox.queued_at <= $4",
                address.key(),
                placeholder_user(address).as_uuid(),
                Time(now) as _,
                Time(now.plus_seconds(-LINK_COOLDOWN_SECONDS)) as _,
            )
            .execute(connection.connection())
            .await?;
            Ok((connection, ()))
        })
        .await
    }

    async fn claim(&self, now: Timestamp, until: Timestamp) -> StoreResult<Option<QueuedMail>> {
        let claimed = self.within("claim", async {
            let mut connection = self.connection().await?;
            // Whoever claims at the same time takes the next one. A kind that only a newer version knows waits for it.
            let claimed = sqlx::query!(
                r#"UPDATE outbox SET due_at = $2, attempts = attempts + 1
                   WHERE (user_id, kind) = (
                       SELECT user_id, kind FROM outbox
                       WHERE due_at <= $1 AND kind IN ('verify_email', 'reset_password', 'welcome', 'password_changed')
                       ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                   RETURNING user_id, kind, queued_at AS "queued_at: Time", attempts"#,
                Time(now) as _,
                Time(until) as _,
            )
            .fetch_optional(connection.connection())
            .await?;
            Ok((connection, claimed))
        });
        let Some(row) = claimed.await? else { return Ok(None) };
        let kind = MailKind::named(&row.kind).ok_or_else(|| StoreError::Corrupt {
            table: "outbox",
            column: "kind",
            key: row.user_id.to_string(),
            reason: format!("{} is no kind of mail", row.kind),
        })?;
        let attempt = u32::try_from(row.attempts).unwrap_or(u32::MAX);
        Ok(Some(QueuedMail { user: UserId::new(row.user_id), kind, queued_at: row.queued_at.0, attempt }))
    }

    async fn complete(&self, mail: &QueuedMail, again_at: Option<Timestamp>) -> StoreResult<()> {
        self.within("complete", async {
            let mut connection = self.connection().await?;
            sqlx::query!(
                "UPDATE outbox SET due_at = $5
                 WHERE user_id = $1 AND kind = $2 AND queued_at = $3 AND attempts = $4",
                mail.user.as_uuid(),
                mail.kind.name(),
                Time(mail.queued_at) as _,
                i32::try_from(mail.attempt).unwrap_or(i32::MAX),
                again_at.map(Time) as _,
            )
            .execute(connection.connection())
            .await?;
            Ok((connection, ()))
        })
        .await
    }

    async fn purge_completed(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        self.within("forget_settled", async {
            let mut connection = self.connection().await?;
            // One that somebody queues anew is left where it is.
            let version_floor = sqlx::query!(
                "DELETE FROM outbox WHERE (user_id, kind) IN (
                     SELECT user_id, kind FROM outbox WHERE due_at IS NULL AND queued_at <= $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)",
                Time(now.plus_seconds(-LINK_COOLDOWN_SECONDS)) as _,
                rows(batch),
            )
            .execute(connection.connection())
            .await?;
            Ok((connection, version_floor.rows_affected()))
        })
        .await
    }
}
