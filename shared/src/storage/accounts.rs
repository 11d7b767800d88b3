use async_trait::async_trait;
use secrecy::SecretString;

use super::{Outbox, QueuedMail, StoreResult, TokenHash};
use crate::models::{EmailAddress, Login, Timestamp, User, UserId, Username};

/// A user and the hash of their password.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The PHC string of the password.
    pub password_hash: SecretString,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub username: Username,
    /// Its address.
    pub email: EmailAddress,
    /// The PHC string of its password.
    pub password_hash: SecretString,
    /// When it is made.
    pub created_at: Timestamp,
}

/// What became of a sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUpOutcome {
    /// The account is there.
    Created,
    /// Somebody has that name.
    UsernameTaken,
    /// Somebody has that address.
    EmailTaken,
}

/// The accounts.
///
/// **Law.** Of all accounts that are not being deleted no two have the same [`Username::key`] or the same
/// [`EmailAddress::key`]; an account that is being deleted is found by none of these methods.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account. For the same one again, by its id, the answer is the same.
    async fn create(&self, account: &NewAccount) -> StoreResult<SignUpOutcome>;

    /// The account that logs in as `login`.
    async fn find(&self, login: &Login) -> StoreResult<Option<Account>>;

    /// The account `id`.
    async fn get(&self, id: UserId) -> StoreResult<Option<Account>>;

    /// Replaces the password's hash, if it is still `old`, makes any link to reset it useless, and queues a notice;
    /// whether it was.
    async fn change_password(
        &self,
        id: UserId,
        old: &SecretString,
        new: &SecretString,
        now: Timestamp,
    ) -> StoreResult<bool>;

    /// Replaces the password's hash by another of the same password, if it is still `old`.
    async fn rehash(&self, id: UserId, old: &SecretString, new: &SecretString) -> StoreResult<()>;

    /// Whether the store answers at all.
    async fn ping(&self) -> StoreResult<()>;
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPurpose {
    /// To show that an address is the user's.
    VerifyEmail,
    /// To choose a new password.
    ResetPassword,
}

impl TokenPurpose {
    /// Its name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }

    /// For how many seconds a link works.
    pub const fn lifetime(self) -> i64 {
        match self {
            Self::VerifyEmail => 24 * 3_600,
            Self::ResetPassword => 3_600,
        }
    }
}

/// The one-time links in mails, known by the hashes of their tokens.
///
/// **Law.** A token works once, before it expires, and only while it is the newest of its user and purpose. Using it and
/// what it was used for happen together or not at all. Once the password was changed, no token works whose mail was called
/// for before.
#[async_trait]
pub trait MailTokens: Send + Sync {
    /// Makes `token` the one in the link of `mail`, which works until `expires_at` for what the mail is about, unless the
    /// mail was settled, called for anew or claimed by somebody else since it was claimed; whether it does.
    async fn issue(&self, mail: &QueuedMail, token: &TokenHash, expires_at: Timestamp) -> StoreResult<bool>;

    /// Whose `token` it is, if it works for `purpose`. Asking spends nothing.
    async fn owner(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<Option<UserId>>;

    /// Whether `token` would work for `purpose`, had it not expired. Long after that nobody knows any more.
    async fn has_expired(&self, token: &TokenHash, purpose: TokenPurpose, now: Timestamp) -> StoreResult<bool>;

    /// Uses `token` to verify its user's address; the user, or `None` if it does not work.
    async fn verify_email(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<User>>;

    /// Uses `token` to replace its user's password; the user, or `None` if it does not work. Whoever can read mail at the
    /// address has also shown that it is theirs: it is verified, and no other link works any more.
    async fn reset_password(
        &self,
        token: &TokenHash,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> StoreResult<Option<User>>;
}

/// Accounts on their way out.
///
/// **Law.** Once begun, a deletion is listed until it is finished, so that whoever is interrupted can be followed up.
#[async_trait]
pub trait Deletions: Send + Sync {
    /// Frees the account's name and address and forgets all it says of a person, at once, if the hash of its password is
    /// still `password_hash`: whoever was asked for the password must not delete an account whose password was changed
    /// meanwhile. Whether it was.
    async fn begin_deletion(&self, user: UserId, password_hash: &SecretString, now: Timestamp) -> StoreResult<bool>;

    /// At most `limit` accounts whose deletion has begun.
    async fn pending_deletions(&self, limit: usize) -> StoreResult<Vec<UserId>>;

    /// Removes the last of the account.
    async fn finish_deletion(&self, user: UserId) -> StoreResult<()>;
}

/// Whatever expires by itself and only takes up room afterwards: sessions, refresh tokens, mail tokens.
#[async_trait]
pub trait Expiry: Send + Sync {
    /// Removes at most `batch` rows of each kind that expired before `now`, and says how many.
    async fn purge_expired(&self, now: Timestamp, batch: usize) -> StoreResult<u64>;
}

/// Everything about accounts.
pub trait AccountStore: Accounts + MailTokens + Outbox + Deletions + Expiry {}
impl<T: Accounts + MailTokens + Outbox + Deletions + Expiry> AccountStore for T {}
