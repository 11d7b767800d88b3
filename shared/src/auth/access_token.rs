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

/// For how many seconds an access token works.
const LIFETIME: i64 = 24 * 3_600;
/// Who issues access tokens, and for whom.
const ISSUER: &str = "sql-studio-sync";
const AUDIENCE: &str = "sql-studio";

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The session: when it ends, the token stops working.
    pub sid: SessionId,
    /// The token's own id.
    pub jti: Uuid,
    /// What the user may do.
    pub role: Role,
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// When, in seconds since 1970.
    pub iat: i64,
    /// Until when, in seconds since 1970.
    pub exp: i64,
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidToken {
    /// It was good once.
    Expired,
    /// It was never good.
    Forged,
}

/// A secret that tokens are signed with, and the id under which tokens name it.
struct SigningKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// The key `secret` of `variable`; its id is derived from it.
    ///
    /// # Errors
    /// When the secret is too short.
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

/// What tokens are signed with, and what they were signed with until lately.
struct Keys {
    current: SigningKey,
    previous: Option<SigningKey>,
}

impl Keys {
    /// Signs with `current` and accepts `previous` beside it while that is being rotated out.
    ///
    /// # Errors
    /// When one is too short; the message names its setting.
    fn new(current: &SecretString, previous: Option<&SecretString>) -> Result<Self, ConfigError> {
        let previous = previous.map(|secret| SigningKey::new(secret, AuthConfig::PREVIOUS_KEY)).transpose()?;
        Ok(Self { current: SigningKey::new(current, AuthConfig::SIGNING_KEY)?, previous })
    }

    fn named(&self, id: &str) -> Option<&SigningKey> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id)
    }
}

/// Issues and checks access tokens.
pub struct AccessTokens {
    keys: RwLock<Arc<Keys>>,
    source: Option<Arc<dyn SecretSource>>,
}

impl AccessTokens {
    /// Signs with the keys of `config`, and asks its source for newer ones when a token was signed with an unknown key.
    ///
    /// # Errors
    /// When a key is too short.
    pub fn new(config: &AuthConfig) -> Result<Self, ConfigError> {
        hs256::install();
        let keys = Keys::new(&config.signing_key, config.previous_key.as_ref())?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)), source: config.source.clone() })
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys with which to check what the key `id` signed; `None` if nobody knows it.
    async fn keys_with(&self, id: &str) -> Option<Arc<Keys>> {
        let known = self.keys();
        if known.named(id).is_some() {
            return Some(known);
        }
        // Somebody else may sign with a newer key by now.
        let source = self.source.as_ref()?;
        let (current, previous) =
            (source.current(AuthConfig::SIGNING_KEY).await?, source.current(AuthConfig::PREVIOUS_KEY).await);
        let keys = Keys::new(&current, previous.as_ref()).inspect_err(|error| tracing::error!(%error, "a bad key"));
        let keys = Arc::new(keys.ok()?);
        let is_newer = keys.current.id != known.current.id;
        if is_newer {
            tracing::info!(event = "signing_key_rotated", "tokens are signed with a newer key from now on");
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.clone();
        }
        keys.named(id).is_some().then_some(keys)
    }

    /// A token of `session`, and until when it works.
    ///
    /// # Errors
    /// Never with a key that [`SigningKey::new`] made.
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

    /// What `token` says, if it was issued here and has not expired at `now`.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn check(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken::Forged)?;
        let kid = header.kid.ok_or(InvalidToken::Forged)?;
        let keys = self.keys_with(&kid).await.ok_or(InvalidToken::Forged)?;
        let key = keys.named(&kid).ok_or(InvalidToken::Forged)?;

        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The crate would ask the system's clock.
        validation.validate_exp = false;
        let decoded = decode::<Claims>(token, &key.decoding, &validation).map_err(|_| InvalidToken::Forged)?;
        let claims = decoded.claims;
        if claims.exp.saturating_mul(1_000_000) <= now.micros() { Err(InvalidToken::Expired) } else { Ok(claims) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs with the key of letters `current`.
    fn tokens(current: char, previous: Option<char>) -> AccessTokens {
        let secret = |template: char| SecretString::from(template.to_string().repeat(32));
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
    async fn works_for_a_day() {
        let tokens = tokens('a', None);
        let now = session().created_at;
        let (token, expires_at) = tokens.issue(&session(), Uuid::nil(), now).unwrap();
        assert_eq!(expires_at, now.plus_seconds(86_400));
        let claims = tokens.check(token.expose_secret(), now).await.unwrap();
        assert_eq!((claims.sub, claims.sid), (session().user, session().id));
        assert!(tokens.check(token.expose_secret(), now.plus_seconds(86_399)).await.is_ok());
        assert_eq!(tokens.check(token.expose_secret(), expires_at).await, Err(InvalidToken::Expired));
    }

    #[tokio::test]
    async fn the_previous_key_is_accepted_and_no_third() {
        let now = session().created_at;
        let old = tokens('a', None).issue(&session(), Uuid::nil(), now).unwrap().0;
        let rotating = tokens('b', Some('a'));
        assert!(rotating.check(old.expose_secret(), now).await.is_ok());
        let rotated = tokens('b', None);
        assert_eq!(rotated.check(old.expose_secret(), now).await, Err(InvalidToken::Forged));
    }

    #[tokio::test]
    async fn no_other_algorithm_is_accepted() {
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
                assert_eq!(tokens.check(&forged, now).await, Err(InvalidToken::Forged), "{alg}");
            }
        }
    }
}
