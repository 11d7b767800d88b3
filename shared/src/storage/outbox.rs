use async_trait::async_trait;

use super::StoreResult;
use crate::models::{EmailAddress, Timestamp, TokenHash, UserId};

/// Minimum time between two requests for a link of the same kind for the same account, in seconds.
pub const LINK_COOLDOWN_SECONDS: i64 = 60;

/// Capacity of the bucket of emails of one kind to one mailbox, which regains one every 6 minutes. All accounts with an unconfirmed
/// tagged form of its address share it.
pub const MAILBOX_EMAILS: i64 = 10;

/// Kind of an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailKind {
    /// Link to verify the address.
    VerifyEmail,
    /// Link to choose a new password.
    ResetPassword,
    /// Notice that the address is verified.
    Welcome,
    /// Notice that the password was changed.
    PasswordChanged,
}

impl EmailKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::VerifyEmail, Self::ResetPassword, Self::Welcome, Self::PasswordChanged];

    /// Returns the name in the store and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::Welcome => "welcome",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// Returns the kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A queued email that a worker has claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedEmail {
    /// Recipient.
    pub user: UserId,
    /// Kind of the email.
    pub kind: EmailKind,
    /// Time of the request for the email.
    pub queued_at: Timestamp,
    /// Attempt number, starting at 1.
    pub attempt: u32,
}

/// Transactional outbox of emails: at most one queued email of each kind for a user.
///
/// # Contract
///
/// An event and the email about it are one transaction: sign-up ([`EmailKind::VerifyEmail`]), first verification of the address
/// ([`EmailKind::Welcome`]), change or reset of the password ([`EmailKind::PasswordChanged`], which also completes a queued
/// [`EmailKind::ResetPassword`]). At most one worker at a time has claimed an email. The outbox contains no address and no token.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Queues an email with a link to verify the address of `user`, unless one was queued within [`LINK_COOLDOWN_SECONDS`].
    async fn request_verification(&self, user: UserId, now: Timestamp) -> StoreResult<()>;

    /// Queues an email with a link to reset the password of the user with `address`, unless one was queued within
    /// [`LINK_COOLDOWN_SECONDS`]. For an unknown address it queues one for a placeholder user, so that the response time does not
    /// reveal whether an account exists.
    async fn request_reset(&self, address: &EmailAddress, now: Timestamp) -> StoreResult<()>;

    /// Claims the email that has been due for longest at `now`. Unless it is completed, it is due again at `until`.
    async fn claim(&self, now: Timestamp, until: Timestamp) -> StoreResult<Option<QueuedEmail>>;

    /// Ends a claim: the email is completed, or due again at `again_at`. Does nothing if the email has been queued again, or
    /// claimed by another worker.
    async fn complete(&self, mail: &QueuedEmail, again_at: Option<Timestamp>) -> StoreResult<()>;

    /// Counts an email to a mailbox, whose key is `mailbox`. Returns false if the mailbox has received as many as it may
    /// ([`MAILBOX_EMAILS`], a token bucket).
    async fn count_for_mailbox(&self, mailbox: &TokenHash, now: Timestamp) -> StoreResult<bool>;

    /// Removes at most `batch` completed emails that are older than [`LINK_COOLDOWN_SECONDS`], and the counts of at most `batch` mailboxes
    /// that may receive as many as ever again. Returns the number of removed emails.
    async fn purge_completed(&self, now: Timestamp, batch: usize) -> StoreResult<u64>;
}

/// Time in which a mailbox may receive one more email, in seconds.
#[cfg(any(feature = "embedded", feature = "postgres"))]
pub(super) const MAILBOX_INTERVAL_SECONDS: i64 = 3_600 / MAILBOX_EMAILS;

/// Returns the placeholder user for an address that no user has.
#[cfg(any(feature = "embedded", feature = "postgres"))]
pub(super) fn placeholder_user(address: &EmailAddress) -> UserId {
    const NAMESPACE: uuid::Uuid = uuid::uuid!("3f0c9f0e-6c1e-4b39-9d2e-2f6a4f0d8a51");
    UserId::new(uuid::Uuid::new_v5(&NAMESPACE, address.key().as_bytes()))
}
