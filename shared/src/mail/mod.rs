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
use crate::config::Settings;
use crate::models::EmailAddress;
use crate::storage::MailKind;
use crate::telemetry::CallError;

/// A rendered email. It does not implement `Debug`, since its link is a secret.
#[derive(Clone)]
pub struct Email {
    /// Kind of the email.
    pub kind: MailKind,
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

/// Returns the mailer that the settings select: Resend if `RESEND_API_KEY` is set, otherwise a folder.
///
/// # Errors
/// If the HTTP client cannot be built.
pub fn mailer(settings: &Settings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Arc<dyn Mailer>, String> {
    Ok(match &settings.resend {
        Some(resend) => Arc::new(Resend::new(&resend.url, resend.key.clone(), resend.from.clone(), random)?),
        None => Arc::new(FolderMailer::new(settings.data.join("outbox"), clock, random)),
    })
}
