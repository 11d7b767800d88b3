use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::Embedded;
use super::accounts::{BY_TOKEN, read_account};
use crate::models::{Timestamp, User, UserId};
use crate::storage::libsql::{Statement, Value};
use crate::storage::{MailTokens, QueuedMail, StoreResult, TokenHash, TokenPurpose};

/// While the mail is claimed as `?5` and `?6` say.
const ISSUE: &str = "
INSERT INTO mail_tokens (user_id, purpose, token_hash, expires_at)
SELECT user_id, kind, ?3, ?4 FROM outbox
WHERE user_id = ?1 AND kind = ?2 AND queued_at = ?5 AND attempts = ?6 AND due_at IS NOT NULL
ON CONFLICT (user_id, purpose) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at";

const EXPIRED: &str = "SELECT 1 FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at <= ?3";

/// Before the address is verified.
const WELCOME: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at)
SELECT id, 'welcome', ?3, ?3 FROM users
WHERE email_verified_at IS NULL AND deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)
ON CONFLICT DO NOTHING";

const VERIFY: &str = "
UPDATE users SET email_verified_at = coalesce(email_verified_at, ?3)
WHERE deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
const RESET: &str = "
UPDATE users SET password_hash = ?4, email_verified_at = coalesce(email_verified_at, ?3)
WHERE deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
const SPEND: &str = "DELETE FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3";

/// Before the token is spent.
const NOTICE: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at)
SELECT user_id, 'password_changed', ?3, ?3 FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3
ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = ?3, due_at = ?3, attempts = 0";
/// No link is mailed any more that was called for before.
const SETTLE_LINKS: &str = "
UPDATE outbox SET due_at = NULL WHERE kind IN ('verify_email', ?2)
    AND user_id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
const END_VERIFICATION: &str = "
DELETE FROM mail_tokens WHERE purpose = 'verify_email'
    AND user_id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";

#[async_trait]
impl MailTokens for Embedded {
    async fn issue(&self, mail: &QueuedMail, token: &TokenHash, expires_at: Timestamp) -> StoreResult<bool> {
        let parameters = [
            mail.user.into(),
            mail.kind.name().into(),
            token.as_str().into(),
            expires_at.into(),
            mail.queued_at.into(),
            Value::Integer(mail.attempt.into()),
        ];
        let done = self.file.write("issue", vec![Statement::new(ISSUE, parameters)]).await?;
        Ok(done.first().is_some_and(|done| done.written > 0))
    }

    async fn owner(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<Option<UserId>> {
        let who = Presented { token, purpose, now };
        Ok(self.one_account(who.does(BY_TOKEN)).await?.map(|account| account.user.id))
    }

    async fn has_expired(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<bool> {
        let done = self.file.read("has_expired", vec![Presented { token, purpose, now }.does(EXPIRED)]).await?;
        Ok(done.iter().any(|done| !done.rows.is_empty()))
    }

    async fn verify_email(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<User>> {
        let who = Presented { token, purpose: TokenPurpose::VerifyEmail, now };
        self.spend(who, [WELCOME, VERIFY, SETTLE_LINKS].map(|sql| who.does(sql)).into()).await
    }

    async fn reset_password(
        &self,
        token: &TokenHash,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> StoreResult<Option<User>> {
        let who = Presented { token, purpose: TokenPurpose::ResetPassword, now };
        let [token, purpose, now] = who.parameters();
        let reset = Statement::new(RESET, [token, purpose, now, password_hash.expose_secret().into()]);
        let others = [NOTICE, SETTLE_LINKS, END_VERIFICATION].map(|sql| who.does(sql));
        self.spend(who, [who.does(WELCOME), reset].into_iter().chain(others).collect()).await
    }
}

/// A token that somebody presents.
#[derive(Clone, Copy)]
struct Presented<'a> {
    token: &'a TokenHash,
    purpose: TokenPurpose,
    now: Timestamp,
}

impl Presented<'_> {
    fn parameters(self) -> [Value; 3] {
        [self.token.as_str().into(), self.purpose.name().into(), self.now.into()]
    }

    /// What `sql` does for whoever's token it is.
    fn does(self, sql: &'static str) -> Statement {
        Statement::new(sql, self.parameters())
    }
}

impl Embedded {
    /// Does `effects` for the user whose token works, and spends it.
    async fn spend(&self, who: Presented<'_>, effects: Vec<Statement>) -> StoreResult<Option<User>> {
        let mut statements = effects;
        statements.extend([who.does(BY_TOKEN), who.does(SPEND)]);
        let done = self.file.write("spend", statements).await?;
        let row = done.into_iter().flat_map(|done| done.rows).next();
        Ok(row.map(read_account).transpose()?.map(|account| account.user))
    }
}
