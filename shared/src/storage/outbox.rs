use async_trait::async_trait;

use super::StoreResult;
use crate::models::{EmailAddress, Timestamp, UserId};

/// For how many seconds after one link was asked for no other of its kind can be, for the same account.
pub const LINK_COOLDOWN_SECONDS: i64 = 60;

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A link to show that the address is the user's.
    VerifyEmail,
    /// A link to choose a new password.
    ResetPassword,
    /// That the address is verified.
    Welcome,
    /// That the password was changed.
    PasswordChanged,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::VerifyEmail, Self::ResetPassword, Self::Welcome, Self::PasswordChanged];

    /// Its name in the store and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::Welcome => "welcome",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A mail that somebody has taken on to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedMail {
    /// Who it goes to.
    pub user: UserId,
    /// What it is about.
    pub kind: MailKind,
    /// When it was called for.
    pub queued_at: Timestamp,
    /// The how-manieth attempt this is, from 1.
    pub attempt: u32,
}

/// The mails that wait to be sent: at most one of each kind for a user.
///
/// **Law.** Whatever calls for a mail queues it in the same transaction: signing up ([`MailKind::VerifyEmail`]), verifying
/// the address for the first time ([`MailKind::Welcome`]), changing or resetting the password
/// ([`MailKind::PasswordChanged`]); the latter settles a link to reset it, too. Each is claimed by one at a time, until it is settled. It holds no address and no token.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Queues a link to verify the address of `user`, unless one was queued within [`LINK_COOLDOWN_SECONDS`].
    async fn request_verification(&self, user: UserId, now: Timestamp) -> StoreResult<()>;

    /// Queues a link to reset the password of whoever has `address`, unless one was queued within [`LINK_COOLDOWN_SECONDS`]. For an
    /// address that nobody has one to a user that is none, so that the time that it takes does not tell.
    async fn request_reset(&self, address: &EmailAddress, now: Timestamp) -> StoreResult<()>;

    /// Takes on the mail that has been due for longest at `now`. Should nobody settle it, it is due again at `until`.
    async fn claim(&self, now: Timestamp, until: Timestamp) -> StoreResult<Option<QueuedMail>>;

    /// Ends what [`claim`](Self::claim) began: the mail is done with, or due again at `again_at`. If it was called for
    /// anew, or claimed by somebody else meanwhile, it stays as it is.
    async fn complete(&self, mail: &QueuedMail, again_at: Option<Timestamp>) -> StoreResult<()>;

    /// Removes at most `batch` settled mails that keep nobody from asking for another any more, and says how many.
    async fn purge_completed(&self, now: Timestamp, batch: usize) -> StoreResult<u64>;
}

/// The user that stands for whoever would have `address`, where nobody has it.
#[cfg(any(feature = "embedded", feature = "postgres"))]
pub(super) fn placeholder_user(address: &EmailAddress) -> UserId {
    const NAMESPACE: uuid::Uuid = uuid::uuid!("3f0c9f0e-6c1e-4b39-9d2e-2f6a4f0d8a51");
    UserId::new(uuid::Uuid::new_v5(&NAMESPACE, address.key().as_bytes()))
}
