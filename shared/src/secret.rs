//! Settings that are secret, and may be replaced while the process runs.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

/// Where secrets come from, if they may change there.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The setting `name` as it is now, or was a moment ago; `None` where there is none, or nobody can tell.
    async fn current(&self, name: &str) -> Option<SecretString>;
}

/// A secret. All clones know its newest value.
#[derive(Clone)]
pub struct RotatingSecret {
    value: Arc<RwLock<SecretString>>,
    /// Where it may change, and under which name.
    source: Option<(Arc<dyn SecretSource>, &'static str)>,
}

impl RotatingSecret {
    /// One that comes from `source`, where it is called `name`.
    pub fn from_source(value: SecretString, source: Arc<dyn SecretSource>, name: &'static str) -> Self {
        Self { source: Some((source, name)), ..Self::from(value) }
    }

    /// Its value, as far as it is known.
    pub fn get(&self) -> SecretString {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value that took the place of `refused`, which is no longer accepted; `None` if there is no other.
    pub async fn replacement_for(&self, refused: &SecretString) -> Option<SecretString> {
        let differs = |value: &SecretString| value.expose_secret() != refused.expose_secret();
        let known = self.get();
        if differs(&known) {
            return Some(known);
        }
        let (source, name) = self.source.as_ref()?;
        let value = source.current(name).await.filter(differs)?;
        tracing::warn!(
            event = "credential_refused",
            name,
            "a secret was refused, and is replaced by the one that took its place"
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
        formatter.write_str("Secret([REDACTED])")
    }
}
