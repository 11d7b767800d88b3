use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::hs256;
use crate::config::{AuthConfig, ConfigError};
use crate::models::{Role, Session, SessionId, Timestamp, UserId};
use crate::secret::SecretSource;

/// Lifetime of an access token, in seconds.
const LIFETIME: i64 = 24 * 3_600;
/// Claim `iss`.
const ISSUER: &str = "sql-studio-sync";
/// Claim `aud`.
const AUDIENCE: &str = "sql-studio";

/// Claims of an access token (RFC 7519 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The session. The token stops working when the session ends.
    pub sid: SessionId,
    /// Id of the token.
    pub jti: Uuid,
    /// Role of the user.
    pub role: Role,
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// Time of issue, in seconds since 1970.
    pub iat: i64,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
}

/// Reason for rejecting an access token.
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

/// Issues and verifies access tokens: JWTs signed with HMAC-SHA-256.
pub struct AccessTokens {
    keys: RwLock<Arc<Keys>>,
    source: Option<Arc<dyn SecretSource>>,
}

impl AccessTokens {
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

    /// Issues a token for `session`. Returns the token and its expiry.
    ///
    /// # Errors
    /// Never fails with a valid key.
    pub fn issue(
        &self,
        session: &Session,
        jti: Uuid,
        now: Timestamp,
    ) -> Result<(SecretString, Timestamp), jsonwebtoken::errors::Error> {
        let iat = now.micros().div_euclid(1_000_000);
        let claims = Claims {
            sub: session.user,
            sid: session.id,
            jti,
            role: Role::User,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat,
            exp: iat + LIFETIME,
        };
        let keys = self.keys();
        let header = Header { kid: Some(keys.current.id.clone()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &claims, &keys.current.encoding)?;
        Ok((SecretString::from(token), Timestamp::from_micros(claims.exp * 1_000_000)))
    }

    /// Verifies `token` at the time `now` and returns its claims. Does not check whether the session still exists.
    ///
    /// # Errors
    /// Fails if the token is forged or has expired.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken::Forged)?;
        let kid = header.kid.ok_or(InvalidToken::Forged)?;
        let keys = self.keys_with(&kid).await.ok_or(InvalidToken::Forged)?;
        let key = keys.with_id(&kid).ok_or(InvalidToken::Forged)?;

        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is checked below: the crate would use the system clock instead of `now`.
        validation.validate_exp = false;
        let decoded = decode::<Claims>(token, &key.decoding, &validation).map_err(|_| InvalidToken::Forged)?;
        let claims = decoded.claims;
        if claims.exp.saturating_mul(1_000_000) <= now.micros() { Err(InvalidToken::Expired) } else { Ok(claims) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses keys that consist of 32 times the same letter.
    fn tokens(current: char, previous: Option<char>) -> AccessTokens {
        let secret = |letter: char| SecretString::from(letter.to_string().repeat(32));
        let config = AuthConfig { signing_key: secret(current), previous_key: previous.map(secret), source: None };
        AccessTokens::new(&config).expect("the keys are long enough")
    }

    fn session() -> Session {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        Session {
            id: SessionId::new(Uuid::from_u128(1)),
            user: UserId::new(Uuid::from_u128(2)),
            device: String::new(),
            ip: String::new(),
            created_at: now,
            last_seen_at: now,
            expires_at: now,
        }
    }

    #[tokio::test]
    async fn a_token_expires_after_a_day() {
        let tokens = tokens('a', None);
        let now = session().created_at;
        let (token, expires_at) = tokens.issue(&session(), Uuid::nil(), now).unwrap();
        assert_eq!(expires_at, now.plus_seconds(86_400));
        let claims = tokens.verify(token.expose_secret(), now).await.unwrap();
        assert_eq!((claims.sub, claims.sid), (session().user, session().id));
        assert!(tokens.verify(token.expose_secret(), now.plus_seconds(86_399)).await.is_ok());
        assert_eq!(tokens.verify(token.expose_secret(), expires_at).await, Err(InvalidToken::Expired));
    }

    #[tokio::test]
    async fn the_previous_key_is_accepted_until_it_is_removed() {
        let now = session().created_at;
        let old = tokens('a', None).issue(&session(), Uuid::nil(), now).unwrap().0;
        let rotating = tokens('b', Some('a'));
        assert!(rotating.verify(old.expose_secret(), now).await.is_ok());
        let rotated = tokens('b', None);
        assert_eq!(rotated.verify(old.expose_secret(), now).await, Err(InvalidToken::Forged));
    }

    #[tokio::test]
    async fn only_hs256_is_accepted() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let tokens = tokens('a', None);
        let now = session().created_at;
        let token = tokens.issue(&session(), Uuid::nil(), now).unwrap().0;
        let (_, rest) = token.expose_secret().split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        for alg in ["none", "HS384", "RS256"] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, tokens.keys().current.id));
            for signature in [signature, ""] {
                let forged = format!("{header}.{body}.{signature}");
                assert_eq!(tokens.verify(&forged, now).await, Err(InvalidToken::Forged), "{alg}");
            }
        }
    }
}
