use std::marker::PhantomData;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::frame::Notes;
use super::visitor::ClientAddress;
use super::{ApiError, Code, frame};
use crate::auth::{AccessTokens, InvalidToken};
use crate::clock::Clock;
use crate::config::Settings;
use crate::models::{DeviceId, Session, UserId, limits};
use crate::storage::{RateLimitPolicy, RateLimitRequest, RateLimiter, SessionStore, Sessions};
use crate::telemetry::{self, SecurityEvent};

/// What decides who comes in.
pub struct Authenticator {
    /// Checks access tokens.
    pub tokens: AccessTokens,
    /// Knows which sessions live.
    pub sessions: Arc<dyn Sessions>,
    /// Counts calls.
    pub rate_limiter: Arc<dyn RateLimiter>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Whether calls are counted at all.
    pub rate_limits: bool,
}

impl Authenticator {
    /// A gate with the keys and rules of `settings`.
    ///
    /// # Errors
    /// When there is no signing key, or a bad one.
    pub fn new(settings: &Settings, store: Arc<dyn SessionStore>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let tokens = settings.access_tokens()?;
        Ok(Self { tokens, sessions: store.clone(), rate_limiter: store, clock, rate_limits: settings.rate_limits })
    }

    /// The token to be taken, unless calls are not counted.
    pub fn rate_limit(&self, key: String, policy: RateLimitPolicy) -> Option<RateLimitRequest> {
        self.rate_limits.then_some(RateLimitRequest { key, policy, min_interval: Duration::ZERO })
    }
}

/// A group of routes that share a token bucket.
pub trait RateLimitScope: Send + Sync + 'static {
    /// How many calls it allows.
    fn policy() -> RateLimitPolicy;
    /// Whose bucket it is; `None` where that takes knowing the user.
    fn key(user: Option<UserId>, address: &ClientAddress) -> Option<String>;
    /// How far apart a user's calls should start, so that none has to be done again because another came first.
    const MIN_INTERVAL: Duration = Duration::ZERO;
}

macro_rules! per_user {
    ($(#[$doc:meta])* $name:ident, $word:literal, $limit:ident $(, $min_interval:expr)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl RateLimitScope for $name {
            fn policy() -> RateLimitPolicy {
                RateLimitPolicy { per_minute: limits::$limit }
            }

            fn key(user: Option<UserId>, _: &ClientAddress) -> Option<String> {
                user.map(|user| format!("{}:{user}", $word))
            }
            $(const MIN_INTERVAL: Duration = $min_interval;)?
        }
    };
}

per_user! {
    /// Uploading. The pace is about what two requests to a database in the same region take.
    UploadLimit, "upload", UPLOADS_PER_MINUTE, Duration::from_millis(30)
}
per_user! {
    /// Downloading, and asking how things stand.
    DownloadLimit, "download", DOWNLOADS_PER_MINUTE
}
per_user! {
    /// Reading and settling conflicts.
    ConflictLimit, "conflicts", CONFLICT_CALLS_PER_MINUTE
}

/// Everything about accounts, counted by address: who is asking is often what is being asked.
#[derive(Debug, Clone, Copy)]
pub struct AuthLimit;

impl RateLimitScope for AuthLimit {
    fn policy() -> RateLimitPolicy {
        RateLimitPolicy { per_minute: limits::AUTH_CALLS_PER_MINUTE }
    }

    fn key(_: Option<UserId>, address: &ClientAddress) -> Option<String> {
        Some(format!("auth:{}", network(&address.0)))
    }
}

/// What is counted as one address: of IPv6 the network of 64 bits, in which whoever has one address has them all.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from_bits(network))
        }
        _ => address.to_owned(),
    }
}

/// A user with a living session, who has one more call of the class `C`. As an argument of a handler it is the proof.
#[derive(Debug, Clone)]
pub struct Caller<C> {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: Session,
    /// How long to wait before going on, so as to be in nobody's way.
    pub wait: Duration,
    notes: Notes,
    class: PhantomData<C>,
}

impl<C> Caller<C> {
    /// Says, for the log, by which device the user asks.
    pub fn record_device(&self, device: &DeviceId) {
        self.notes.device(device.as_str());
    }
}

impl<S: Send + Sync, C: RateLimitScope> FromRequestParts<S> for Caller<C>
where
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        frame::announce(parts, C::policy());
        let notes = Notes::of(parts);
        let now = authenticator.clock.now();
        let address = ClientAddress::of(parts);
        // Guesses at tokens count, too, where calls are counted by address.
        let at_the_door = C::key(None, &address).and_then(|key| authenticator.rate_limit(key, C::policy()));
        if let Some(rate_limit) = &at_the_door {
            frame::note(&notes, authenticator.rate_limiter.take(rate_limit, now).await?)?;
        }
        let token = bearer_token(parts).ok_or_else(ApiError::unauthorized)?;
        let claims = authenticator.tokens.verify(token, now).await.map_err(|error| match error {
            InvalidToken::Expired => ApiError::new(Code::TokenExpired, "the access token has expired; refresh it"),
            InvalidToken::Forged => ApiError::unauthorized(),
        })?;
        notes.user(claims.sub);
        let key = C::key(Some(claims.sub), &address).filter(|_| at_the_door.is_none());
        let rate_limit = key
            .and_then(|key| authenticator.rate_limit(key, C::policy()))
            .map(|rate_limit| RateLimitRequest { min_interval: C::MIN_INTERVAL, ..rate_limit });
        let outcome = authenticator.sessions.authenticate(claims.sub, claims.sid, rate_limit.as_ref(), now).await?;
        let Some(session) = outcome.session else {
            SecurityEvent::RevokedSessionUsed.log();
            return Err(ApiError::new(Code::Unauthorized, "the session has ended; log in again"));
        };
        if outcome.first_today {
            telemetry::active_user();
        }
        if let Some(bucket) = outcome.rate_limit {
            frame::note(&notes, bucket)?;
        }
        Ok(Self { user: session.user, session, wait: outcome.wait, notes, class: PhantomData })
    }
}

fn bearer_token(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        for address in ["203.0.113.7", "::ffff:203.0.113.7", "unknown"] {
            assert_eq!(network(address), address);
        }
    }
}
