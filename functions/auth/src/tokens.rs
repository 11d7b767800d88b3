//! The pair of tokens that sign-up, login and refresh hand out.

use secrecy::ExposeSecret;
use serde::Serialize;
use shared::auth::OpaqueToken;
use shared::clock::random_uuid;
use shared::http::{ApiError, ClientAddress, UserAgent};
use shared::models::{Session, SessionId, Timestamp, User, limits};
use shared::storage::NewSession;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::UserRecord;

/// For how many seconds a session lives without being refreshed.
pub(crate) const SESSION_LIFETIME: i64 = 7 * 24 * 3_600;

/// A user with the tokens of one session.
#[derive(Serialize, ToSchema)]
pub(crate) struct Authenticated {
    /// The account.
    user: UserRecord,
    /// The access token, for `Authorization: Bearer`.
    token: String,
    /// The refresh token, for one call of `refresh`.
    refresh_token: String,
    /// Until when the access token works.
    expires_at: Timestamp,
    #[serde(skip)]
    session: SessionId,
}

impl Authenticated {
    /// The session that the tokens belong to.
    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }
}

impl Auth {
    /// Opens a session of `user` on a device that calls itself `device`, or at least has a `User-Agent`.
    pub(crate) async fn open_session(
        &self,
        user: &User,
        device: Option<String>,
        agent: UserAgent,
        address: ClientAddress,
    ) -> Result<Authenticated, ApiError> {
        let now = self.clock.now();
        let refresh = OpaqueToken::generate(&*self.random);
        let device = device.filter(|device| !device.is_empty()).unwrap_or(agent.0);
        let session = Session {
            id: SessionId::new(random_uuid(&*self.random)),
            user: user.id,
            device: device.chars().take(limits::DEVICE_CHARS).collect(),
            ip: address.0,
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus_seconds(SESSION_LIFETIME),
        };
        let new = NewSession { session: session.clone(), refresh: refresh.hash() };
        self.authenticator.sessions.open(&new).await?;
        self.token_response(user, &session, &refresh)
    }

    /// The answer to whoever holds `session` and is given `refresh`.
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
            session: session.id,
        })
    }
}
