//! Secret settings that may be rotated while the process runs.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

/// A source of secrets that may change.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// Returns the current value of the setting `name`, which may be a few seconds old. Returns `None` if the source has no
    /// such setting, or cannot be read.
    async fn current(&self, name: &str) -> Option<SecretString>;
}

/// A secret whose value may be replaced. All clones share the newest value.
#[derive(Clone)]
pub struct RotatingSecret {
    value: Arc<RwLock<SecretString>>,
    /// Source of new values, and the name of the secret there.
    source: Option<(Arc<dyn SecretSource>, &'static str)>,
}

impl RotatingSecret {
    /// Creates a secret with the current value `value`, and the name `name` in `source`.
    pub fn from_source(value: SecretString, source: Arc<dyn SecretSource>, name: &'static str) -> Self {
        Self { source: Some((source, name)), ..Self::from(value) }
    }

    /// Returns the newest known value.
    pub fn get(&self) -> SecretString {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a value other than `rejected`, which a server no longer accepts. Reads the source if no other value is known.
    /// Returns `None` if there is no other value.
    pub async fn replacement_for(&self, rejected: &SecretString) -> Option<SecretString> {
        let differs = |value: &SecretString| value.expose_secret() != rejected.expose_secret();
        let known = self.get();
        if differs(&known) {
            return Some(known);
        }
        let (source, name) = self.source.as_ref()?;
        let value = source.current(name).await.filter(differs)?;
        tracing::warn!(
            event = "store_credential_rejected",
            setting = name,
            "credential rejected, using its replacement"
        );
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value.clone();
        Some(value)
    }
}

impl From<SecretString> for RotatingSecret {
    fn from(value: SecretString) -> Self {
        Self { value: Arc::new(RwLock::new(value)), source: None }
    }
}

impl std::fmt::Debug for RotatingSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RotatingSecret([REDACTED])")
    }
}
