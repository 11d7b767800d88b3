use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::{Random, random_bytes};
use crate::models::TokenHash;

/// Number of random bytes in a token.
const BYTES: usize = 32;

/// An opaque token: 32 random bytes in base64url without padding. Refresh tokens and the tokens in email links are opaque
/// tokens. Stores keep only the SHA-256 of a token.
#[derive(Debug, Clone)]
pub struct OpaqueToken(SecretString);

impl OpaqueToken {
    /// Generates a new token.
    pub fn generate(random: &dyn Random) -> Self {
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(random_bytes::<BYTES>(random))))
    }

    /// Parses a token that a client presents. Returns `None` if `text` has the wrong format.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == BYTES).then(|| Self(SecretString::from(text)))
    }

    /// Returns the hash that stores keep.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.expose_secret().as_bytes())
    }

    /// Returns the token itself, for the response or the email that carries it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}
