use async_trait::async_trait;
use secrecy::SecretString;

use super::{Outbox, Placements, QueuedEmail, StoreResult, TokenHash};
use crate::models::{DatabaseId, EmailAddress, Login, Timestamp, User, UserId, Username};

/// A user and the hash of the user's password.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// PHC string of the password.
    pub password_hash: SecretString,
}

/// An account to create.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Id of the user.
    pub id: UserId,
    /// Username.
    pub username: Username,
    /// Email address.
    pub email: EmailAddress,
    /// PHC string of the password.
    pub password_hash: SecretString,
    /// Time of the sign-up.
    pub created_at: Timestamp,
    /// Database of the user's sync data; `None` if there is only one, which is not registered. Ignored if it is not a member of
    /// the set.
    pub database: Option<DatabaseId>,
}

/// Outcome of a sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUpOutcome {
    /// The account exists.
    Created,
    /// Another account has the username.
    UsernameTaken,
    /// Another account has the email address.
    EmailTaken,
}

/// Accounts.
///
/// # Contract
///
/// [`Username::key`] and [`EmailAddress::key`] are unique among the accounts that are not being deleted. No method finds an
/// account that is being deleted.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Creates an account and queues an email with a link to verify the address. Idempotent: an account with the same id is not
    /// created again.
    async fn create(&self, account: &NewAccount) -> StoreResult<SignUpOutcome>;

    /// Returns the account with this username or email address.
    async fn find(&self, login: &Login) -> StoreResult<Option<Account>>;

    /// Returns the account with this id.
    async fn get(&self, id: UserId) -> StoreResult<Option<Account>>;

    /// Replaces the hash of the password if it is still `old`, revokes the link to reset it, and queues a notice by email. Returns
    /// whether the hash was `old`.
    async fn change_password(
        &self,
        id: UserId,
        old: &SecretString,
        new: &SecretString,
        now: Timestamp,
    ) -> StoreResult<bool>;

    /// Replaces the hash of the password by another hash of the same password, if it is still `old`.
    async fn rehash(&self, id: UserId, old: &SecretString, new: &SecretString) -> StoreResult<()>;

    /// Checks that the store responds.
    async fn ping(&self) -> StoreResult<()>;
}

/// Purpose of a one-time link in an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPurpose {
    /// Verify the email address.
    VerifyEmail,
    /// Choose a new password.
    ResetPassword,
}

impl TokenPurpose {
    /// Returns the name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }

    /// Returns the validity of a link, in seconds.
    pub const fn lifetime(self) -> i64 {
        match self {
            Self::VerifyEmail => 24 * 3_600,
            Self::ResetPassword => 3_600,
        }
    }
}

/// Tokens of the one-time links in emails, stored as hashes.
///
/// # Contract
///
/// A token works once, before it expires, and only while it is the newest one of its user and purpose. Using a token and its
/// effect are one transaction. A change of the password revokes every token to reset it, including those whose email is still
/// queued.
#[async_trait]
pub trait MailTokens: Send + Sync {
    /// Issues `token` for the link in `mail`, valid until `expires_at`, if `mail` is still claimed by this attempt. Returns false if
    /// it has been completed, queued again, or claimed by another attempt.
    async fn issue(&self, mail: &QueuedEmail, token: &TokenHash, expires_at: Timestamp) -> StoreResult<bool>;

    /// Returns the user of `token` if the token works for `purpose`. The token stays usable.
    async fn owner(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<Option<UserId>>;

    /// Returns whether `token` would work for `purpose` if it had not expired. False once a purge has removed the token.
    async fn has_expired(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<bool>;

    /// Uses `token` to verify the email address of its user. Returns the user, or `None` if the token does not work.
    async fn verify_email(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<User>>;

    /// Uses `token` to replace the password of its user. Returns the user, or `None` if the token does not work. The token also
    /// proves that the user receives email at the address, so the address becomes verified and all other links are revoked.
    async fn reset_password(
        &self,
        token: &TokenHash,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> StoreResult<Option<User>>;
}

/// Deletion of accounts.
///
/// # Contract
///
/// A deletion that has begun is pending until it is finished, so that an interrupted deletion can be resumed.
#[async_trait]
pub trait Deletions: Send + Sync {
    /// Removes all personal data of the account in one transaction, which frees its username and email address. Does nothing and
    /// returns false if the hash of the password is not `password_hash`: the password may have been changed after the caller
    /// verified it.
    async fn begin_deletion(&self, user: UserId, password_hash: &SecretString, now: Timestamp) -> StoreResult<bool>;

    /// Returns at most `limit` accounts whose deletion is pending, the oldest first.
    async fn pending_deletions(&self, limit: usize) -> StoreResult<Vec<UserId>>;

    /// Removes what is left of the account.
    async fn finish_deletion(&self, user: UserId) -> StoreResult<()>;
}

/// Removal of expired sessions, refresh tokens and email tokens.
#[async_trait]
pub trait Expiry: Send + Sync {
    /// Removes at most `batch` rows of each kind that have expired at `now`. Returns the number of removed rows.
    async fn purge_expired(&self, now: Timestamp, batch: usize) -> StoreResult<u64>;
}

/// All traits of accounts.
pub trait AccountStore: Accounts + MailTokens + Outbox + Deletions + Expiry + Placements {}
impl<T: Accounts + MailTokens + Outbox + Deletions + Expiry + Placements> AccountStore for T {}
