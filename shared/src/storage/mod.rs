//! Stores: small traits with their contracts, and the implementations.
//!
//! | data | traits | implementation |
//! | --- | --- | --- |
//! | sync data | [`SyncStore`], [`ChangeFeed`], [`ConflictStore`], [`Retention`], [`UserMoves`] | `libsql` |
//! | users, email tokens, queued emails | [`Accounts`], [`MailTokens`], [`Outbox`], [`Deletions`], [`Expiry`] | `postgres` |
//! | which database holds the sync data of a user | [`Placements`] | `postgres` |
//! | sessions, rate limits | [`Sessions`], [`RateLimiter`] | `redis` |
//!
//! `embedded` implements all of them in a file, for the local server. The contract tests in `tests/stores` run against every
//! implementation. `connect` opens the stores of the production service.
//!
//! An expected refusal is part of the return value. [`StoreError`] is for failures.

mod accounts;
mod call_error;
#[cfg(any(feature = "postgres", feature = "redis", feature = "turso"))]
mod diagnosis;
mod error;
mod moves;
mod outbox;
mod placements;
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
pub use moves::{DatabaseOverview, Drained, MoveError, MoveOutcome, UserMoves};
pub use outbox::{EmailKind, LINK_COOLDOWN_SECONDS, MAILBOX_EMAILS, Outbox, QueuedEmail};
pub use placements::{DatabaseSet, MoveEpoch, Placement, Placements};
pub use sessions::{
    AuthOutcome, LAST_SEEN_RESOLUTION_SECONDS, LIVE_REFRESH_TOKENS, NewSession, ROTATION_GRACE_SECONDS,
    RateLimitPolicy, RateLimitRequest, RateLimitStatus, RateLimiter, Rotation, SESSION_SECONDS, SessionStore, Sessions,
};
pub use sync::{
    ChangeFeed, Commit, ConflictFilter, ConflictPage, ConflictStore, KeptVersion, Page, PageRequest, Purged, Retention,
    Status, SyncData, SyncStore, VersionPage,
};
