use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::hs256;
use crate::models::{Role, Session, SessionId, Timestamp, UserId};

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
pub struct SigningKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// Fewest bytes: as many as the hash has (RFC 7518 §3.2).
    pub const LEAST_BYTES: usize = 32;

    /// The key `secret`; its id is derived from it.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn new(secret: &SecretString) -> Result<Self, String> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < Self::LEAST_BYTES {
            return Err(format!("a signing key needs at least {} bytes", Self::LEAST_BYTES));
        }
        let id = hex::encode(Sha256::new_with_prefix(b"kid:").chain_update(secret).finalize());
        Ok(Self {
            id: id.chars().take(16).collect(),
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        })
    }
}

/// Issues and checks access tokens.
pub struct AccessTokens {
    current: SigningKey,
    previous: Option<SigningKey>,
}

impl AccessTokens {
    /// Signs with `current` and accepts `previous` beside it while that is being rotated out.
    pub fn new(current: SigningKey, previous: Option<SigningKey>) -> Self {
        hs256::install();
        Self { current, previous }
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
        let header = Header { kid: Some(self.current.id.clone()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &claims, &self.current.encoding)?;
        Ok((SecretString::from(token), Timestamp::from_micros(claims.exp * 1_000_000)))
    }

    /// What `token` says, if it was issued here and has not expired at `now`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken::Forged)?;
        let kid = header.kid.ok_or(InvalidToken::Forged)?;
        let keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.into_iter().find(|key| key.id == kid).ok_or(InvalidToken::Forged)?;

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

    fn key(letter: char) -> SigningKey {
        SigningKey::new(&SecretString::from(letter.to_string().repeat(32))).unwrap()
    }

    fn session() -> Session {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        Session {
            id: Uuid::from_u128(1),
            user: Uuid::from_u128(2),
            device: String::new(),
            ip: String::new(),
            created_at: now,
            last_seen_at: now,
            expires_at: now,
        }
    }

    #[test]
    fn works_for_a_day() {
        let tokens = AccessTokens::new(key('a'), None);
        let now = session().created_at;
        let (token, expires_at) = tokens.issue(&session(), Uuid::nil(), now).unwrap();
        assert_eq!(expires_at, now.plus_seconds(86_400));
        let claims = tokens.check(token.expose_secret(), now).unwrap();
        assert_eq!((claims.sub, claims.sid), (session().user, session().id));
        assert!(tokens.check(token.expose_secret(), now.plus_seconds(86_399)).is_ok());
        assert_eq!(tokens.check(token.expose_secret(), expires_at), Err(InvalidToken::Expired));
    }

    #[test]
    fn the_previous_key_is_accepted_and_no_third() {
        let now = session().created_at;
        let old = AccessTokens::new(key('a'), None).issue(&session(), Uuid::nil(), now).unwrap().0;
        let rotating = AccessTokens::new(key('b'), Some(key('a')));
        assert!(rotating.check(old.expose_secret(), now).is_ok());
        let rotated = AccessTokens::new(key('b'), None);
        assert_eq!(rotated.check(old.expose_secret(), now), Err(InvalidToken::Forged));
    }

    #[test]
    fn no_other_algorithm_is_accepted() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let tokens = AccessTokens::new(key('a'), None);
        let now = session().created_at;
        let token = tokens.issue(&session(), Uuid::nil(), now).unwrap().0;
        let (_, rest) = token.expose_secret().split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        for alg in ["none", "HS384", "RS256"] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, tokens.current.id));
            for signature in [signature, ""] {
                let forged = format!("{header}.{body}.{signature}");
                assert_eq!(tokens.check(&forged, now), Err(InvalidToken::Forged), "{alg}");
            }
        }
    }
}
