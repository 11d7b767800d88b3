//! Authentication: extractors that say who is calling.
//!
//! A handler that takes a [`Caller`] needs a bearer token, one that takes [`Anonymous`] needs none. Both apply the rate limit
//! of their scope.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::rate_limit::{AuthLimit, RateLimitScope, RateLimits};
use super::request_context::RequestContext;
use super::{ApiError, ClientAddress, Code};
use crate::auth::{AccessTokens, Claims, InvalidToken};
use crate::clock::Clock;
use crate::config::{AuthConfig, ConfigError, HttpConfig};
use crate::models::{DeviceId, Session, UserId};
use crate::storage::{AuthOutcome, RateLimitPolicy, RateLimitRequest, SessionStore, Sessions};
use crate::telemetry::{self, SecurityEvent};

/// Authenticates requests by access token and session.
pub struct Authenticator {
    /// Issues and verifies access tokens.
    pub access_tokens: AccessTokens,
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
        Ok(Self {
            access_tokens: AccessTokens::new(auth)?,
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

    /// Checks that the token's session has not ended and, in the same request to the store, takes a token of `rate_limit`.
    async fn check_session(
        &self,
        claims: &Claims,
        rate_limit: Option<&RateLimitRequest>,
    ) -> Result<(Session, AuthOutcome), ApiError> {
        let outcome = self.sessions.authenticate(claims.sub, claims.sid, rate_limit, self.clock.now()).await?;
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
    /// Delay after which to begin, so that concurrent calls of the user start [`RateLimitScope::MIN_INTERVAL`] apart.
    pub wait: Duration,
    context: RequestContext,
    scope: PhantomData<S>,
}

impl<S> Caller<S> {
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
        let (limits, context) = (&authenticator.rate_limits, RequestContext::of(&parts.extensions));
        context.announce_rate_limit(S::policy());
        limits.take_for_address::<S>(&ClientAddress::of(parts), &context).await?;
        let claims = authenticator.verify_token(parts).await?;
        context.record_user(claims.sub);
        let (session, outcome) =
            authenticator.check_session(&claims, limits.for_user::<S>(claims.sub).as_ref()).await?;
        if outcome.first_today {
            telemetry::active_user();
        }
        if let Some(status) = outcome.rate_limit {
            context.apply_rate_limit(status)?;
        }
        Ok(Self { user: session.user, session, wait: outcome.wait, context, scope: PhantomData })
    }
}

/// Extractor: a client without an access token, within the rate limit of its address.
#[derive(Debug, Clone)]
pub struct Anonymous {
    /// Address of the client.
    pub address: ClientAddress,
    context: RequestContext,
}

impl Anonymous {
    /// Records the user that the request turned out to be about, for the log.
    pub fn record_user(&self, user: UserId) {
        self.context.record_user(user);
    }

    /// Takes a token from a further bucket.
    ///
    /// # Errors
    /// 429 when it is empty.
    pub async fn take(&self, limits: &RateLimits, key: String, policy: RateLimitPolicy) -> Result<(), ApiError> {
        limits.take(key, policy, &self.context).await
    }
}

impl<State: Send + Sync> FromRequestParts<State> for Anonymous
where
    Arc<Authenticator>: FromRef<State>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        let (address, context) = (ClientAddress::of(parts), RequestContext::of(&parts.extensions));
        context.announce_rate_limit(AuthLimit::policy());
        authenticator.rate_limits.take_for_address::<AuthLimit>(&address, &context).await?;
        Ok(Self { address, context })
    }
}
