use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of a token. Stores keep the hash instead of the token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(String);

impl TokenHash {
    /// Returns the hash of `token`.
    pub fn of(token: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(token)))
    }

    /// Returns the hash in lower-case hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Does not print the hash.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}
