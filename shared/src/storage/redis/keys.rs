//! The keys.
//!
//! The part of a key in braces determines its slot in a cluster. All keys of one script contain the same user there.

use crate::models::UserId;
use crate::storage::{RateLimitRequest, TokenHash};

/// Key that a ping writes.
pub(super) const PING: &str = "ping";

/// Hash of a user's sessions by their ids.
pub(super) fn sessions(user: UserId) -> String {
    format!("sessions:{{{user}}}")
}

/// Refresh token of a user.
pub(super) fn token(user: UserId, token: &TokenHash) -> String {
    format!("token:{{{user}}}:{}", token.as_str())
}

/// User of a refresh token. A client presents the token without naming the user.
pub(super) fn owner(token: &TokenHash) -> String {
    format!("owner:{{{}}}", token.as_str())
}

/// Last day on which the user was active, in days since 1970. Expires after a day.
pub(super) fn last_active_day(user: UserId) -> String {
    format!("day:{{{user}}}")
}

/// Token bucket of a user, in the slot of the user's sessions.
pub(super) fn bucket_of(user: UserId, rate_limit: &RateLimitRequest) -> String {
    format!("bucket:{{{user}}}:{}", rate_limit.key)
}

/// Earliest start of the user's next call under this rate limit.
pub(super) fn next_start_of(user: UserId, rate_limit: &RateLimitRequest) -> String {
    format!("turn:{{{user}}}:{}", rate_limit.key)
}

/// Token bucket that belongs to no user.
pub(super) fn bucket(rate_limit: &RateLimitRequest) -> String {
    format!("bucket:{}", rate_limit.key)
}
