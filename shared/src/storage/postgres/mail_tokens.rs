use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sqlx::query_as;

use super::PostgresAccounts;
use super::accounts::UserRow;
use super::time::Time;
use crate::models::{Timestamp, User, UserId};
use crate::storage::{MailTokens, QueuedEmail, StoreResult, TokenHash, TokenPurpose};

#[async_trait]
impl MailTokens for PostgresAccounts {
    async fn issue(&self, mail: &QueuedEmail, token: &TokenHash, expires_at: Timestamp) -> StoreResult<bool> {
        self.run("issue", async |connection| {
            // Waits for a concurrent transaction that completes the email, such as a change of the password, and then issues
            // nothing.
            let issued = sqlx::query!(
                "INSERT INTO mail_tokens (user_id, purpose, token_hash, expires_at)
                 SELECT id, kind, $3, $4 FROM users JOIN outbox ON user_id = id
                 WHERE id = $1 AND deleted_at IS NULL
                     AND kind = $2 AND queued_at = $5 AND attempts = $6 AND due_at IS NOT NULL
                 FOR NO KEY UPDATE OF users, outbox
                 ON CONFLICT (user_id, purpose)
                 DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at",
                mail.user.as_uuid(),
                mail.kind.name(),
                token.as_str(),
                Time::from(expires_at) as _,
                Time::from(mail.queued_at) as _,
                i32::try_from(mail.attempt).unwrap_or(i32::MAX),
            )
            .execute(&mut **connection)
            .await?;
            Ok(issued.rows_affected() > 0)
        })
        .await
    }

    async fn owner(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<Option<UserId>> {
        self.run("owner", async |connection| {
            let owner = sqlx::query_scalar!(
                "SELECT id FROM users JOIN mail_tokens ON user_id = id
                 WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 AND deleted_at IS NULL",
                token.as_str(),
                purpose.name(),
                Time::from(now) as _,
            )
            .fetch_optional(&mut **connection)
            .await?;
            Ok(owner.map(UserId::new))
        })
        .await
    }

    async fn has_expired(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<bool> {
        self.run("has_expired", async |connection| {
            let expired = sqlx::query_scalar!(
                r#"SELECT EXISTS (
                       SELECT FROM mail_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at <= $3
                   ) AS "expired!""#,
                token.as_str(),
                purpose.name(),
                Time::from(now) as _,
            )
            .fetch_one(&mut **connection)
            .await?;
            Ok(expired)
        })
        .await
    }

    async fn verify_email(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<User>> {
        self.run("verify_email", async |connection| {
            let verified = query_as!(
                UserRow,
                r#"WITH owner AS (
                       SELECT id, email_verified_at IS NULL AS is_first FROM users JOIN mail_tokens ON user_id = id
                       WHERE token_hash = $1 AND purpose = 'verify_email' AND expires_at > $2 AND deleted_at IS NULL
                       FOR NO KEY UPDATE OF users),
                   spent AS (
                       DELETE FROM mail_tokens USING owner WHERE token_hash = $1 AND user_id = owner.id
                       RETURNING user_id, is_first),
                   settled AS (
                       UPDATE outbox SET due_at = NULL FROM spent
                       WHERE outbox.user_id = spent.user_id AND kind = 'verify_email'),
                   welcomed AS (
                       INSERT INTO outbox (user_id, kind, queued_at, due_at)
                       SELECT user_id, 'welcome', $2, $2 FROM spent WHERE is_first ON CONFLICT DO NOTHING)
                   UPDATE users SET email_verified_at = coalesce(email_verified_at, $2)
                   FROM spent WHERE id = spent.user_id
                   RETURNING id, username, email, password_hash, email_verified_at AS "email_verified_at: Time",
                       created_at AS "created_at: Time", database_id"#,
                token.as_str(),
                Time::from(now) as _,
            )
            .fetch_optional(&mut **connection)
            .await?;
            Ok(verified.map(UserRow::decoded).transpose()?.map(|account| account.user))
        })
        .await
    }

    async fn reset_password(
        &self,
        token: &TokenHash,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> StoreResult<Option<User>> {
        self.run_in_transaction("reset_password", async |connection| {
            sqlx::query!(
                "SELECT FROM users JOIN mail_tokens ON user_id = id
                 WHERE token_hash = $1 AND purpose = 'reset_password' FOR NO KEY UPDATE OF users",
                token.as_str(),
            )
            .fetch_optional(&mut **connection)
            .await?;
            let reset = query_as!(
                UserRow,
                r#"WITH owner AS (
                       SELECT id, email_verified_at IS NULL AS is_first FROM users JOIN mail_tokens ON user_id = id
                       WHERE token_hash = $1 AND purpose = 'reset_password' AND expires_at > $2 AND deleted_at IS NULL
                       FOR NO KEY UPDATE OF users),
                   spent AS (
                       DELETE FROM mail_tokens USING owner WHERE token_hash = $1 AND user_id = owner.id
                       RETURNING user_id, is_first),
                   ended AS (
                       DELETE FROM mail_tokens USING spent
                       WHERE mail_tokens.user_id = spent.user_id AND purpose = 'verify_email'),
                   settled AS (
                       UPDATE outbox SET due_at = NULL FROM spent
                       WHERE outbox.user_id = spent.user_id AND kind IN ('verify_email', 'reset_password')),
                   queued AS (
                       INSERT INTO outbox (user_id, kind, queued_at, due_at)
                       SELECT user_id, kind, $2, $2 FROM spent CROSS JOIN LATERAL
                           (VALUES ('password_changed'), (CASE WHEN is_first THEN 'welcome' END)) AS mails (kind)
                       WHERE kind IS NOT NULL
                       ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = $2, due_at = $2, attempts = 0)
                   UPDATE users SET password_hash = $3, email_verified_at = coalesce(email_verified_at, $2)
                   FROM spent WHERE id = spent.user_id
                   RETURNING id, username, email, password_hash, email_verified_at AS "email_verified_at: Time",
                       created_at AS "created_at: Time", database_id"#,
                token.as_str(),
                Time::from(now) as _,
                password_hash.expose_secret(),
            )
            .fetch_optional(&mut **connection)
            .await?;
            Ok(reset.map(UserRow::decoded).transpose()?.map(|account| account.user))
        })
        .await
    }
}
