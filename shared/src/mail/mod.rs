//! Email: templates and delivery, by the transactional outbox pattern.
//!
//! A transaction that calls for an email queues it in the accounts store ([`Outbox`](crate::storage::Outbox)). An
//! [`OutboxWorker`] claims it there, renders it, issues the token of its link if it has one, and passes it to a
//! [`Mailer`].

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

use crate::clock::{Clock, Random};
use crate::config::EmailConfig;
use crate::models::EmailAddress;
use crate::storage::EmailKind;
use crate::telemetry::CallError;

/// A rendered email. It does not implement `Debug`, since its link is a secret.
#[derive(Clone)]
pub struct Email {
    /// Kind of the email.
    pub kind: EmailKind,
    /// The provider sends one of all emails with the same key, if it supports that. 1 to 256 characters.
    pub idempotency_key: String,
    /// Address of the recipient.
    pub to: EmailAddress,
    /// Subject line.
    pub subject: String,
    /// HTML part.
    pub html: String,
    /// Plain-text part.
    pub text: String,
}

/// Error of sending an email. Its text contains no address.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// The provider is down, slow or overloaded. A later attempt may succeed.
    #[error("email provider unavailable: {0}")]
    Unavailable(String),
    /// The provider refuses this email permanently.
    #[error("email refused: {0}")]
    Refused(String),
    /// A template cannot be rendered: a defect of the service.
    #[error("email template: {0}")]
    Template(#[from] askama::Error),
}

impl CallError for EmailError {
    fn is_failed_call(&self) -> bool {
        true
    }
}

/// Sends emails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Passes `email` to the provider.
    async fn send(&self, email: &Email) -> Result<(), EmailError>;
}

/// Returns the mailer that `config` selects: Resend, or else a folder. Without both, every delivery fails, and is retried
/// until `RESEND_API_KEY` is set.
///
/// # Errors
/// When no HTTP client can be made.
pub fn mailer(
    config: &EmailConfig,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> reqwest::Result<Arc<dyn Mailer>> {
    Ok(match (&config.resend, &config.outbox) {
        (Some(resend), _) => Arc::new(Resend::new(resend, random)?),
        (None, Some(folder)) => Arc::new(FolderMailer::new(folder.clone(), clock, random)),
        (None, None) => Arc::new(UnconfiguredMailer),
    })
}

/// Mailer of functions without `RESEND_API_KEY` and `DATA_DIR`.
struct UnconfiguredMailer;

#[async_trait]
impl Mailer for UnconfiguredMailer {
    async fn send(&self, _: &Email) -> Result<(), EmailError> {
        Err(EmailError::Unavailable("RESEND_API_KEY is not set".to_owned()))
    }
}
