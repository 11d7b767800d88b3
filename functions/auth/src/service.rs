use std::sync::Arc;

use axum::extract::FromRef;
use serde::Serialize;
use shared::auth::{PasswordCost, Passwords};
use shared::clock::{Clock, Random};
use shared::http::Authenticator;
use shared::mail::Brand;
use shared::models::{Timestamp, User};
use shared::storage::{AccountStore, Accounts, Deletions, MailTokens, Outbox, Retention};
use tokio::sync::Notify;
use utoipa::ToSchema;

/// What the endpoints of this function work with.
#[derive(Clone)]
pub struct Auth {
    /// Who comes in.
    pub authenticator: Arc<Authenticator>,
    /// The accounts.
    pub accounts: Arc<dyn Accounts>,
    /// The links in mails.
    pub mail_tokens: Arc<dyn MailTokens>,
    /// Accounts on their way out.
    pub deletions: Arc<dyn Deletions>,
    /// Their sync data.
    pub data: Arc<dyn Retention>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// The mails that wait.
    pub outbox: Arc<dyn Outbox>,
    /// Told when there may be one more.
    pub mail_queued: Arc<Notify>,
    /// How the product is called.
    pub brand: Arc<Brand>,
    /// Makes tokens and ids.
    pub random: Arc<dyn Random>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Auth {
    /// The function over `accounts` and the `data` that they hold. Whoever delivers mails waits for `mail_queued`.
    pub fn new(
        authenticator: Authenticator,
        accounts: Arc<dyn AccountStore>,
        data: Arc<dyn Retention>,
        mail_queued: Arc<Notify>,
        brand: Brand,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            authenticator: Arc::new(authenticator),
            accounts: accounts.clone(),
            mail_tokens: accounts.clone(),
            outbox: accounts.clone(),
            deletions: accounts,
            data,
            passwords: Passwords::new(PasswordCost::OWASP, random.clone()),
            mail_queued,
            brand: Arc::new(brand),
            random,
            clock,
        }
    }
}

impl FromRef<Auth> for Arc<Authenticator> {
    fn from_ref(auth: &Auth) -> Self {
        Self::clone(&auth.authenticator)
    }
}

/// An answer that says no more than that it was done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Acknowledgement {
    /// Always `true`.
    pub(crate) success: bool,
    /// What was done, for a person.
    pub(crate) message: &'static str,
}

impl Acknowledgement {
    pub(crate) const fn new(message: &'static str) -> axum::Json<Self> {
        axum::Json(Self { success: true, message })
    }
}

/// An account, as its owner sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserRecord {
    /// Its id.
    id: uuid::Uuid,
    /// The user's name.
    username: String,
    /// The user's address.
    email: String,
    /// What the user may do.
    role: shared::models::Role,
    /// Whether the address was shown to be the user's.
    email_verified: bool,
    /// When they signed up.
    created_at: Timestamp,
}

impl From<&User> for UserRecord {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.as_uuid(),
            username: user.username.to_string(),
            email: user.email.as_str().to_owned(),
            role: shared::models::Role::User,
            email_verified: user.email_verified_at.is_some(),
            created_at: user.created_at,
        }
    }
}
