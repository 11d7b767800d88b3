use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Mail, MailError, Mailer};
use crate::storage::MailKind;

/// Keeps mails in memory, for tests to read.
#[derive(Default)]
pub struct MemoryMailer(Mutex<Vec<Mail>>);

impl MemoryMailer {
    /// How many mails there are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All mails, in the order in which they were sent.
    pub fn sent(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest mail of `kind` to `address`.
    pub fn newest(&self, kind: MailKind, address: &str) -> Option<Mail> {
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().rev().find(|mail| mail.kind == kind && mail.to.as_str() == address).cloned()
    }

    /// The token in the link of the newest mail of `kind` to `address`.
    pub fn newest_token(&self, kind: MailKind, address: &str) -> Option<String> {
        self.newest(kind, address)?.link_token()
    }
}

impl Mail {
    /// The token in the mail's link, if it has one.
    pub fn link_token(&self) -> Option<String> {
        let (_, rest) = self.text.split_once("?token=")?;
        Some(rest.split_whitespace().next()?.to_owned())
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(mail.clone());
        Ok(())
    }
}
