use std::sync::Arc;

use axum::extract::FromRef;
use serde::Serialize;
use shared::auth::{PasswordCost, Passwords};
use shared::breaches::BreachedPasswords;
use shared::clock::{Clock, Random};
use shared::http::Authenticator;
use shared::mail::Brand;
use shared::models::{Timestamp, User, UuidSchema};
use shared::storage::{AccountStore, Accounts, Deletions, MailTokens, Outbox, Placements, Retention};
use tokio::sync::Notify;
use utoipa::ToSchema;

/// State of the auth endpoints.
#[derive(Clone)]
pub struct Auth {
    /// Authenticates requests.
    pub authenticator: Arc<Authenticator>,
    /// Store of accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Databases of sync data, one of which a new account is placed in.
    pub placements: Arc<dyn Placements>,
    /// Store of one-time tokens in emailed links.
    pub mail_tokens: Arc<dyn MailTokens>,
    /// Store of accounts that are being deleted.
    pub deletions: Arc<dyn Deletions>,
    /// Store of sync data, from which a deletion erases the account's.
    pub data: Arc<dyn Retention>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Looks new passwords up in the list of breached ones, if the operator wants it.
    pub breached_passwords: Option<BreachedPasswords>,
    /// Queue of emails.
    pub outbox: Arc<dyn Outbox>,
    /// Notified when an email was queued.
    pub email_queued: Arc<Notify>,
    /// Names and addresses on pages.
    pub brand: Arc<Brand>,
    /// Randomness of tokens and ids.
    pub random: Arc<dyn Random>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Auth {
    /// Creates the state of the endpoints. The outbox worker waits for `email_queued`.
    pub fn new(
        authenticator: Authenticator,
        accounts: Arc<dyn AccountStore>,
        data: Arc<dyn Retention>,
        email_queued: Arc<Notify>,
        brand: Brand,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            authenticator: Arc::new(authenticator),
            accounts: accounts.clone(),
            placements: accounts.clone(),
            mail_tokens: accounts.clone(),
            outbox: accounts.clone(),
            deletions: accounts,
            data,
            passwords: Passwords::new(PasswordCost::OWASP, random.clone()),
            breached_passwords: None,
            email_queued,
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

/// Response of an operation that returns no data.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Acknowledgement {
    /// Always `true`.
    pub(crate) success: bool,
    /// Result, for a person.
    #[schema(max_length = 128, pattern = r"^[^\x00]+$")]
    pub(crate) message: &'static str,
}

impl Acknowledgement {
    pub(crate) const fn new(message: &'static str) -> axum::Json<Self> {
        axum::Json(Self { success: true, message })
    }
}

/// Account, as its owner sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserRecord {
    /// Id of the account.
    #[schema(value_type = UuidSchema)]
    id: uuid::Uuid,
    /// User name: 1 to 64 characters of any script.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^@\x00-\x1f\x7f-\x9f]+$")]
    username: String,
    /// Email address.
    #[schema(format = IdnEmail, max_length = 254)]
    email: String,
    /// Permissions of the user.
    role: shared::models::Role,
    /// Whether the email address is confirmed.
    email_verified: bool,
    /// Time of the sign-up.
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
