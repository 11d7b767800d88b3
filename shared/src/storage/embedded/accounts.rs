use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::Embedded;
use crate::models::{EmailAddress, Login, Timestamp, User, UserId, Username};
use crate::storage::libsql::{Row, RowReader, Statement, StatementResult};
use crate::storage::{Account, Accounts, NewAccount, SignUpOutcome, StoreResult};

/// Inserts nothing if the name or the address is taken. [`OWNER_OF_USERNAME`] and [`OWNER_OF_EMAIL`] tell which, in the same
/// transaction.
const CREATE: &str = "
INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at, database_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT id FROM databases WHERE id = ?8)) ON CONFLICT DO NOTHING";
/// Queues an email if the previous statement has inserted the account. `?1` user, `?2` now.
const QUEUE_VERIFICATION: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at) SELECT ?1, 'verify_email', ?2, ?2 WHERE changes() > 0";
const OWNER_OF_USERNAME: &str = "SELECT id FROM users WHERE username_key = ?1";
const OWNER_OF_EMAIL: &str = "SELECT id FROM users WHERE email_key = ?1";

/// Selects the account that meets a condition, unless it is being deleted.
macro_rules! account_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, username, email, password_hash, email_verified_at, created_at, database_id FROM users WHERE ",
            $condition,
            " AND deleted_at IS NULL"
        )
    };
}

const BY_USERNAME: &str = account_where!("username_key = ?1");
const BY_EMAIL: &str = account_where!("email_key = ?1");
const BY_ID: &str = account_where!("id = ?1");
pub(super) const BY_TOKEN: &str =
    account_where!("id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)");

/// Replaces the hash of the password. `?1` user, `?2` old hash, `?3` new hash.
const REPLACE_PASSWORD: &str =
    "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2 AND deleted_at IS NULL";

/// Queues an email if the previous statement has replaced the password. `?1` user, `?2` now.
const QUEUE_NOTICE: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at) SELECT ?1, 'password_changed', ?2, ?2 WHERE changes() > 0
ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = ?2, due_at = ?2, attempts = 0";

/// Revoke the password reset link of a user whose password has been replaced, and the email that waits to send one. `?1` user,
/// `?2` new hash of the password.
const REVOKE_RESET: [&str; 2] = [
    "DELETE FROM mail_tokens WHERE user_id = ?1 AND purpose = 'reset_password'
         AND EXISTS (SELECT 1 FROM users WHERE id = ?1 AND password_hash = ?2)",
    "UPDATE outbox SET due_at = NULL WHERE user_id = ?1 AND kind = 'reset_password'
         AND EXISTS (SELECT 1 FROM users WHERE id = ?1 AND password_hash = ?2)",
];

#[async_trait]
impl Accounts for Embedded {
    async fn create(&self, account: &NewAccount) -> StoreResult<SignUpOutcome> {
        let (username_key, email_key) = (account.username.key(), account.email.key());
        let create = [
            account.id.into(),
            account.username.as_str().into(),
            username_key.clone().into(),
            account.email.as_str().into(),
            email_key.clone().into(),
            account.password_hash.expose_secret().into(),
            account.created_at.into(),
            account.database.into(),
        ];
        let statements = [
            Statement::new(CREATE, create),
            Statement::new(QUEUE_VERIFICATION, [account.id.into(), account.created_at.into()]),
            Statement::new(OWNER_OF_USERNAME, [username_key.into()]),
            Statement::new(OWNER_OF_EMAIL, [email_key.into()]),
        ];
        let [_, _, username_owner, email_owner] = self.file.write_batch("create", statements).await?;
        let account_row = [account.id.into()];
        let is_taken = |owner: StatementResult| owner.rows.iter().any(|row| row.as_slice() != account_row.as_slice());
        if is_taken(username_owner) {
            Ok(SignUpOutcome::UsernameTaken)
        } else if is_taken(email_owner) {
            Ok(SignUpOutcome::EmailTaken)
        } else {
            Ok(SignUpOutcome::Created)
        }
    }

    async fn find(&self, login: &Login) -> StoreResult<Option<Account>> {
        let statement = match login {
            Login::Username(key) => Statement::new(BY_USERNAME, [key.as_str().into()]),
            Login::Email(key) => Statement::new(BY_EMAIL, [key.as_str().into()]),
        };
        self.find_account(statement).await
    }

    async fn get(&self, id: UserId) -> StoreResult<Option<Account>> {
        self.find_account(Statement::new(BY_ID, [id.into()])).await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &SecretString,
        new: &SecretString,
        now: Timestamp,
    ) -> StoreResult<bool> {
        let queue_notice = Statement::new(QUEUE_NOTICE, [id.into(), now.into()]);
        let [revoke_link, cancel_email] =
            REVOKE_RESET.map(|sql| Statement::new(sql, [id.into(), new.expose_secret().into()]));
        let statements = [replace_password(id, old, new), queue_notice, revoke_link, cancel_email];
        let [replaced, ..] = self.file.write_batch("change_password", statements).await?;
        Ok(replaced.written > 0)
    }

    async fn rehash(&self, id: UserId, old: &SecretString, new: &SecretString) -> StoreResult<()> {
        self.file.write("rehash", vec![replace_password(id, old, new)]).await?;
        Ok(())
    }

    async fn ping(&self) -> StoreResult<()> {
        self.file.read("ping", vec![Statement::new("SELECT 1 FROM users LIMIT 1", [])]).await?;
        Ok(())
    }
}

fn replace_password(id: UserId, old: &SecretString, new: &SecretString) -> Statement {
    Statement::new(REPLACE_PASSWORD, [id.into(), old.expose_secret().into(), new.expose_secret().into()])
}

impl Embedded {
    /// Runs one of the queries of [`account_where!`].
    pub(super) async fn find_account(&self, query: Statement) -> StoreResult<Option<Account>> {
        let [found] = self.file.read_batch("find_account", [query]).await?;
        found.into_first_row().map(read_account).transpose()
    }
}

/// Decodes a row of the queries of [`account_where!`].
pub(super) fn read_account(row: Row) -> StoreResult<Account> {
    let mut row = RowReader::new("users", row);
    let id = row.parsed("id")?;
    let username = Username::new_unchecked(row.text("username")?);
    let email = EmailAddress::new_unchecked(row.text("email")?);
    let password_hash = SecretString::from(row.text("password_hash")?);
    let email_verified_at = row.optional_time("email_verified_at")?;
    let created_at = row.time("created_at")?;
    let user =
        User { id, username, email, email_verified_at, created_at, database: row.optional_parsed("database_id")? };
    Ok(Account { user, password_hash })
}
