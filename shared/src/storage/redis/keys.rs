//! The keys.
//!
//! The part of a key in braces determines its slot in a cluster. All keys of one script contain the same user there.

use ::redis::{Cmd, cmd};

use crate::models::UserId;
use crate::storage::{RateLimitRequest, TokenHash};

/// Returns the command by which a ping writes a key: a demoted primary still responds to reads.
pub(super) fn write_ping() -> Cmd {
    let mut write = cmd("SET");
    write.arg("ping").arg(1).arg("EX").arg(60);
    write
}

/// Hash of a user's sessions by their ids.
pub(super) fn sessions(user: UserId) -> String {
    format!("sessions:{{{user}}}")
}

/// Refresh token of a user.
pub(super) fn token(user: UserId, token: &TokenHash) -> String {
    format!("token:{{{user}}}:{}", token.as_str())
}

/// Prefix of the keys that list the refresh tokens of a session that have not been rotated, the oldest first. The session's id follows.
pub(super) fn live_tokens(user: UserId) -> String {
    format!("live:{{{user}}}:")
}

/// User of a refresh token. A client presents the token without naming the user.
pub(super) fn owner(token: &TokenHash) -> String {
    format!("owner:{{{}}}", token.as_str())
}

/// Last day on which the user was active, in days since 1970. Expires after a day.
pub(super) fn last_active_day(user: UserId) -> String {
    format!("day:{{{user}}}")
}

/// Database that held the sync data of a user when the account store was asked last.
pub(super) fn database(user: UserId) -> String {
    format!("database:{{{user}}}")
}

/// Token bucket.
pub(super) fn bucket(rate_limit: &RateLimitRequest) -> String {
    format!("bucket:{}", rate_limit.key)
}

/// Earliest start of the next call that takes a token of this bucket.
pub(super) fn next_start(rate_limit: &RateLimitRequest) -> String {
    format!("turn:{}", rate_limit.key)
}
