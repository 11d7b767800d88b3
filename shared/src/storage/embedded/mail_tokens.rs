use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::Embedded;
use super::accounts::{BY_TOKEN, read_account};
use crate::models::{Timestamp, User, UserId};
use crate::storage::libsql::{Statement, StatementResult, Value};
use crate::storage::{MailTokens, QueuedEmail, StoreResult, TokenHash, TokenPurpose};

/// Issues a token if the email is still claimed by the attempt that asks for it. `?1` user, `?2` kind of the email, `?3` hash of
/// the token, `?4` expiry, `?5` when the email was queued, `?6` number of the attempt.
const ISSUE: &str = "
INSERT INTO mail_tokens (user_id, purpose, token_hash, expires_at)
SELECT user_id, kind, ?3, ?4 FROM outbox
WHERE user_id = ?1 AND kind = ?2 AND queued_at = ?5 AND attempts = ?6 AND due_at IS NOT NULL
ON CONFLICT (user_id, purpose) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at";

// Parameters of all statements below: `?1` hash of the token, `?2` purpose, `?3` now.

const EXPIRED: &str = "SELECT 1 FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at <= ?3";

/// Queues a welcome email if the address is not verified yet. Runs before [`VERIFY`] and [`RESET`].
const QUEUE_WELCOME: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at)
SELECT id, 'welcome', ?3, ?3 FROM users
WHERE email_verified_at IS NULL AND deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)
ON CONFLICT DO NOTHING";

const VERIFY: &str = "
UPDATE users SET email_verified_at = coalesce(email_verified_at, ?3)
WHERE deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
/// `?4` new hash of the password.
const RESET: &str = "
UPDATE users SET password_hash = ?4, email_verified_at = coalesce(email_verified_at, ?3)
WHERE deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
/// Makes the token unusable. Runs last, because the other statements find the user by the token.
const SPEND: &str = "DELETE FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3";

const QUEUE_NOTICE: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at)
SELECT user_id, 'password_changed', ?3, ?3 FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3
ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = ?3, due_at = ?3, attempts = 0";
/// Completes queued emails that would send another link.
const COMPLETE_LINKS: &str = "
UPDATE outbox SET due_at = NULL WHERE kind IN ('verify_email', ?2)
    AND user_id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
/// Revokes the link to verify the address.
const REVOKE_VERIFICATION: &str = "
DELETE FROM mail_tokens WHERE purpose = 'verify_email'
    AND user_id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";

#[async_trait]
impl MailTokens for Embedded {
    async fn issue(&self, mail: &QueuedEmail, token: &TokenHash, expires_at: Timestamp) -> StoreResult<bool> {
        let parameters = [
            mail.user.into(),
            mail.kind.name().into(),
            token.as_str().into(),
            expires_at.into(),
            mail.queued_at.into(),
            Value::Integer(mail.attempt.into()),
        ];
        let [issued] = self.file.write_batch("issue", [Statement::new(ISSUE, parameters)]).await?;
        Ok(issued.written > 0)
    }

    async fn owner(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<Option<UserId>> {
        let presented = PresentedToken { token, purpose, now };
        Ok(self.find_account(presented.statement(BY_TOKEN)).await?.map(|account| account.user.id))
    }

    async fn has_expired(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<bool> {
        let presented = PresentedToken { token, purpose, now };
        let [expired] = self.file.read_batch("has_expired", [presented.statement(EXPIRED)]).await?;
        Ok(!expired.rows.is_empty())
    }

    async fn verify_email(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<User>> {
        let presented = PresentedToken { token, purpose: TokenPurpose::VerifyEmail, now };
        let effects = [QUEUE_WELCOME, VERIFY, COMPLETE_LINKS].map(|sql| presented.statement(sql));
        self.use_token("verify_email", presented, effects.into()).await
    }

    async fn reset_password(
        &self,
        token: &TokenHash,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> StoreResult<Option<User>> {
        let presented = PresentedToken { token, purpose: TokenPurpose::ResetPassword, now };
        let mut reset = presented.statement(RESET);
        reset.parameters.push(password_hash.expose_secret().into());
        let effects = vec![
            presented.statement(QUEUE_WELCOME),
            reset,
            presented.statement(QUEUE_NOTICE),
            presented.statement(COMPLETE_LINKS),
            presented.statement(REVOKE_VERIFICATION),
        ];
        self.use_token("reset_password", presented, effects).await
    }
}

/// A token that a client presents.
#[derive(Clone, Copy)]
struct PresentedToken<'a> {
    token: &'a TokenHash,
    purpose: TokenPurpose,
    now: Timestamp,
}

impl PresentedToken<'_> {
    /// Creates a statement about the token or its user.
    fn statement(self, sql: &'static str) -> Statement {
        Statement::new(sql, [self.token.as_str().into(), self.purpose.name().into(), self.now.into()])
    }
}

impl Embedded {
    /// Runs `effects`, which return no rows, and makes the token unusable. Returns the user afterwards, or `None` if the token does
    /// not work.
    async fn use_token(
        &self,
        name: &'static str,
        presented: PresentedToken<'_>,
        effects: Vec<Statement>,
    ) -> StoreResult<Option<User>> {
        let mut statements = effects;
        statements.extend([presented.statement(BY_TOKEN), presented.statement(SPEND)]);
        let results = self.file.write(name, statements).await?;
        // Only `BY_TOKEN` returns rows.
        let user_row = results.into_iter().find_map(StatementResult::into_first_row);
        Ok(user_row.map(read_account).transpose()?.map(|account| account.user))
    }
}
