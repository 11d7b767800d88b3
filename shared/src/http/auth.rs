//! Authentication: extractors that say who is calling.
//!
//! A handler that takes a [`Caller`] needs a bearer token, one that takes [`Anonymous`] needs none. Both apply a rate limit. One that
//! takes an [`UncountedClient`] applies it itself.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::rate_limit::{AuthLimit, KnownLoginLimit, RateLimitScope, RateLimits};
use super::request_context::RequestContext;
use super::{ApiError, ClientAddress, Code};
use crate::auth::{AccessTokens, Claims, DeviceTokens, InvalidToken, SigningKeys};
use crate::clock::Clock;
use crate::config::{AuthConfig, ConfigError, HttpConfig};
use crate::models::{DatabaseId, DeviceId, PlacedUser, Session, SessionId, UserId};
use crate::storage::{AuthOutcome, RateLimitRequest, SessionStore, Sessions};
use crate::telemetry::{self, SecurityEvent};

/// Authenticates requests by access token and session.
pub struct Authenticator {
    /// Issues and verifies access tokens.
    pub access_tokens: AccessTokens,
    /// Issues and verifies device tokens.
    pub device_tokens: DeviceTokens,
    /// Store of sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Rate limits of the routes.
    pub rate_limits: RateLimits,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Authenticates against `store`, which also holds the token buckets of rate limits.
    ///
    /// # Errors
    /// When a signing key is unusable.
    pub fn new(
        auth: &AuthConfig,
        http: &HttpConfig,
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let keys = Arc::new(SigningKeys::new(auth)?);
        Ok(Self {
            access_tokens: AccessTokens::new(Arc::clone(&keys)),
            device_tokens: DeviceTokens::new(keys),
            sessions: store.clone(),
            rate_limits: RateLimits::new(store, clock.clone(), http.rate_limits),
            clock,
        })
    }

    /// Verifies the bearer token of a request.
    async fn verify_token(&self, parts: &Parts) -> Result<Claims, ApiError> {
        let token = bearer_token(parts).ok_or_else(ApiError::unauthorized)?;
        self.access_tokens.verify(token, self.clock.now()).await.map_err(|error| match error {
            InvalidToken::Expired => ApiError::new(Code::TokenExpired, "the access token has expired; refresh it"),
            InvalidToken::Forged => ApiError::unauthorized(),
        })
    }

    /// Checks that the session of `user` has not ended and, in the same request to the store, takes a token of the user's bucket for calls
    /// about accounts. For a request that presents another token than an access token.
    ///
    /// # Errors
    /// 503 if the store is unavailable.
    pub async fn count_session(&self, user: UserId, session: SessionId) -> Result<AuthOutcome, ApiError> {
        let bucket = self.rate_limits.bucket_of::<AuthLimit>(user);
        self.authenticate(user, session, bucket.as_ref()).await
    }

    /// Asks the store about a session, and counts its user as active.
    async fn authenticate(
        &self,
        user: UserId,
        session: SessionId,
        bucket: Option<&RateLimitRequest>,
    ) -> Result<AuthOutcome, ApiError> {
        let outcome = self.sessions.authenticate(user, session, bucket, self.clock.now()).await?;
        if outcome.first_today {
            telemetry::active_user();
        }
        Ok(outcome)
    }

    /// Checks that the token's session has not ended and, in the same request to the store, takes a token of `rate_limit`.
    async fn check_session(
        &self,
        claims: &Claims,
        rate_limit: Option<&RateLimitRequest>,
    ) -> Result<(Session, AuthOutcome), ApiError> {
        let outcome = self.authenticate(claims.sub, claims.sid, rate_limit).await?;
        let Some(session) = outcome.session.clone() else {
            SecurityEvent::RevokedSessionUsed.log();
            return Err(ApiError::new(Code::Unauthorized, "the session has ended; log in again"));
        };
        Ok((session, outcome))
    }
}

fn bearer_token(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Extractor: an authenticated user within the rate limit of scope `S`.
#[derive(Debug, Clone)]
pub struct Caller<S> {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: Session,
    /// Hint of the session at the database of the user's sync data.
    database: Option<DatabaseId>,
    /// Delay after which to begin, so that concurrent calls of the user start [`RateLimitScope::MIN_INTERVAL`] apart.
    pub wait: Duration,
    context: RequestContext,
    scope: PhantomData<S>,
}

impl<S> Caller<S> {
    /// Returns the user for the stores of sync data.
    pub const fn placed(&self) -> PlacedUser {
        PlacedUser { id: self.user, database: self.database }
    }

    /// Records the user's device for the log.
    pub fn record_device(&self, device: &DeviceId) {
        self.context.record_device(device.as_str());
    }
}

impl<S: RateLimitScope> Caller<S> {
    /// Counts the call under the scope `Other` instead of its own.
    ///
    /// # Errors
    /// 429 when the user's bucket of that scope is empty.
    pub async fn count_as<Other: RateLimitScope>(&self, limits: &RateLimits) -> Result<(), ApiError> {
        limits.exchange::<S, Other>(self.user, &self.context).await
    }
}

impl<State: Send + Sync, S: RateLimitScope> FromRequestParts<State> for Caller<S>
where
    Arc<Authenticator>: FromRef<State>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        let context = RequestContext::of(&parts.extensions);
        context.announce_rate_limit::<S>();
        let claims = authenticator.verify_token(parts).await?;
        context.record_user(claims.sub);
        let bucket = authenticator.rate_limits.bucket_of::<S>(claims.sub);
        let (session, outcome) = authenticator.check_session(&claims, bucket.as_ref()).await?;
        if let Some(status) = outcome.rate_limit {
            context.show_rate_limit::<S>(status)?;
        }
        let (wait, database) = (outcome.wait, outcome.database);
        Ok(Self { user: session.user, session, database, wait, context, scope: PhantomData })
    }
}

/// Extractor: a client without an access token, within the rate limit of its network.
#[derive(Debug, Clone)]
pub struct Anonymous(pub UncountedClient);

impl<State: Send + Sync> FromRequestParts<State> for Anonymous
where
    Arc<Authenticator>: FromRef<State>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let client = UncountedClient::from_request_parts(parts, state).await?;
        client.count_network(&Arc::<Authenticator>::from_ref(state).rate_limits).await?;
        Ok(Self(client))
    }
}

/// Extractor: a client without an access token. The handler counts the request.
#[derive(Debug, Clone)]
pub struct UncountedClient {
    /// Address of the client.
    pub address: ClientAddress,
    context: RequestContext,
}

impl UncountedClient {
    /// Records the user that the request turned out to be about, for the log.
    pub fn record_user(&self, user: UserId) {
        self.context.record_user(user);
    }

    /// Counts the request under the limit of the client's network.
    ///
    /// # Errors
    /// 429 when its bucket is empty.
    pub async fn count_network(&self, limits: &RateLimits) -> Result<(), ApiError> {
        limits.take::<AuthLimit>(&self.address.network(), &self.context).await
    }

    /// Counts a login on a known device of `user`.
    ///
    /// # Errors
    /// 429 when its bucket is empty.
    pub async fn count_login_of(&self, limits: &RateLimits, user: UserId) -> Result<(), ApiError> {
        limits.take::<KnownLoginLimit>(&user.to_string(), &self.context).await
    }

    /// Shows the state of the bucket that was checked together with a session.
    ///
    /// # Errors
    /// 429 when it is empty.
    pub fn show_rate_limit(&self, outcome: &AuthOutcome) -> Result<(), ApiError> {
        outcome.rate_limit.map_or(Ok(()), |status| self.context.show_rate_limit::<AuthLimit>(status))
    }
}

impl<State: Send + Sync> FromRequestParts<State> for UncountedClient {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, ApiError> {
        let (address, context) = (ClientAddress::of(parts), RequestContext::of(&parts.extensions));
        context.announce_rate_limit::<AuthLimit>();
        Ok(Self { address, context })
    }
}
