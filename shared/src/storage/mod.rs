//! What is kept where: small traits, each with the law it obeys, and their implementations.
//!
//! Sync data lives behind [`SyncStore`], [`ChangeFeed`], [`ConflictStore`] and [`Retention`] (libSQL); users and the tokens in
//! their mails behind [`Accounts`], [`MailTokens`] and [`Deletions`], mails that wait behind [`Outbox`]; sessions and token buckets behind [`Sessions`] and
//! [`RateLimiter`] (Redis). Where no server is named, `embedded` keeps all of it in a file. One behaviour suite in `tests/stores`
//! runs against every implementation of each; [`connect`] chooses one by its URL.
//!
//! An expected refusal is a value; [`StoreError`] is for faults.

mod accounts;
mod call_error;
#[cfg(any(feature = "postgres", feature = "redis", feature = "turso"))]
mod diagnosis;
mod error;
mod outbox;
mod sessions;
mod sync;

#[cfg(any(feature = "postgres", feature = "redis", feature = "turso"))]
pub mod connect;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod libsql;
pub mod memory_rate_limiter;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;

pub use crate::models::TokenHash;
pub use accounts::{
    Account, AccountStore, Accounts, Deletions, Expiry, MailTokens, NewAccount, SignUpOutcome, TokenPurpose,
};
#[cfg(any(feature = "postgres", feature = "redis", feature = "turso"))]
pub use diagnosis::Diagnosis;
pub use error::{StoreError, StoreResult};
pub use outbox::{LINK_COOLDOWN_SECONDS, MailKind, Outbox, QueuedMail};
pub use sessions::{
    AuthOutcome, LAST_SEEN_RESOLUTION_SECONDS, MICROS_PER_MINUTE, NewSession, ROTATION_GRACE_SECONDS, RateLimitPolicy,
    RateLimitRequest, RateLimitStatus, RateLimiter, Rotation, SessionStore, Sessions,
};
pub use sync::{
    ChangeFeed, Commit, ConflictFilter, ConflictPage, ConflictStore, Page, PageRequest, Purged, Retention, Status,
    SyncData, SyncStore,
};
