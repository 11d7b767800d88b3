//! Mails: what they say, and who delivers them.
//!
//! Whatever calls for a mail queues it in the users' store ([`Outbox`](crate::storage::Outbox)); a [`OutboxWorker`] takes it from
//! there, writes it, with a link if it needs one, and hands it to a [`Mailer`].

mod folder;
mod memory;
mod outbox_worker;
mod resend;
mod templates;

use std::sync::Arc;

use async_trait::async_trait;

pub use folder::FolderMailer;
pub use memory::MemoryMailer;
pub use outbox_worker::{Delivery, OutboxWorker};
pub use resend::Resend;
pub use templates::{Brand, EmailTemplate, lifetime};

use crate::clock::Random;
use crate::config::EmailConfig;
use crate::models::EmailAddress;
use crate::storage::MailKind;
use crate::telemetry::CallError;

/// A rendered mail. Its link is a secret, so it cannot be printed.
#[derive(Clone)]
pub struct Mail {
    /// What it is about.
    pub kind: MailKind,
    /// Of all mails that share this key one is sent, where whoever delivers them can see to that. 1 to 256 characters.
    pub idempotency_key: String,
    /// Where it goes.
    pub to: EmailAddress,
    /// Its subject.
    pub subject: String,
    /// Its HTML part.
    pub html: String,
    /// Its plain-text part.
    pub text: String,
}

/// A mail could not be handed over. What it says names nobody's address.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Whoever delivers mails is down, slow or overloaded: the same mail may be taken later.
    #[error("the mail could not be handed over: {0}")]
    Unavailable(String),
    /// Whoever delivers mails will not take this one, however often it is sent.
    #[error("the mail was refused: {0}")]
    Refused(String),
    /// A defect of ours.
    #[error("the mail could not be written: {0}")]
    Template(#[from] askama::Error),
}

impl CallError for MailError {
    fn is_failed_call(&self) -> bool {
        true
    }
}

/// Delivers mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands `mail` over for delivery.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Returns the mailer of the deployed service: Resend. Without `RESEND_API_KEY` every delivery fails, and is retried until
/// the key is set.
///
/// # Errors
/// When no HTTP client can be made.
pub fn mailer(config: &EmailConfig, random: Arc<dyn Random>) -> Result<Arc<dyn Mailer>, String> {
    Ok(match &config.resend {
        Some(resend) => Arc::new(Resend::new(resend, random)?),
        None => Arc::new(UnconfiguredMailer),
    })
}

/// Mailer of a deployment without `RESEND_API_KEY`.
struct UnconfiguredMailer;

#[async_trait]
impl Mailer for UnconfiguredMailer {
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        Err(MailError::Unavailable("RESEND_API_KEY is not set".to_owned()))
    }
}
