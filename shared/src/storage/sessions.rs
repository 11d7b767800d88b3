use std::time::Duration;

use async_trait::async_trait;

use super::StoreResult;
use crate::models::{Session, SessionId, Timestamp, TokenHash, UserId};

/// A session to be opened, and the refresh token it starts with.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The hash of its refresh token.
    pub refresh: TokenHash,
}

/// How many calls a bucket lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitPolicy {
    /// Most tokens it holds, and as many flow in each minute.
    pub per_minute: u32,
}

/// A token to be taken from a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitRequest {
    /// Which bucket.
    pub key: String,
    /// Its size.
    pub policy: RateLimitPolicy,
    /// How far apart the calls should start that it lets through at once; zero where they are not in each other's way.
    pub min_interval: Duration,
}

impl RateLimitPolicy {
    /// For how many microseconds a token takes to flow in.
    pub const fn micros_per_token(self) -> i64 {
        MICROS_PER_MINUTE / self.per_minute as i64
    }

    /// How a bucket stands that lacks `missing` microseconds of being full, after a token was asked of it.
    pub fn state(self, taken: bool, missing: i64) -> RateLimitStatus {
        let (per_token, limit) = (self.micros_per_token(), i64::from(self.per_minute));
        let seconds = |micros: i64| u32::try_from((micros.max(0) + 999_999) / 1_000_000).unwrap_or(u32::MAX);
        RateLimitStatus {
            taken,
            limit: self.per_minute,
            remaining: u32::try_from((per_token * limit - missing) / per_token).unwrap_or(0),
            full_in: seconds(missing),
            next_in: seconds(missing + per_token - per_token * limit),
        }
    }
}

/// An empty bucket is full again after a minute.
pub const MICROS_PER_MINUTE: i64 = 60_000_000;

/// How a bucket stands after a token was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Whether there was one.
    pub taken: bool,
    /// The size of the bucket.
    pub limit: u32,
    /// Whole tokens left.
    pub remaining: u32,
    /// Seconds, rounded up, until it is full again.
    pub full_in: u32,
    /// Seconds, rounded up, until it holds a token.
    pub next_in: u32,
}

/// Token buckets.
///
/// **Law.** Of any number of calls at once no more are let through than there are tokens. A clock that wobbles by less
/// than a minute fills no bucket; one that was set back further is believed.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes a token, if there is one.
    async fn take(&self, rate_limit: &RateLimitRequest, now: Timestamp) -> StoreResult<RateLimitStatus>;
}

/// Who stands at the door.
#[derive(Debug, Clone)]
pub struct AuthOutcome {
    /// The session, unless it has ended.
    pub session: Option<Session>,
    /// The bucket, where a token was asked for and the session lives.
    pub rate_limit: Option<RateLimitStatus>,
    /// How long to wait for those who were let in just before, as [`RateLimitRequest::min_interval`] asks. Whoever does not wait loses no more
    /// than time; a store that is alone has no reason to let anybody wait.
    pub wait: Duration,
    /// Whether the session lives and its user was let in for the first time of the day (UTC) that it is: the users of a day
    /// are counted by it. It is noted in passing: a store that forgets it, as one does that starts anew, counts a user twice.
    pub first_today: bool,
}

impl AuthOutcome {
    /// Nobody's.
    pub const fn refused() -> Self {
        Self { session: None, rate_limit: None, wait: Duration::ZERO, first_today: false }
    }
}

/// How stale a session's time of last use may get: a write for each request would cost more than the request.
pub const LAST_SEEN_RESOLUTION_SECONDS: i64 = 60;

/// For how many seconds a rotated refresh token still works: two tabs, or an answer that was lost.
pub const ROTATION_GRACE_SECONDS: i64 = 10;

/// What became of a refresh token that was presented.
#[derive(Debug, Clone)]
pub enum Rotation {
    /// It was good; the next one works from now on.
    Rotated(Session),
    /// It was rotated out too long ago to be a lost answer: it may be stolen, and the whole session has ended.
    Reused(Session),
    /// Nobody knows it, or it has expired.
    Unknown,
}

/// The logins of all users.
///
/// **Law.** A session that was ended is admitted by no call that starts after [`end`](Self::end) or
/// [`end_others`](Self::end_others) returned. A refresh token can be rotated once, and again within [`ROTATION_GRACE_SECONDS`];
/// presented later it ends its session. Every session expires.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session. Of more than [`crate::models::limits::SESSIONS`] of a user the one unused longest ends.
    async fn open(&self, session: &NewSession) -> StoreResult<()>;

    /// Asks in one step whether the user's session `id` lives and, if so and if asked, for a token of a bucket of the
    /// user's own.
    async fn authenticate(
        &self,
        user: UserId,
        id: SessionId,
        rate_limit: Option<&RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<AuthOutcome>;

    /// Replaces the refresh token `presented` by `next`, and lets the session live until `expires_at`.
    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation>;

    /// The user's living sessions, newest first.
    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>>;

    /// Ends the user's session `id`; whether there was one.
    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool>;

    /// Ends all the user's sessions but `except`.
    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()>;

    /// Whether the store answers at all.
    async fn ping(&self) -> StoreResult<()>;
}

/// Everything that lives a short while.
pub trait SessionStore: Sessions + RateLimiter {}
impl<T: Sessions + RateLimiter> SessionStore for T {}
