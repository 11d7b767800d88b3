//! Access and refresh tokens of a session.

use secrecy::ExposeSecret;
use serde::Serialize;
use shared::auth::{KnownDevice, OpaqueToken};
use shared::clock::random_uuid;
use shared::http::{ApiError, ClientAddress, UserAgent};
use shared::models::{Session, SessionId, Timestamp, User, is_visible, limits};
use shared::storage::NewSession;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::UserRecord;

/// Lifetime of a session that is not refreshed, in seconds.
pub(crate) const SESSION_LIFETIME: i64 = 7 * 24 * 3_600;

/// Account with the tokens of a session.
#[derive(Serialize, ToSchema)]
pub(crate) struct Authenticated {
    /// Account.
    user: UserRecord,
    /// Access token (JWT) for the header `Authorization: Bearer`.
    #[schema(max_length = 1024, pattern = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]
    token: String,
    /// Refresh token, for one call of `/api/auth/refresh`.
    #[schema(min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    refresh_token: String,
    /// Expiry of the access token.
    expires_at: Timestamp,
    /// Token for the next login on this device, valid for 90 days; only after a login or a sign-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024, pattern = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]
    device_token: Option<String>,
    #[serde(skip)]
    session: SessionId,
}

impl Authenticated {
    /// Returns the session that the tokens belong to.
    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }
}

impl Auth {
    /// Opens a session of `user` on the device named `device`, or named by `agent` if `device` is missing or empty.
    pub(crate) async fn open_session(
        &self,
        user: &User,
        device: Option<String>,
        agent: UserAgent,
        address: &ClientAddress,
    ) -> Result<Authenticated, ApiError> {
        let now = self.clock.now();
        let refresh = OpaqueToken::generate(&*self.random);
        let visible =
            |name: String| name.chars().filter(|c| is_visible(*c)).take(limits::DEVICE_CHARS).collect::<String>();
        let device = device.map(visible).filter(|device| !device.is_empty()).unwrap_or_else(|| visible(agent.0));
        let session = Session {
            id: SessionId::new(random_uuid(&*self.random)),
            user: user.id,
            device,
            ip: address.0.clone(),
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus_seconds(SESSION_LIFETIME),
        };
        let new = NewSession { session: session.clone(), refresh: refresh.hash(), database: user.database };
        self.authenticator.sessions.open(&new).await?;
        self.token_response(user, &session, &refresh)
    }

    /// Returns the response with a new access token of `session` and the refresh token `refresh`.
    pub(crate) fn token_response(
        &self,
        user: &User,
        session: &Session,
        refresh: &OpaqueToken,
    ) -> Result<Authenticated, ApiError> {
        let issued = self.authenticator.access_tokens.issue(session, random_uuid(&*self.random), self.clock.now());
        let (token, expires_at) = issued.map_err(ApiError::internal)?;
        Ok(Authenticated {
            user: user.into(),
            token: token.expose_secret().to_owned(),
            refresh_token: refresh.expose().to_owned(),
            expires_at,
            device_token: None,
            session: session.id,
        })
    }

    /// Adds the token of the device on which the user has just logged in to the response.
    ///
    /// # Errors
    /// Never fails with a valid key.
    pub(crate) fn with_device_token(
        &self,
        response: Authenticated,
        known: &KnownDevice,
    ) -> Result<Authenticated, ApiError> {
        let token = self.authenticator.device_tokens.issue(known, self.clock.now()).map_err(ApiError::internal)?;
        Ok(Authenticated { device_token: Some(token.expose_secret().to_owned()), ..response })
    }
}
