//! What is kept where: small traits, each with the law it obeys, and their implementations.
//!
//! Sync data lives behind [`SyncStore`], [`Feed`], [`ConflictBook`] and [`Retention`] (libSQL); users and the tokens in
//! their mails behind [`Accounts`], [`MailTokens`] and [`Deletions`], mails that wait behind [`Outbox`]; sessions and token buckets behind [`Sessions`] and
//! [`Buckets`] (Redis). Where no server is named, `embedded` keeps all of it in a file. One behaviour suite in `tests/stores`
//! runs against every implementation of each; [`connect`] chooses one by its URL.
//!
//! An expected refusal is a value; [`StoreError`] is for faults.

mod accounts;
mod error;
mod outbox;
mod sessions;
mod sync;

#[cfg(any(feature = "postgres", feature = "redis", feature = "turso"))]
pub mod connect;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod libsql;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;

pub use accounts::{Account, AccountStore, Accounts, Deletions, Expiry, MailTokens, NewAccount, SignUp, TokenPurpose};
pub use error::{StoreError, StoreResult};
pub use outbox::{LINK_PAUSE, MailKind, Outbox, QueuedMail};
pub use sessions::{
    Admission, BucketState, Buckets, GRACE_SECONDS, LAST_SEEN_SECONDS, MICROS_PER_MINUTE, NewSession, Policy, Rotation,
    SessionStore, Sessions, TokenHash, Toll,
};
pub use sync::{
    Commit, ConflictBook, ConflictFilter, ConflictPage, Feed, Page, PageRequest, Purged, Retention, Status, SyncData,
    SyncStore,
};
