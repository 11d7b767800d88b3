//! The keys, each made in one place.
//!
//! What stands in braces decides in which slot of a cluster a key lies, so all that one script touches is one user's.

use crate::models::UserId;
use crate::storage::{RateLimitRequest, TokenHash};

/// Written to see whether the server takes it.
pub(super) const PING: &str = "ping";

/// A hash of all of a user's sessions, by their ids.
pub(super) fn sessions(user: UserId) -> String {
    format!("sessions:{{{user}}}")
}

/// A refresh token.
pub(super) fn token(user: UserId, token: &TokenHash) -> String {
    format!("token:{{{user}}}:{}", token.as_str())
}

/// Whose refresh token this is: whoever presents one says nothing else.
pub(super) fn owner(token: &TokenHash) -> String {
    format!("owner:{{{}}}", token.as_str())
}

/// The last day on which a user was here, by its number since 1970. It is gone after a day.
pub(super) fn day(user: UserId) -> String {
    format!("day:{{{user}}}")
}

/// A bucket of the user's own.
pub(super) fn bucket_of(user: UserId, rate_limit: &RateLimitRequest) -> String {
    format!("bucket:{{{user}}}:{}", rate_limit.key)
}

/// When the next who pays the user's toll may start.
pub(super) fn turn_of(user: UserId, rate_limit: &RateLimitRequest) -> String {
    format!("turn:{{{user}}}:{}", rate_limit.key)
}

/// A bucket of nobody's.
pub(super) fn bucket(rate_limit: &RateLimitRequest) -> String {
    format!("bucket:{}", rate_limit.key)
}
