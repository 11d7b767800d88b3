//! Signed tokens: JWTs (RFC 7519) with HMAC-SHA-256, and the rotation of the keys that sign them.

use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hs256;
use crate::config::{AuthConfig, ConfigError};
use crate::models::Timestamp;
use crate::secret::SecretSource;

/// Claim `iss` of all tokens.
const ISSUER: &str = "sql-studio-sync";

/// Maximum length of a token, in bytes: several times that of the longest one issued.
const MAX_BYTES: usize = 4_096;

/// Greatest difference between the clocks of two instances, in seconds: a token that another instance has just issued is valid.
const CLOCK_SKEW: i64 = 60;

/// Reason for rejecting a signed token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidToken {
    /// The token is authentic but has expired.
    Expired,
    /// The token is malformed, or no accepted key signed it.
    Forged,
}

/// A key for signing and verifying tokens. Its id (`kid`) is derived from the secret.
struct SigningKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// Creates the key from `secret`, the value of `variable`.
    ///
    /// # Errors
    /// Fails if the secret is too short.
    fn new(secret: &SecretString, variable: &'static str) -> Result<Self, ConfigError> {
        let secret = AuthConfig::check_key(secret, variable)?.expose_secret().as_bytes();
        let id = hex::encode(Sha256::new_with_prefix(b"kid:").chain_update(secret).finalize());
        Ok(Self {
            id: id.chars().take(16).collect(),
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        })
    }
}

/// The accepted signing keys: two during a rotation, one otherwise.
struct Keys {
    current: SigningKey,
    previous: Option<SigningKey>,
}

impl Keys {
    /// Signs with `current`, and accepts tokens that `previous` signed, until the rotation is complete.
    ///
    /// # Errors
    /// Fails if a key is too short.
    fn new(current: &SecretString, previous: Option<&SecretString>) -> Result<Self, ConfigError> {
        let previous = previous.map(|secret| SigningKey::new(secret, AuthConfig::PREVIOUS_KEY)).transpose()?;
        Ok(Self { current: SigningKey::new(current, AuthConfig::SIGNING_KEY)?, previous })
    }

    fn with_id(&self, id: &str) -> Option<&SigningKey> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id)
    }
}

/// Claims `C` with the registered ones that every token has (RFC 7519 §4.1). Times are in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Signed<C> {
    iss: String,
    aud: String,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
    #[serde(flatten)]
    claims: C,
}

/// Signs and verifies tokens.
pub struct SigningKeys {
    keys: RwLock<Arc<Keys>>,
    source: Option<Arc<dyn SecretSource>>,
}

impl SigningKeys {
    /// Uses the keys of `config`. A token with an unknown key id makes it look for newer keys in the source of `config`.
    ///
    /// # Errors
    /// Fails if a key is too short.
    pub fn new(config: &AuthConfig) -> Result<Self, ConfigError> {
        hs256::install();
        let keys = Keys::new(&config.signing_key, config.previous_key.as_ref())?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)), source: config.source.clone() })
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns keys that include the key `id`, or `None` if neither this process nor the source has it.
    ///
    /// Another instance may have read a newer key from the source already and sign with it.
    async fn keys_with(&self, id: &str) -> Option<Arc<Keys>> {
        let known = self.keys();
        if known.with_id(id).is_some() {
            return Some(known);
        }
        let keys = Arc::new(self.read_source().await?);
        if keys.current.id != known.current.id {
            tracing::info!(event = "signing_key_rotated", "signing key rotated");
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.clone();
        }
        keys.with_id(id).is_some().then_some(keys)
    }

    /// Reads the keys from the source. Logs a key that is too short.
    async fn read_source(&self) -> Option<Keys> {
        let source = self.source.as_ref()?;
        let current = source.current(AuthConfig::SIGNING_KEY).await?;
        let previous = source.current(AuthConfig::PREVIOUS_KEY).await;
        let keys = Keys::new(&current, previous.as_ref());
        keys.inspect_err(|error| tracing::error!(%error, "invalid signing key")).ok()
    }

    /// Signs `claims` for `audience` with the current key. Returns the token and its expiry, `lifetime` seconds from `now`.
    ///
    /// # Errors
    /// Never fails with a valid key.
    pub(super) fn sign<C: Serialize>(
        &self,
        claims: C,
        audience: &str,
        lifetime: i64,
        now: Timestamp,
    ) -> Result<(SecretString, Timestamp), jsonwebtoken::errors::Error> {
        let (keys, iat) = (self.keys(), seconds(now));
        let header = Header { kid: Some(keys.current.id.clone()), ..Header::new(Algorithm::HS256) };
        let (iss, aud, exp) = (ISSUER.to_owned(), audience.to_owned(), iat + lifetime);
        let token = encode(&header, &Signed { iss, aud, iat, nbf: None, exp, claims }, &keys.current.encoding)?;
        Ok((SecretString::from(token), Timestamp::from_micros(exp * 1_000_000)))
    }

    /// Verifies a token for `audience` at the time `now` and returns its claims.
    ///
    /// # Errors
    /// Fails if the token is forged, is for another audience, claims to be from the future, needs an extension (RFC 7515 §4.1.11), or
    /// has expired.
    pub(super) async fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<C, InvalidToken> {
        if token.len() > MAX_BYTES {
            return Err(InvalidToken::Forged);
        }
        let forged = |_| InvalidToken::Forged;
        let header = decode_header(token).map_err(forged)?;
        let kid = header.kid.filter(|_| header.crit.is_none()).ok_or(InvalidToken::Forged)?;
        let keys = self.keys_with(&kid).await.ok_or(InvalidToken::Forged)?;
        let key = keys.with_id(&kid).ok_or(InvalidToken::Forged)?;

        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are checked below: the crate would use the system clock instead of `now`.
        validation.validate_exp = false;
        let Signed { iat, nbf, exp, claims, .. } =
            decode::<Signed<C>>(token, &key.decoding, &validation).map_err(forged)?.claims;
        if iat.max(nbf.unwrap_or(iat)) > seconds(now) + CLOCK_SKEW {
            return Err(InvalidToken::Forged);
        }
        if exp <= seconds(now) { Err(InvalidToken::Expired) } else { Ok(claims) }
    }
}

/// Returns the whole seconds since 1970.
fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}

#[cfg(test)]
impl SigningKeys {
    /// Uses keys that consist of 32 times the same letter.
    pub(super) fn of_letters(current: char, previous: Option<char>) -> Arc<Self> {
        let secret = |letter: char| SecretString::from(letter.to_string().repeat(32));
        let config = AuthConfig { signing_key: secret(current), previous_key: previous.map(secret), source: None };
        Arc::new(Self::new(&config).expect("the keys are long enough"))
    }

    /// Id of the key that signs.
    pub(super) fn current_id(&self) -> String {
        self.keys().current.id.clone()
    }
}
