use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::Embedded;
use crate::models::{EmailAddress, Login, Timestamp, User, UserId, Username};
use crate::storage::libsql::{Columns, Row, Statement};
use crate::storage::{Account, Accounts, MailTokens, NewAccount, SignUp, StoreResult, TokenHash, TokenPurpose};

/// Inserts nothing where name or address is taken; the two questions after it tell which, in the same transaction.
const CREATE: &str = "
INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
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
const BY_TOKEN: &str =
    account_where!("id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)");

const SET_PASSWORD: &str =
    "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2 AND deleted_at IS NULL";

/// Whoever changes the password means the old ways in to be closed, a link in some mailbox among them.
const FORGET_RESET: &str = "
DELETE FROM mail_tokens WHERE user_id = ?1 AND purpose = 'reset_password'
    AND EXISTS (SELECT 1 FROM users WHERE id = ?1 AND password_hash = ?2)";

const ISSUE: &str = "
INSERT INTO mail_tokens (user_id, purpose, token_hash, expires_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (user_id, purpose) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at";

const VERIFY: &str = "
UPDATE users SET email_verified_at = coalesce(email_verified_at, ?3)
WHERE deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
/// Whoever can read mail at the address has also shown that it is theirs.
const RESET: &str = "
UPDATE users SET password_hash = ?4, email_verified_at = coalesce(email_verified_at, ?3)
WHERE deleted_at IS NULL
    AND id = (SELECT user_id FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2 AND expires_at > ?3)";
const SPEND: &str = "DELETE FROM mail_tokens WHERE token_hash = ?1 AND purpose = ?2";

#[async_trait]
impl Accounts for Embedded {
    async fn create(&self, account: &NewAccount) -> StoreResult<SignUp> {
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
            Statement::new(OWNER_OF_USERNAME, [username_key.into()]),
            Statement::new(OWNER_OF_EMAIL, [email_key.into()]),
        ];
        let done = self.file.write(statements).await?;
        let is_ours = |place: usize| {
            done.get(place)
                .and_then(|done| done.rows.first())
                .is_some_and(|row| row.first() == Some(&account.id.into()))
        };
        let is_taken = |place: usize| done.get(place).is_some_and(|done| !done.rows.is_empty()) && !is_ours(place);
        Ok(match (is_taken(1), is_taken(2)) {
            (true, _) => SignUp::UsernameTaken,
            (false, true) => SignUp::EmailTaken,
            (false, false) => SignUp::Created,
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

    async fn set_password(&self, id: UserId, old: &SecretString, new: &SecretString) -> StoreResult<bool> {
        let parameters = [id.into(), old.expose_secret().into(), new.expose_secret().into()];
        let set = Statement::new(SET_PASSWORD, parameters);
        let forget = Statement::new(FORGET_RESET, [id.into(), new.expose_secret().into()]);
        let done = self.file.write(vec![set, forget]).await?;
        Ok(done.first().is_some_and(|done| done.written > 0))
    }

    async fn ping(&self) -> StoreResult<()> {
        self.file.read(vec![Statement::new("SELECT 1 FROM users LIMIT 1", [])]).await?;
        Ok(())
    }
}

#[async_trait]
impl MailTokens for Embedded {
    async fn issue(
        &self,
        user: UserId,
        purpose: TokenPurpose,
        token: &TokenHash,
        expires_at: Timestamp,
    ) -> StoreResult<()> {
        let parameters = [user.into(), purpose.name().into(), token.as_str().into(), expires_at.into()];
        self.file.write(vec![Statement::new(ISSUE, parameters)]).await?;
        Ok(())
    }

    async fn owner(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<Option<UserId>> {
        let parameters = [token.as_str().into(), purpose.name().into(), now.into()];
        Ok(self.one_account(Statement::new(BY_TOKEN, parameters)).await?.map(|account| account.user.id))
    }

    async fn verify_email(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<User>> {
        let purpose = TokenPurpose::VerifyEmail;
        let parameters = [token.as_str().into(), purpose.name().into(), now.into()];
        self.spend(purpose, token, now, Statement::new(VERIFY, parameters)).await
    }

    async fn reset_password(
        &self,
        token: &TokenHash,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> StoreResult<Option<User>> {
        let purpose = TokenPurpose::ResetPassword;
        let parameters =
            [token.as_str().into(), purpose.name().into(), now.into(), password_hash.expose_secret().into()];
        self.spend(purpose, token, now, Statement::new(RESET, parameters)).await
    }
}

impl Embedded {
    async fn one_account(&self, statement: Statement) -> StoreResult<Option<Account>> {
        let done = self.file.read(vec![statement]).await?;
        done.into_iter().flat_map(|done| done.rows).next().map(read_account).transpose()
    }

    /// Does `effect` for the user whose `token` works, and spends it.
    async fn spend(
        &self,
        purpose: TokenPurpose,
        token: &TokenHash,
        now: Timestamp,
        effect: Statement,
    ) -> StoreResult<Option<User>> {
        let key = [token.as_str().into(), purpose.name().into()];
        let who = [token.as_str().into(), purpose.name().into(), now.into()];
        let statements = vec![effect, Statement::new(BY_TOKEN, who), Statement::new(SPEND, key)];
        let done = self.file.write(statements).await?;
        let row = done.into_iter().flat_map(|done| done.rows).next();
        Ok(row.map(read_account).transpose()?.map(|account| account.user))
    }
}

fn read_account(row: Row) -> StoreResult<Account> {
    let mut row = Columns::of("users", row);
    let id = row.uuid("id")?;
    let username = Username::trusted(row.text("username")?);
    let email = EmailAddress::trusted(row.text("email")?);
    let password_hash = SecretString::from(row.text("password_hash")?);
    let email_verified_at = row.optional_time("email_verified_at")?;
    let user = User { id, username, email, email_verified_at, created_at: row.time("created_at")? };
    Ok(Account { user, password_hash })
}
