use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Email, EmailError, Mailer};
use crate::storage::EmailKind;

/// Keeps emails in memory, for tests.
#[derive(Default)]
pub struct MemoryMailer(Mutex<Vec<Email>>);

impl MemoryMailer {
    /// Returns the number of emails.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns all emails, oldest first.
    pub fn sent(&self) -> Vec<Email> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the newest email of `kind` to `address`.
    pub fn newest(&self, kind: EmailKind, address: &str) -> Option<Email> {
        let emails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        emails.iter().rev().find(|email| email.kind == kind && email.to.as_str() == address).cloned()
    }

    /// Returns the token in the link of the newest email of `kind` to `address`.
    pub fn newest_token(&self, kind: EmailKind, address: &str) -> Option<String> {
        self.newest(kind, address)?.link_token()
    }
}

impl Email {
    /// Returns the token in the link of the email, if it has a link.
    pub fn link_token(&self) -> Option<String> {
        let (_, rest) = self.text.split_once("#token=")?;
        Some(rest.split_whitespace().next()?.to_owned())
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, email: &Email) -> Result<(), EmailError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(email.clone());
        Ok(())
    }
}
