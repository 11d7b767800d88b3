use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sqlx::query_as;
use uuid::Uuid;

use super::PostgresAccounts;
use super::time::Time;
use crate::models::{EmailAddress, Login, Timestamp, User, UserId, Username};
use crate::storage::{Account, Accounts, NewAccount, SignUpOutcome, StoreResult};

/// A row of `users`.
pub(super) struct UserRow {
    pub(super) id: Uuid,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) password_hash: String,
    pub(super) email_verified_at: Option<Time>,
    pub(super) created_at: Time,
}

impl From<UserRow> for Account {
    fn from(row: UserRow) -> Self {
        let user = User {
            id: UserId::new(row.id),
            username: Username::new_unchecked(row.username),
            email: EmailAddress::new_unchecked(row.email),
            email_verified_at: row.email_verified_at.map(|time| time.0),
            created_at: row.created_at.0,
        };
        Self { user, password_hash: SecretString::from(row.password_hash) }
    }
}

/// PostgreSQL's texts hold no NUL, so no name or address with one can be anybody's.
fn holds_nul(key: &str) -> bool {
    key.contains('\0')
}

#[async_trait]
impl Accounts for PostgresAccounts {
    async fn create(&self, account: &NewAccount) -> StoreResult<SignUpOutcome> {
        self.within("create", async {
            let mut connection = self.connection().await?;
            let inserted = sqlx::query!(
                "WITH created AS (
                     INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING RETURNING id)
                 INSERT INTO outbox (user_id, kind, queued_at, due_at)
                 SELECT id, 'verify_email', $7, $7 FROM created",
                account.id.as_uuid(),
                account.username.as_str(),
                account.username.key(),
                account.email.as_str(),
                account.email.key(),
                account.password_hash.expose_secret(),
                Time(account.created_at) as _,
            )
            .execute(connection.connection())
            .await;
            let outcome = match inserted.as_ref().err().and_then(|error| error.as_database_error()?.constraint()) {
                Some("users_username_taken") => SignUpOutcome::UsernameTaken,
                Some("users_email_taken") => SignUpOutcome::EmailTaken,
                _ => inserted.map(|_| SignUpOutcome::Created)?,
            };
            if outcome != SignUpOutcome::Created {
                connection.undo();
            }
            Ok((connection, outcome))
        })
        .await
    }

    async fn find(&self, login: &Login) -> StoreResult<Option<Account>> {
        let (username, email) = match login {
            Login::Username(key) | Login::Email(key) if holds_nul(key) => return Ok(None),
            Login::Username(key) => (Some(key.as_str()), None),
            Login::Email(key) => (None, Some(key.as_str())),
        };
        self.within("find", async {
            let mut connection = self.connection().await?;
            let found = query_as!(
                UserRow,
                r#"SELECT id, username, email, password_hash, email_verified_at AS "email_verified_at: Time",
                       created_at AS "created_at: Time"
                   FROM users WHERE (username_key = $1 OR email_key = $2) AND deleted_at IS NULL"#,
                username,
                email,
            )
            .fetch_optional(connection.connection())
            .await?;
            Ok((connection, found.map(Account::from)))
        })
        .await
    }

    async fn get(&self, id: UserId) -> StoreResult<Option<Account>> {
        self.within("get", async {
            let mut connection = self.connection().await?;
            let found = query_as!(
                UserRow,
                r#"SELECT id, username, email, password_hash, email_verified_at AS "email_verified_at: Time",
                       created_at AS "created_at: Time"
                   FROM users WHERE id = $1 AND deleted_at IS NULL"#,
                id.as_uuid(),
            )
            .fetch_optional(connection.connection())
            .await?;
            Ok((connection, found.map(Account::from)))
        })
        .await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &SecretString,
        new: &SecretString,
        now: Timestamp,
    ) -> StoreResult<bool> {
        self.within("change_password", async {
            let mut connection = self.connection().await?;
            connection.begin().await?;
            sqlx::query!("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", id.as_uuid())
                .fetch_optional(connection.connection())
                .await?;
            // Whoever changes the password means the old ways in to be closed, a link in some mailbox among them.
            let changed = sqlx::query_scalar!(
                r#"WITH changed AS (
                       UPDATE users SET password_hash = $3
                       WHERE id = $1 AND password_hash = $2 AND deleted_at IS NULL RETURNING id),
                   forgotten AS (
                       DELETE FROM mail_tokens USING changed
                       WHERE mail_tokens.user_id = changed.id AND purpose = 'reset_password'),
                   settled AS (
                       UPDATE outbox SET due_at = NULL FROM changed
                       WHERE outbox.user_id = changed.id AND kind = 'reset_password'),
                   noticed AS (
                       INSERT INTO outbox (user_id, kind, queued_at, due_at)
                       SELECT id, 'password_changed', $4, $4 FROM changed
                       ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = $4, due_at = $4, attempts = 0)
                   SELECT EXISTS (SELECT FROM changed) AS "changed!""#,
                id.as_uuid(),
                old.expose_secret(),
                new.expose_secret(),
                Time(now) as _,
            )
            .fetch_one(connection.connection())
            .await?;
            Ok((connection, changed))
        })
        .await
    }

    async fn rehash(&self, id: UserId, old: &SecretString, new: &SecretString) -> StoreResult<()> {
        self.within("rehash", async {
            let mut connection = self.connection().await?;
            sqlx::query!(
                "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 AND deleted_at IS NULL",
                id.as_uuid(),
                old.expose_secret(),
                new.expose_secret(),
            )
            .execute(connection.connection())
            .await?;
            Ok((connection, ()))
        })
        .await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.within("ping", async {
            let mut connection = self.connection().await?;
            sqlx::query!("SELECT FROM users LIMIT 1").fetch_optional(connection.connection()).await?;
            Ok((connection, ()))
        })
        .await
    }
}
