use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::Embedded;
use crate::models::{EmailAddress, Login, Timestamp, User, UserId, Username};
use crate::storage::libsql::{Row, RowReader, Statement};
use crate::storage::{Account, Accounts, NewAccount, SignUpOutcome, StoreResult};

/// Inserts nothing where name or address is taken; the two questions after it tell which, in the same transaction.
const CREATE: &str = "
INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
/// Only if an account was made just before.
const ASK_TO_VERIFY: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at) SELECT ?1, 'verify_email', ?2, ?2 WHERE changes() > 0";
const OWNER_OF_USERNAME: &str = "SELECT id FROM users WHERE username_key = ?1";
const OWNER_OF_EMAIL: &str = "SELECT id FROM users WHERE email_key = ?1";

macro_rules! account_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, username, email, password_hash, email_verified_at, created_at FROM users WHERE ",
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

const REPLACE_PASSWORD: &str =
    "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2 AND deleted_at IS NULL";

/// Only if the password was replaced just before.
const NOTICE: &str = "
INSERT INTO outbox (user_id, kind, queued_at, due_at) SELECT ?1, 'password_changed', ?2, ?2 WHERE changes() > 0
ON CONFLICT (user_id, kind) DO UPDATE SET queued_at = ?2, due_at = ?2, attempts = 0";

/// Whoever changes the password means the old ways in to be closed, a link in some mailbox among them.
const FORGET_RESET: [&str; 2] = [
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
        ];
        let statements = vec![
            Statement::new(CREATE, create),
            Statement::new(ASK_TO_VERIFY, [account.id.into(), account.created_at.into()]),
            Statement::new(OWNER_OF_USERNAME, [username_key.into()]),
            Statement::new(OWNER_OF_EMAIL, [email_key.into()]),
        ];
        let done = self.file.write("create", statements).await?;
        let is_ours = |place: usize| {
            done.get(place)
                .and_then(|done| done.rows.first())
                .is_some_and(|row| row.first() == Some(&account.id.into()))
        };
        let is_taken = |place: usize| done.get(place).is_some_and(|done| !done.rows.is_empty()) && !is_ours(place);
        Ok(match (is_taken(2), is_taken(3)) {
            (true, _) => SignUpOutcome::UsernameTaken,
            (false, true) => SignUpOutcome::EmailTaken,
            (false, false) => SignUpOutcome::Created,
        })
    }

    async fn find(&self, login: &Login) -> StoreResult<Option<Account>> {
        let statement = match login {
            Login::Username(key) => Statement::new(BY_USERNAME, [key.as_str().into()]),
            Login::Email(key) => Statement::new(BY_EMAIL, [key.as_str().into()]),
        };
        self.one_account(statement).await
    }

    async fn get(&self, id: UserId) -> StoreResult<Option<Account>> {
        self.one_account(Statement::new(BY_ID, [id.into()])).await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &SecretString,
        new: &SecretString,
        now: Timestamp,
    ) -> StoreResult<bool> {
        let notice = Statement::new(NOTICE, [id.into(), now.into()]);
        let forget = FORGET_RESET.map(|sql| Statement::new(sql, [id.into(), new.expose_secret().into()]));
        let statements = [replace_password(id, old, new), notice].into_iter().chain(forget);
        let done = self.file.write("change_password", statements.collect()).await?;
        Ok(done.first().is_some_and(|done| done.written > 0))
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
    pub(super) async fn one_account(&self, statement: Statement) -> StoreResult<Option<Account>> {
        let done = self.file.read("one_account", vec![statement]).await?;
        done.into_iter().flat_map(|done| done.rows).next().map(read_account).transpose()
    }
}

pub(super) fn read_account(row: Row) -> StoreResult<Account> {
    let mut row = RowReader::of("users", row);
    let id = row.parsed("id")?;
    let username = Username::new_unchecked(row.text("username")?);
    let email = EmailAddress::new_unchecked(row.text("email")?);
    let password_hash = SecretString::from(row.text("password_hash")?);
    let email_verified_at = row.optional_time("email_verified_at")?;
    let user = User { id, username, email, email_verified_at, created_at: row.time("created_at")? };
    Ok(Account { user, password_hash })
}
