//! What is kept where: small traits, each with the law it obeys, and their implementations.
//!
//! Sync data lives behind [`SyncStore`], [`Feed`], [`ConflictBook`] and [`Retention`] (libSQL); users and the tokens in
//! their mails behind [`Accounts`], [`MailTokens`] and [`Deletions`]; sessions and token buckets behind [`Sessions`] and
//! [`Buckets`]. One behaviour suite in `tests/stores` runs against every implementation of each.
//!
//! An expected refusal is a value; [`StoreError`] is for faults.

mod accounts;
mod error;
mod sessions;
mod sync;

#[cfg(feature = "embedded")]
pub mod embedded;
pub mod libsql;
pub mod memory;

pub use accounts::{Account, Accounts, Deletions, Expiry, MailTokens, NewAccount, SignUp, TokenPurpose};
pub use error::{StoreError, StoreResult};
pub use sessions::{
    Admission, BucketState, Buckets, GRACE_SECONDS, NewSession, Policy, Rotation, Sessions, TokenHash, Toll,
};
pub use sync::{
    Commit, ConflictBook, ConflictFilter, ConflictPage, Feed, Page, PageRequest, Purged, Retention, Status, SyncStore,
};
