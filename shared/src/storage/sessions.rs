use std::time::Duration;

use async_trait::async_trait;

use super::StoreResult;
use crate::models::{DatabaseId, Session, SessionId, Timestamp, TokenHash, UserId};

/// A session to open, with its first refresh token.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// Hash of the refresh token.
    pub refresh: TokenHash,
    /// Hint for [`AuthOutcome::database`].
    pub database: Option<DatabaseId>,
}

/// Capacity of a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitPolicy {
    /// Maximum number of tokens, and number of tokens added per window. At least 1.
    pub tokens: u32,
    /// Window in which an empty bucket becomes full, in seconds. At least 1.
    pub seconds: u32,
}

/// Request for a token of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitRequest {
    /// Key of the bucket. The part in braces determines its slot in a cluster; for a bucket of a user it is the user.
    pub key: String,
    /// Capacity of the bucket.
    pub policy: RateLimitPolicy,
    /// Minimum interval between the starts of concurrent calls; zero if they do not interfere with each other.
    pub min_interval: Duration,
}

impl RateLimitRequest {
    /// Request for a token of the bucket `key`, for calls that do not interfere with each other.
    pub const fn new(key: String, policy: RateLimitPolicy) -> Self {
        Self { key, policy, min_interval: Duration::ZERO }
    }
}

impl RateLimitPolicy {
    /// Policy of `tokens` per minute.
    pub const fn per_minute(tokens: u32) -> Self {
        Self { tokens, seconds: 60 }
    }

    /// Returns the time in which one token is added, in microseconds.
    pub const fn micros_per_token(self) -> i64 {
        self.seconds as i64 * 1_000_000 / self.tokens as i64
    }

    /// Returns the status of a bucket that is full in `missing` microseconds. `taken` says whether a token was taken.
    pub fn status(self, taken: bool, missing: i64) -> RateLimitStatus {
        let (per_token, limit) = (self.micros_per_token(), i64::from(self.tokens));
        let seconds = |micros: i64| u32::try_from((micros.max(0) + 999_999) / 1_000_000).unwrap_or(u32::MAX);
        RateLimitStatus {
            taken,
            policy: self,
            remaining: u32::try_from((per_token * limit - missing) / per_token).unwrap_or(0),
            full_in: seconds(missing),
            next_in: seconds(missing + per_token - per_token * limit),
        }
    }
}

/// Status of a token bucket after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Whether a token was taken.
    pub taken: bool,
    /// Capacity of the bucket.
    pub policy: RateLimitPolicy,
    /// Number of whole tokens left.
    pub remaining: u32,
    /// Time until the bucket is full, in seconds, rounded up.
    pub full_in: u32,
    /// Time until the bucket contains a token, in seconds, rounded up.
    pub next_in: u32,
}

/// Rate limiter with token buckets.
///
/// # Contract
///
/// Concurrent calls take no more tokens than the bucket contains. A clock that steps back by less than a minute adds no tokens. A
/// clock that is set back further counts as correct.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes a token from each of `buckets`, of which there is at least one, if each contains one. Returns the status of the first
    /// that contains none, otherwise of the last. In a cluster, the keys of all must be in one slot.
    async fn take(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<RateLimitStatus>;

    /// Gives a token back to each of `buckets`, from which [`take`](Self::take) has taken it.
    async fn give_back(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<()>;

    /// Takes a token from the bucket `wanted` if it contains one, and then gives one back to the bucket `taken`, from which
    /// [`Sessions::authenticate`] has taken it. Returns the status of `wanted`. Both are buckets of one user.
    async fn exchange(
        &self,
        taken: &RateLimitRequest,
        wanted: &RateLimitRequest,
        now: Timestamp,
    ) -> StoreResult<RateLimitStatus>;
}

/// Returns when a session ends that was opened at `created_at` and is extended to `expires_at`.
#[cfg(any(feature = "embedded", feature = "redis"))]
pub(super) fn capped_expiry(created_at: Timestamp, expires_at: Timestamp) -> Timestamp {
    expires_at.min(created_at.plus_seconds(SESSION_SECONDS))
}

/// Result of authenticating a request.
#[derive(Debug, Clone)]
pub struct AuthOutcome {
    /// The session; `None` if it has ended.
    pub session: Option<Session>,
    /// Status of the bucket; `None` if no token was requested or the session has ended.
    pub rate_limit: Option<RateLimitStatus>,
    /// Time to wait so that the call starts [`RateLimitRequest::min_interval`] after the previous one. Waiting is optional: it only
    /// avoids conflicts with concurrent calls. Always zero in a store with a single process.
    pub wait: Duration,
    /// Whether this is the first authenticated call of the user on this day (UTC). The number of daily active users is counted by
    /// it. Not durable: after a restart a store may count a user a second time.
    pub first_today: bool,
    /// Hint: the database that held the user's sync data when the account store was asked last.
    pub database: Option<DatabaseId>,
}

impl AuthOutcome {
    /// Returns the result for a session that does not exist or has ended.
    pub const fn refused() -> Self {
        Self { session: None, rate_limit: None, wait: Duration::ZERO, first_today: false, database: None }
    }
}

/// Resolution of a session's time of last use, in seconds. A write for each request would cost more than the request itself.
pub const LAST_SEEN_RESOLUTION_SECONDS: i64 = 60;

/// Time for which a rotated refresh token still works, in seconds: for two tabs, or a lost response.
pub const ROTATION_GRACE_SECONDS: i64 = 10;

/// Time after which a session ends, however often it is refreshed, in seconds.
pub const SESSION_SECONDS: i64 = 90 * 24 * 3_600;

/// Maximum number of refresh tokens of a session that have not been rotated. Uses of one token within the grace period yield several;
/// the use of an older one ends the session, like that of a rotated one.
pub const LIVE_REFRESH_TOKENS: usize = 10;

/// Outcome of the rotation of a refresh token.
#[derive(Debug, Clone)]
pub enum Rotation {
    /// The token was valid, and the next one is valid now.
    Rotated(Session),
    /// The token was rotated before the grace period, so it may be stolen. The session has ended.
    Reused(Session),
    /// The token does not exist or has expired.
    Unknown,
}

/// Login sessions.
///
/// # Contract
///
/// A call of [`authenticate`](Self::authenticate) that starts after [`end`](Self::end) or [`end_others`](Self::end_others) has
/// returned refuses the ended session. A refresh token can be rotated once, and again within [`ROTATION_GRACE_SECONDS`].
/// Presented later it ends its session. Every session expires, at the latest [`SESSION_SECONDS`] after it was opened. A session has at
/// most [`LIVE_REFRESH_TOKENS`].
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session. If the user then has more than [`crate::models::limits::SESSIONS`], ends the one unused for longest.
    async fn open(&self, session: &NewSession) -> StoreResult<()>;

    /// Finds the user's session `id` and, if it is live, takes the token of `rate_limit` from a bucket of the user, in one step.
    async fn authenticate(
        &self,
        user: UserId,
        id: SessionId,
        rate_limit: Option<&RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<AuthOutcome>;

    /// Stores the hint [`AuthOutcome::database`] of all sessions of the user.
    async fn set_database(&self, user: UserId, database: DatabaseId) -> StoreResult<()>;

    /// Returns the user and the session of a refresh token, or `None` if the token is unknown or has expired. Checks neither whether the
    /// session has ended nor whether the token was rotated.
    async fn token_session(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<(UserId, SessionId)>>;

    /// Replaces the refresh token `presented` by `next`, and extends the session to `expires_at`, but not beyond [`SESSION_SECONDS`].
    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation>;

    /// Returns the user's live sessions, the newest first.
    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>>;

    /// Ends the user's session `id`. Returns whether it existed.
    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool>;

    /// Ends all sessions of the user except `except`.
    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()>;

    /// Checks that the store responds.
    async fn ping(&self) -> StoreResult<()>;
}

/// All traits of sessions and rate limits.
pub trait SessionStore: Sessions + RateLimiter {}
impl<T: Sessions + RateLimiter> SessionStore for T {}
