use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::signing_keys::{InvalidToken, SigningKeys};
use crate::models::{Role, Session, SessionId, Timestamp, UserId};

/// Lifetime of an access token, in seconds.
const LIFETIME: i64 = 24 * 3_600;
/// Claim `aud`.
const AUDIENCE: &str = "sql-studio";

/// Claims of an access token (RFC 7519 §4), besides those of every token.
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
}

/// Issues and verifies access tokens: JWTs signed with HMAC-SHA-256.
pub struct AccessTokens(Arc<SigningKeys>);

impl AccessTokens {
    /// Signs and verifies with `keys`.
    pub const fn new(keys: Arc<SigningKeys>) -> Self {
        Self(keys)
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
        let claims = Claims { sub: session.user, sid: session.id, jti, role: Role::User };
        self.0.sign(claims, AUDIENCE, LIFETIME, now)
    }

    /// Verifies `token` at the time `now` and returns its claims. Does not check whether the session still exists.
    ///
    /// # Errors
    /// Fails if the token is forged or has expired.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        self.0.verify(token, AUDIENCE, now).await
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// Uses keys that consist of 32 times the same letter.
    fn tokens(current: char, previous: Option<char>) -> AccessTokens {
        AccessTokens::new(SigningKeys::of_letters(current, previous))
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
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, tokens.0.current_id()));
            for signature in [signature, ""] {
                let forged = format!("{header}.{body}.{signature}");
                assert_eq!(tokens.verify(&forged, now).await, Err(InvalidToken::Forged), "{alg}");
            }
        }
    }
}
