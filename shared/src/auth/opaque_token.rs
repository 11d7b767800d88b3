use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::{Random, random_bytes};
use crate::storage::TokenHash;

/// How many random bytes a token has.
const BYTES: usize = 32;

/// A secret that says nothing but that its holder was given it: refresh tokens, and those in the links of mails. 32
/// random bytes, written in base64url without padding; only its SHA-256 is ever stored.
#[derive(Debug, Clone)]
pub struct OpaqueToken(SecretString);

impl OpaqueToken {
    /// A new one.
    pub fn generate(random: &dyn Random) -> Self {
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(random_bytes::<BYTES>(random))))
    }

    /// Reads one that somebody presents.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == BYTES).then(|| Self(SecretString::from(text)))
    }

    /// What is stored in its place.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.expose_secret().as_bytes())
    }

    /// The token itself, to be handed to its holder.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}
