//! Mails: what they say, and who delivers them.

mod memory;
mod outbox;
mod templates;

use async_trait::async_trait;

pub use memory::MemoryMailer;
pub use outbox::OutboxFolder;
pub use templates::{Brand, Letter};

use crate::models::EmailAddress;

/// A rendered mail. Its link is a secret, so it cannot be printed.
#[derive(Clone)]
pub struct Mail {
    /// What it is about, as a word: `verify_email`, `reset_password`, `welcome`, `password_changed`.
    pub kind: &'static str,
    /// Where it goes.
    pub to: EmailAddress,
    /// Its subject.
    pub subject: String,
    /// Its HTML part.
    pub html: String,
    /// Its plain-text part.
    pub text: String,
}

/// A mail could not be handed over.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be handed over: {0}")]
pub struct MailError(pub String);

/// Delivers mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands `mail` over for delivery.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}
