//! Rate limits of routes: exact token buckets per user, or per client address where the user is not known yet.
//!
//! A handler is limited by its extractor: [`Caller<S>`](super::Caller) or [`Anonymous`](super::Anonymous). To limit
//! another group of routes, add a [`RateLimitScope`], name it in their handlers, and list it in `RATES_PER_MINUTE`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderName;

use super::client_address::client_network;
use super::request_context::RequestContext;
use super::{ApiError, ClientAddress, Code};
use crate::clock::Clock;
use crate::models::{UserId, limits};
use crate::storage::{RateLimitPolicy, RateLimitRequest, RateLimitStatus, RateLimiter};

/// A group of routes that share a token bucket.
pub trait RateLimitScope: Send + Sync + 'static {
    /// Name of the scope, in the keys of its buckets.
    const NAME: &'static str;
    /// Calls per minute.
    const PER_MINUTE: u32;
    /// Owner of a bucket.
    const COUNTED_BY: CountedBy = CountedBy::User;
    /// Interval at which concurrent calls of a user should start, so that none has to be decided again because another
    /// committed first.
    const MIN_INTERVAL: Duration = Duration::ZERO;

    /// Size of the bucket.
    fn policy() -> RateLimitPolicy {
        RateLimitPolicy { per_minute: Self::PER_MINUTE }
    }
}

/// Owner of a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedBy {
    /// Each user has a bucket. It is checked together with the session, in one request to the store.
    User,
    /// Each client address has a bucket. It is checked before the access token, so that guesses count.
    Address,
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

/// Limit of all routes of accounts and sessions.
#[derive(Debug, Clone, Copy)]
pub struct AuthLimit;

impl RateLimitScope for AuthLimit {
    const NAME: &'static str = "auth";
    const PER_MINUTE: u32 = limits::AUTH_CALLS_PER_MINUTE;
    const COUNTED_BY: CountedBy = CountedBy::Address;
}

/// Calls per minute of every scope.
pub(super) const RATES_PER_MINUTE: [u32; 5] = [
    UploadLimit::PER_MINUTE,
    DownloadLimit::PER_MINUTE,
    PollLimit::PER_MINUTE,
    ConflictLimit::PER_MINUTE,
    AuthLimit::PER_MINUTE,
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

    /// Request for a token of the bucket of `user`, if the scope has one per user.
    pub(super) fn for_user<S: RateLimitScope>(&self, user: UserId) -> Option<RateLimitRequest> {
        let applies = self.enabled && S::COUNTED_BY == CountedBy::User;
        applies.then(|| RateLimitRequest {
            key: format!("{}:{user}", S::NAME),
            policy: S::policy(),
            min_interval: S::MIN_INTERVAL,
        })
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
        let (Some(taken), Some(wanted)) = (self.for_user::<Taken>(user), self.for_user::<Wanted>(user)) else {
            return Ok(());
        };
        let status = self.limiter.exchange(user, &taken, &wanted, self.clock.now()).await?;
        *context.rate_limit() = None;
        context.apply_rate_limit(status)
    }

    /// Takes a token from the bucket of `address`, if the scope has one per address.
    pub(super) async fn take_for_address<S: RateLimitScope>(
        &self,
        address: &ClientAddress,
        context: &RequestContext,
    ) -> Result<(), ApiError> {
        if S::COUNTED_BY == CountedBy::User {
            return Ok(());
        }
        self.take(format!("{}:{}", S::NAME, network(&address.0)), S::policy(), context).await
    }

    /// Takes a token from the bucket `key`.
    pub(super) async fn take(
        &self,
        key: String,
        policy: RateLimitPolicy,
        context: &RequestContext,
    ) -> Result<(), ApiError> {
        if !self.enabled {
            return Ok(());
        }
        let request = RateLimitRequest { key, policy, min_interval: Duration::ZERO };
        context.apply_rate_limit(self.limiter.take(&request, self.clock.now()).await?)
    }
}

impl RequestContext {
    /// Announces a limit in the response headers, even if the request fails before a token is taken.
    pub(super) fn announce_rate_limit(&self, policy: RateLimitPolicy) {
        let limit = policy.per_minute;
        *self.rate_limit() = Some(RateLimitStatus { taken: true, limit, remaining: limit, full_in: 0, next_in: 0 });
    }

    /// Records the state of a bucket; the headers show the one with the fewest tokens.
    ///
    /// # Errors
    /// 429 when the bucket is empty.
    pub(super) fn apply_rate_limit(&self, status: RateLimitStatus) -> Result<(), ApiError> {
        let mut shown = self.rate_limit();
        if shown.is_none_or(|shown| status.remaining < shown.remaining || !status.taken) {
            *shown = Some(status);
        }
        if status.taken {
            return Ok(());
        }
        let message = format!("too many requests; the next one is possible in {} seconds", status.next_in);
        Err(ApiError { retry_after: Some(status.next_in), ..ApiError::new(Code::RateLimitExceeded, message) })
    }
}

/// Adds the `RateLimit-*` headers to responses of limited routes.
pub(super) async fn add_headers(request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.extensions());
    let mut response = next.run(request).await;
    if let Some(status) = *context.rate_limit() {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("ratelimit-limit"), status.limit.into());
        headers.insert(HeaderName::from_static("ratelimit-remaining"), status.remaining.into());
        headers.insert(HeaderName::from_static("ratelimit-reset"), status.full_in.into());
    }
    response
}

/// Key of an address: the network that counts as one client.
fn network(address: &str) -> String {
    match address.parse().map(client_network) {
        Ok(network @ IpAddr::V6(_)) => format!("{network}/64"),
        Ok(address) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        for address in ["203.0.113.7", "unknown"] {
            assert_eq!(network(address), address);
        }
    }
}
