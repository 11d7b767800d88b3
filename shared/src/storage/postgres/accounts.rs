use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sqlx::query_as;
use uuid::Uuid;

use super::PostgresAccounts;
use super::time::Time;
use crate::models::{DatabaseId, EmailAddress, Login, Timestamp, User, UserId, Username};
use crate::storage::{Account, Accounts, NewAccount, SignUpOutcome, StoreResult};

/// A row of `users`.
pub(super) struct UserRow {
    pub(super) id: Uuid,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) password_hash: String,
    pub(super) email_verified_at: Option<Time>,
    pub(super) created_at: Time,
    pub(super) database_id: Option<Uuid>,
}

impl UserRow {
    /// Decodes the row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`](crate::storage::StoreError::Corrupt) if a time is out of range.
    pub(super) fn decoded(self) -> StoreResult<Account> {
        let id = UserId::new(self.id);
        let time = |column, time: Time| time.decoded("users", column, id);
        let user = User {
            id,
            username: Username::new_unchecked(self.username),
            email: EmailAddress::new_unchecked(self.email),
            email_verified_at: self.email_verified_at.map(|at| time("email_verified_at", at)).transpose()?,
            created_at: time("created_at", self.created_at)?,
            database: self.database_id.map(DatabaseId::new),
        };
        Ok(Account { user, password_hash: SecretString::from(self.password_hash) })
    }
}

/// Whether `key` contains NUL. PostgreSQL refuses NUL in text, so no user has such a name or address.
fn contains_nul(key: &str) -> bool {
    key.contains('\0')
}

#[async_trait]
impl Accounts for PostgresAccounts {
    async fn create(&self, account: &NewAccount) -> StoreResult<SignUpOutcome> {
        self.run("create", async |connection| {
            // The lock waits for a registration that removes the database.
            let inserted = sqlx::query!(
                "WITH created AS (
                     INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at, database_id)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT id FROM databases WHERE id = $8 FOR KEY SHARE))
                     ON CONFLICT (id) DO NOTHING RETURNING id)
                 INSERT INTO outbox (user_id, kind, queued_at, due_at)
                 SELECT id, 'verify_email', $7, $7 FROM created",
                account.id.as_uuid(),
                account.username.as_str(),
                account.username.key(),
                account.email.as_str(),
                account.email.key(),
                account.password_hash.expose_secret(),
                Time::from(account.created_at) as _,
                account.database.map(DatabaseId::as_uuid),
            )
            .execute(&mut **connection)
            .await;
            let outcome = match inserted.as_ref().err().and_then(|error| error.as_database_error()?.constraint()) {
                Some("users_username_taken") => SignUpOutcome::UsernameTaken,
                Some("users_email_taken") => SignUpOutcome::EmailTaken,
                _ => inserted.map(|_| SignUpOutcome::Created)?,
            };
            if outcome != SignUpOutcome::Created {
                connection.must_roll_back();
            }
            Ok(outcome)
        })
        .await
    }

    async fn find(&self, login: &Login) -> StoreResult<Option<Account>> {
        let (username, email) = match login {
            Login::Username(key) | Login::Email(key) if contains_nul(key) => return Ok(None),
            Login::Username(key) => (Some(key.as_str()), None),
            Login::Email(key) => (None, Some(key.as_str())),
        };
        self.run("find", async |connection| {
            let found = query_as!(
                UserRow,
                r#"SELECT id, username, email, password_hash, email_verified_at AS "email_verified_at: Time",
                       created_at AS "created_at: Time", database_id
                   FROM users WHERE (username_key = $1 OR email_key = $2) AND deleted_at IS NULL"#,
                username,
                email,
            )
            .fetch_optional(&mut **connection)
            .await?;
            found.map(UserRow::decoded).transpose()
        })
        .await
    }

    async fn get(&self, id: UserId) -> StoreResult<Option<Account>> {
        self.run("get", async |connection| {
            let found = query_as!(
                UserRow,
                r#"SELECT id, username, email, password_hash, email_verified_at AS "email_verified_at: Time",
                       created_at AS "created_at: Time", database_id
                   FROM users WHERE id = $1 AND deleted_at IS NULL"#,
                id.as_uuid(),
            )
            .fetch_optional(&mut **connection)
            .await?;
            found.map(UserRow::decoded).transpose()
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
        self.run_in_transaction("change_password", async |connection| {
            sqlx::query!("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", id.as_uuid())
                .fetch_optional(&mut **connection)
                .await?;
            // A new password revokes the password reset links that were sent before.
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
                Time::from(now) as _,
            )
            .fetch_one(&mut **connection)
            .await?;
            Ok(changed)
        })
        .await
    }

    async fn rehash(&self, id: UserId, old: &SecretString, new: &SecretString) -> StoreResult<()> {
        self.run("rehash", async |connection| {
            sqlx::query!(
                "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 AND deleted_at IS NULL",
                id.as_uuid(),
                old.expose_secret(),
                new.expose_secret(),
            )
            .execute(&mut **connection)
            .await?;
            Ok(())
        })
        .await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.run("ping", async |connection| {
            sqlx::query!("SELECT FROM users LIMIT 1").fetch_optional(&mut **connection).await?;
            Ok(())
        })
        .await
    }
}
