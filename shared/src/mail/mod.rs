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

use crate::clock::{Clock, Random};
use crate::config::Settings;
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

/// Who delivers mails: Resend where `RESEND_API_KEY` says so, and otherwise a folder for people to look into.
///
/// # Errors
/// When there can be no connection to Resend.
pub fn mailer(settings: &Settings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Arc<dyn Mailer>, String> {
    Ok(match &settings.resend {
        Some(resend) => Arc::new(Resend::new(&resend.url, resend.key.clone(), resend.from.clone(), random)?),
        None => Arc::new(FolderMailer::new(settings.data.join("outbox"), clock, random)),
    })
}
