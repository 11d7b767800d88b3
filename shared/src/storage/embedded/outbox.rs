use async_trait::async_trait;

use super::Embedded;
use crate::models::{EmailAddress, Timestamp, TokenHash, UserId};
use crate::storage::libsql::{Row, RowReader, Statement, Value};
use crate::storage::outbox::{MAILBOX_INTERVAL_SECONDS, placeholder_user};
use crate::storage::{EmailKind, LINK_COOLDOWN_SECONDS, MAILBOX_EMAILS, Outbox, QueuedEmail, StoreResult};

/// `?1` user, `?2` now, `?3` start of the cooldown.
const REQUEST_VERIFICATION: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at) VALUES (?1, 'verify_email', ?2, ?2)
ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = ?2, due_at = ?2, attempts = 0 WHERE queued_at <= ?3";

/// `?1` key of the address, `?2` placeholder user, `?3` now, `?4` start of the cooldown.
const REQUEST_RESET: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at)
SELECT coalesce(id, ?2), 'reset_password', ?3, ?3
FROM (SELECT 1) LEFT JOIN users ON email_key = ?1 AND deleted_at IS NULL
WHERE true
ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = ?3, due_at = ?3, attempts = 0
WHERE queued_at <= ?4";

/// A kind that this version does not know is left to the newer version that queued it. `?1` now, `?2` end of the claim.
const CLAIM: &str = "
UPDATE outbox SET due_at = ?2, attempts = attempts + 1
WHERE rowid = (
    SELECT rowid FROM outbox
    WHERE due_at <= ?1 AND kind IN ('verify_email', 'reset_password', 'welcome', 'password_changed')
    ORDER BY due_at LIMIT 1)
RETURNING user_id, kind, queued_at, attempts";

/// Does nothing if the email was queued again or claimed by another attempt. `?5` time of the next attempt, or NULL.
const COMPLETE: &str =
    "UPDATE outbox SET due_at = ?5 WHERE user_id = ?1 AND kind = ?2 AND queued_at = ?3 AND attempts = ?4";

/// `?1` start of the cooldown, `?2` size of the batch.
const PURGE_COMPLETED: &str = "
DELETE FROM outbox WHERE rowid IN (SELECT rowid FROM outbox WHERE due_at IS NULL AND queued_at <= ?1 LIMIT ?2)";

/// Takes a token. `?1` mailbox, `?2` now, `?3` time of one token, `?4` when the bucket is full at the latest if it contains a token.
const COUNT_FOR_MAILBOX: &str = "
INSERT INTO mailboxes (mailbox, full_at) VALUES (?1, ?2 + ?3)
ON CONFLICT (mailbox) DO UPDATE SET full_at = max(full_at, ?2) + ?3 WHERE full_at <= ?4";

/// `?1` now, `?2` size of the batch.
const PURGE_MAILBOXES: &str =
    "DELETE FROM mailboxes WHERE rowid IN (SELECT rowid FROM mailboxes WHERE full_at <= ?1 LIMIT ?2)";

#[async_trait]
impl Outbox for Embedded {
    async fn request_verification(&self, user: UserId, now: Timestamp) -> StoreResult<()> {
        let parameters = [user.into(), now.into(), now.plus_seconds(-LINK_COOLDOWN_SECONDS).into()];
        self.file.write("request_verification", vec![Statement::new(REQUEST_VERIFICATION, parameters)]).await?;
        Ok(())
    }

    async fn request_reset(&self, address: &EmailAddress, now: Timestamp) -> StoreResult<()> {
        let cooldown_start = now.plus_seconds(-LINK_COOLDOWN_SECONDS);
        let parameters = [address.key().into(), placeholder_user(address).into(), now.into(), cooldown_start.into()];
        self.file.write("request_reset", vec![Statement::new(REQUEST_RESET, parameters)]).await?;
        Ok(())
    }

    async fn claim(&self, now: Timestamp, until: Timestamp) -> StoreResult<Option<QueuedEmail>> {
        let [claimed] = self.file.write_batch("claim", [Statement::new(CLAIM, [now.into(), until.into()])]).await?;
        claimed.into_first_row().map(read_email).transpose()
    }

    async fn complete(&self, mail: &QueuedEmail, again_at: Option<Timestamp>) -> StoreResult<()> {
        let parameters = [
            mail.user.into(),
            mail.kind.name().into(),
            mail.queued_at.into(),
            Value::Integer(mail.attempt.into()),
            again_at.map_or(Value::Null, Value::from),
        ];
        self.file.write("complete", vec![Statement::new(COMPLETE, parameters)]).await?;
        Ok(())
    }

    async fn count_for_mailbox(&self, mailbox: &TokenHash, now: Timestamp) -> StoreResult<bool> {
        let latest = now.plus_seconds(MAILBOX_INTERVAL_SECONDS * (MAILBOX_EMAILS - 1));
        let interval = Value::Integer(MAILBOX_INTERVAL_SECONDS * 1_000_000);
        let take = Statement::new(COUNT_FOR_MAILBOX, [mailbox.as_str().into(), now.into(), interval, latest.into()]);
        let [taken] = self.file.write_batch("count_for_mailbox", [take]).await?;
        Ok(taken.written > 0)
    }

    async fn purge_completed(&self, now: Timestamp, batch: usize) -> StoreResult<u64> {
        let batch = Value::Integer(i64::try_from(batch).unwrap_or(i64::MAX));
        let statements = [
            Statement::new(PURGE_COMPLETED, [now.plus_seconds(-LINK_COOLDOWN_SECONDS).into(), batch.clone()]),
            Statement::new(PURGE_MAILBOXES, [now.into(), batch]),
        ];
        let [purged, _] = self.file.write_batch("purge_completed", statements).await?;
        Ok(purged.written)
    }
}

fn read_email(row: Row) -> StoreResult<QueuedEmail> {
    let mut row = RowReader::new("outbox", row);
    let user = row.parsed("user_id")?;
    let kind = row.named("kind", EmailKind::from_name)?;
    let queued_at = row.time("queued_at")?;
    let attempt = u32::try_from(row.integer("attempts")?).map_err(|error| row.corrupt("attempts", error))?;
    Ok(QueuedEmail { user, kind, queued_at, attempt })
}
