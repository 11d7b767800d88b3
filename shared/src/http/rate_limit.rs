//! Rate limits of routes: exact token buckets per user, or per client address where the user is not known yet.
//!
//! A handler is limited by its extractor: [`Caller<S>`](super::Caller) by the scope `S`, [`Anonymous`](super::Anonymous) by
//! [`AuthLimit`]. One that takes an [`UncountedClient`](super::UncountedClient) counts the request itself. To limit another group of
//! routes, add a [`RateLimitScope`], name it in their handlers, and list it in `RATES_PER_MINUTE`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

use super::ApiError;
use super::request_context::RequestContext;
use crate::clock::Clock;
use crate::models::{UserId, limits};
use crate::storage::{RateLimitPolicy, RateLimitRequest, RateLimitStatus, RateLimiter};

/// A group of routes that share a token bucket.
pub trait RateLimitScope: Send + Sync + 'static {
    /// Name of the scope, in the keys of its buckets.
    const NAME: &'static str;
    /// Calls per minute.
    const PER_MINUTE: u32;
    /// Interval at which concurrent calls of a user should start, so that none has to be decided again because another
    /// committed first.
    const MIN_INTERVAL: Duration = Duration::ZERO;

    /// Capacity of a bucket.
    fn policy() -> RateLimitPolicy {
        RateLimitPolicy::per_minute(Self::PER_MINUTE)
    }

    /// Bucket of `owner`, that is a user or a network.
    fn bucket(owner: &str) -> RateLimitRequest {
        RateLimitRequest::new(format!("{{{owner}}}:{}", Self::NAME), Self::policy())
    }
}

/// Limit of uploads.
#[derive(Debug, Clone, Copy)]
pub struct UploadLimit;

impl RateLimitScope for UploadLimit {
    const NAME: &'static str = "upload";
    const PER_MINUTE: u32 = limits::UPLOADS_PER_MINUTE;
    /// About the duration of two requests to a database in the same region.
    const MIN_INTERVAL: Duration = Duration::from_millis(30);
}

/// Limit of downloads and status requests.
#[derive(Debug, Clone, Copy)]
pub struct DownloadLimit;

impl RateLimitScope for DownloadLimit {
    const NAME: &'static str = "download";
    const PER_MINUTE: u32 = limits::DOWNLOADS_PER_MINUTE;
}

/// Limit of downloads of changes that find none. Whether a download is one is known after it: until then it counts under
/// [`DownloadLimit`], so that no more are in progress than that allows.
#[derive(Debug, Clone, Copy)]
pub struct PollLimit;

impl RateLimitScope for PollLimit {
    const NAME: &'static str = "poll";
    const PER_MINUTE: u32 = limits::POLLS_PER_MINUTE;
}

/// Limit of listing and resolving conflicts.
#[derive(Debug, Clone, Copy)]
pub struct ConflictLimit;

impl RateLimitScope for ConflictLimit {
    const NAME: &'static str = "conflicts";
    const PER_MINUTE: u32 = limits::CONFLICT_CALLS_PER_MINUTE;
}

/// Limit of requests about accounts and sessions: of a client address where they carry no token, otherwise of the user, so that an
/// office behind one address is not limited as a whole.
#[derive(Debug, Clone, Copy)]
pub struct AuthLimit;

impl RateLimitScope for AuthLimit {
    const NAME: &'static str = "auth";
    const PER_MINUTE: u32 = limits::AUTH_CALLS_PER_MINUTE;
}

/// Limit of logins on known devices, which do not count for their network.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownLoginLimit;

impl RateLimitScope for KnownLoginLimit {
    const NAME: &'static str = "login";
    const PER_MINUTE: u32 = limits::AUTH_CALLS_PER_MINUTE;
}

/// Calls per minute of every scope.
pub(super) const RATES_PER_MINUTE: [u32; 6] = [
    UploadLimit::PER_MINUTE,
    DownloadLimit::PER_MINUTE,
    PollLimit::PER_MINUTE,
    ConflictLimit::PER_MINUTE,
    AuthLimit::PER_MINUTE,
    KnownLoginLimit::PER_MINUTE,
];

/// Applies rate limits.
pub struct RateLimits {
    limiter: Arc<dyn RateLimiter>,
    clock: Arc<dyn Clock>,
    enabled: bool,
}

impl RateLimits {
    /// Limits whose buckets are in `limiter`; none apply unless `enabled`.
    pub fn new(limiter: Arc<dyn RateLimiter>, clock: Arc<dyn Clock>, enabled: bool) -> Self {
        Self { limiter, clock, enabled }
    }

    /// Bucket of `user`, if rate limits are on.
    pub(super) fn bucket_of<S: RateLimitScope>(&self, user: UserId) -> Option<RateLimitRequest> {
        self.enabled.then(|| RateLimitRequest { min_interval: S::MIN_INTERVAL, ..S::bucket(&user.to_string()) })
    }

    /// Takes a token of `user` under the scope `Wanted`, and gives the one under the scope `Taken` back. If there is none to take,
    /// keeps the other one: then the calls are limited by both buckets.
    ///
    /// # Errors
    /// 429 when there is none.
    pub(super) async fn exchange<Taken: RateLimitScope, Wanted: RateLimitScope>(
        &self,
        user: UserId,
        context: &RequestContext,
    ) -> Result<(), ApiError> {
        let (Some(taken), Some(wanted)) = (self.bucket_of::<Taken>(user), self.bucket_of::<Wanted>(user)) else {
            return Ok(());
        };
        let status = self.limiter.exchange(&taken, &wanted, self.clock.now()).await?;
        context.show_rate_limit::<Wanted>(status)
    }

    /// Takes a token of scope `S` from the bucket of `owner`, that is a user or a network.
    ///
    /// # Errors
    /// 429 when there is none.
    pub(super) async fn take<S: RateLimitScope>(&self, owner: &str, context: &RequestContext) -> Result<(), ApiError> {
        match self.take_all(&[S::bucket(owner)]).await? {
            Some(status) => context.show_rate_limit::<S>(status),
            None => Ok(()),
        }
    }

    /// Takes a token from each of `buckets`, which are in one slot of a cluster, if each contains one. Returns the status of the bucket
    /// that decided it; `None` if rate limits are off.
    ///
    /// # Errors
    /// 503 if the store is unavailable.
    pub async fn take_all(&self, buckets: &[RateLimitRequest]) -> Result<Option<RateLimitStatus>, ApiError> {
        if !self.enabled {
            return Ok(None);
        }
        Ok(Some(self.limiter.take(buckets, self.clock.now()).await?))
    }

    /// Gives back what [`take_all`](Self::take_all) has taken.
    ///
    /// # Errors
    /// 503 if the store is unavailable.
    pub async fn give_back(&self, buckets: &[RateLimitRequest]) -> Result<(), ApiError> {
        if self.enabled {
            self.limiter.give_back(buckets, self.clock.now()).await?;
        }
        Ok(())
    }
}

/// Name and status of the bucket that the headers of a response show.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShownRateLimit {
    name: &'static str,
    status: RateLimitStatus,
}

impl RequestContext {
    /// Shows a limit in the response headers, even if the request fails before a token is taken.
    pub(super) fn announce_rate_limit<S: RateLimitScope>(&self) {
        let policy = S::policy();
        let status = RateLimitStatus { taken: true, policy, remaining: policy.tokens, full_in: 0, next_in: 0 };
        *self.rate_limit() = Some(ShownRateLimit { name: S::NAME, status });
    }

    /// Shows the state of a bucket in the response headers.
    ///
    /// # Errors
    /// 429 when the bucket is empty.
    pub(super) fn show_rate_limit<S: RateLimitScope>(&self, status: RateLimitStatus) -> Result<(), ApiError> {
        *self.rate_limit() = Some(ShownRateLimit { name: S::NAME, status });
        if status.taken {
            return Ok(());
        }
        let message = format!("too many requests; the next one is possible in {} seconds", status.next_in);
        Err(ApiError::rate_limit_exceeded(message, status.next_in))
    }
}

/// Adds the headers of limited routes to responses: `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10, and
/// the three of draft 06, which clients know.
pub(super) async fn add_headers(request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.extensions());
    let mut response = next.run(request).await;
    if let Some(ShownRateLimit { name, status }) = *context.rate_limit() {
        let headers = response.headers_mut();
        let RateLimitPolicy { tokens, seconds } = status.policy;
        let mut insert =
            |header: &'static str, value: HeaderValue| headers.insert(HeaderName::from_static(header), value);
        insert("ratelimit-limit", tokens.into());
        insert("ratelimit-remaining", status.remaining.into());
        insert("ratelimit-reset", status.full_in.into());
        let fields = [
            ("ratelimit-policy", format!("\"{name}\";q={tokens};w={seconds}")),
            ("ratelimit", format!("\"{name}\";r={};t={}", status.remaining, status.full_in)),
        ];
        for (header, value) in fields {
            insert(header, HeaderValue::try_from(value).expect("names of scopes are visible ASCII"));
        }
    }
    response
}
