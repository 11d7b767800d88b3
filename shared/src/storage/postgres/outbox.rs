use async_trait::async_trait;

use super::PostgresAccounts;
use super::deletions::limit_of;
use super::time::Time;
use crate::models::{EmailAddress, Timestamp, TokenHash, UserId};
use crate::storage::outbox::{MAILBOX_INTERVAL_SECONDS, placeholder_user};
use crate::storage::{EmailKind, LINK_COOLDOWN_SECONDS, MAILBOX_EMAILS, Outbox, QueuedEmail, StoreError, StoreResult};

#[async_trait]
impl Outbox for PostgresAccounts {
    async fn request_verification(&self, user: UserId, now: Timestamp) -> StoreResult<()> {
        self.run("request_verification", async |connection| {
            sqlx::query!(
                "INSERT INTO outbox (user_id, kind, queued_at, due_at) VALUES ($1, 'verify_email', $2, $2)
                 ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = $2, due_at = $2, attempts = 0
                 WHERE outbox.queued_at <= $3",
                user.as_uuid(),
                Time::from(now) as _,
                Time::from(now.plus_seconds(-LINK_COOLDOWN_SECONDS)) as _,
            )
            .execute(&mut **connection)
            .await?;
            Ok(())
        })
        .await
    }

    async fn request_reset(&self, address: &EmailAddress, now: Timestamp) -> StoreResult<()> {
        self.run("request_reset", async |connection| {
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
                Time::from(now) as _,
                Time::from(now.plus_seconds(-LINK_COOLDOWN_SECONDS)) as _,
            )
            .execute(&mut **connection)
            .await?;
            Ok(())
        })
        .await
    }

    async fn claim(&self, now: Timestamp, until: Timestamp) -> StoreResult<Option<QueuedEmail>> {
        // The row is decoded after the transaction: a corrupt one stays claimed until `until`, and blocks no other email.
        let claimed = self.run("claim", async |connection| {
            // A concurrent call skips the locked row and claims the next one. A kind that this version does not know is left to
            // the newer version that queued it.
            let claimed = sqlx::query!(
                r#"UPDATE outbox SET due_at = $2, attempts = attempts + 1
                   WHERE (user_id, kind) = (
                       SELECT user_id, kind FROM outbox
                       WHERE due_at <= $1 AND kind IN ('verify_email', 'reset_password', 'welcome', 'password_changed')
                       ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                   RETURNING user_id, kind, queued_at AS "queued_at: Time", attempts"#,
                Time::from(now) as _,
                Time::from(until) as _,
            )
            .fetch_optional(&mut **connection)
            .await?;
            Ok(claimed)
        });
        let Some(row) = claimed.await? else { return Ok(None) };
        let key = format!("{}/{}", row.user_id, row.kind);
        let corrupt =
            |column, reason: String| StoreError::Corrupt { table: "outbox", column, key: key.clone(), reason };
        let kind =
            EmailKind::from_name(&row.kind).ok_or_else(|| corrupt("kind", "unknown kind of email".to_owned()))?;
        let queued_at = row.queued_at.decoded("outbox", "queued_at", &key)?;
        let attempt = u32::try_from(row.attempts).map_err(|error| corrupt("attempts", error.to_string()))?;
        Ok(Some(QueuedEmail { user: UserId::new(row.user_id), kind, queued_at, attempt }))
    }

    async fn complete(&self, mail: &QueuedEmail, again_at: Option<Timestamp>) -> StoreResult<()> {
        self.run("complete", async |connection| {
            sqlx::query!(
                "UPDATE outbox SET due_at = $5
                 WHERE user_id = $1 AND kind = $2 AND queued_at = $3 AND attempts = $4",
                mail.user.as_uuid(),
                mail.kind.name(),
                Time::from(mail.queued_at) as _,
                i32::try_from(mail.attempt).unwrap_or(i32::MAX),
                again_at.map(Time::from) as _,
            )
            .execute(&mut **connection)
            .await?;
            Ok(())
        })
        .await
    }

    async fn count_for_mailbox(&self, mailbox: &TokenHash, now: Timestamp) -> StoreResult<bool> {
        self.run("count_for_mailbox", async |connection| {
            let taken = sqlx::query!(
                "INSERT INTO mailboxes (mailbox, full_at) VALUES ($1, $3)
                 ON CONFLICT (mailbox) DO UPDATE
                     SET full_at = greatest(mailboxes.full_at, $2::timestamptz) + ($3::timestamptz - $2::timestamptz)
                 WHERE mailboxes.full_at <= $4",
                mailbox.as_str(),
                Time::from(now) as _,
                Time::from(now.plus_seconds(MAILBOX_INTERVAL_SECONDS)) as _,
                Time::from(now.plus_seconds(MAILBOX_INTERVAL_SECONDS * (MAILBOX_EMAILS - 1))) as _,
            )
            .execute(&mut **connection)
            .await?;
            Ok(taken.rows_affected() > 0)
        })
        .await
    }

    async fn purge_completed(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        self.run("purge_completed", async |connection| {
            // Skips an email that a concurrent transaction queues again.
            let purged = sqlx::query!(
                "DELETE FROM outbox WHERE (user_id, kind) IN (
                     SELECT user_id, kind FROM outbox WHERE due_at IS NULL AND queued_at <= $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)",
                Time::from(now.plus_seconds(-LINK_COOLDOWN_SECONDS)) as _,
                limit_of(batch),
            )
            .execute(&mut **connection)
            .await?;
            sqlx::query!(
                "DELETE FROM mailboxes WHERE mailbox IN (
                     SELECT mailbox FROM mailboxes WHERE full_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
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
