//! The sync core decides what a change does, which changes conflict, and how conflicts are resolved. It is **pure**: no I/O,
//! no async, no clock, no randomness.
//!
//! An upload is *load → decide → commit*. The store [loads](crate::storage::SyncStore::load) the [`ReadSet`] of the upload
//! as a [`Snapshot`]. [`decide`] turns upload and snapshot into a [`Plan`]. The store
//! [commits](crate::storage::SyncStore::commit) the plan with a compare-and-swap on the user's [`Head`]. If the head has
//! moved, the plan is discarded and the upload starts again from a new snapshot. So the changes of a user are serialised,
//! whichever instances handle them. The resolution of a conflict works the same way, with [`resolve`]. An upload that only
//! adds history is an [`Append`], which needs no snapshot.
//!
//! # Terms
//!
//! - **Change sequence**: all accepted changes of a user, ordered by *server time* ([`Stored::seq`]). Each item, conflict or
//!   receipt that is written gets the first whole millisecond after both the head and the clock, so the order holds even if the
//!   clock runs backwards.
//! - **Head**: the server time of the newest accepted change. It is the end of the change sequence, the cursor of an
//!   up-to-date device, and the optimistic lock of the user's data in one.
//! - **Base version**: the version of an item that a device last saw when it made a change. 0 if it saw none.
//! - **Stored version**: the newest version of an item on the server.
//! - **Conflict**: a change of an item whose stored version is not the base version, was written by another device, and has
//!   other content. A conflict keeps both sides: *local* is what the uploading device sent, *remote* is what the server held.
//! - **Resolution**: the outcome of a conflict. It names the winner, or the conflicted copy.
//! - **Conflicted copy**: a new item with the local side's content, beside the item that keeps the remote side's.
//! - **Branch** ([`Branch`]): the edits that one device made to one item on one base version. A device that uploads again on
//!   the same base version continues its branch, and *renews* the branch's conflict instead of adding another.
//! - **Merge**: the outcome of a conflict under [`Strategy::Merge`](crate::models::Strategy::Merge): a version with the fields
//!   that either side changed since the version that both started from.
//! - **Replaced version**: a version of a connection or a saved query that a later write replaced. The store keeps it for the
//!   retention period, and the user can restore it.
//! - **Receipt**: the record of an accepted change. A repeat of the change finds it, changes nothing, and gets the same
//!   result. An item carries the receipts of its last changes; older ones, and those of changes that did not write the item,
//!   have rows of their own.
//! - **Digest** ([`Digest`]): a summary of the live items, by which a client proves that it has all of them.
//! - **Tombstone**: a stored version that is a deletion. The purge removes it after the retention period.
//! - **History tombstone**: a receipt that keeps a deleted history entry from being added again, even after the purge has
//!   removed its tombstone.
//! - **Full sync**: a download of the whole state, in pages. The client replaces what it has.
//! - **Resync**: a full sync that the server demands because it cannot serve a correct delta any more.
//!
//! [`Stored::seq`]: crate::models::Stored::seq

mod append;
mod branch;
mod checksum;
mod copy;
mod cursor;
mod decide;
mod merge;
mod page;
mod parse_change;
mod plan;
mod read_set;
mod request_write;
mod resolve;
mod restore;
mod snapshot;
mod totals;
mod unique;
mod write;

pub use append::Append;
pub use branch::Branch;
pub use checksum::{canonical_hash, matches_checksum};
pub use copy::resolution_copy_id;
pub use cursor::Cursor;
pub use decide::decide;
pub use page::{DownloadMode, download_mode};
pub use parse_change::{InvalidChange, check_item_data, parse_change, parse_item_data};
pub use plan::{ChangeResult, Decision, DeviceStats, Effect, Plan, Receipt, Rejection, RejectionCode, Upload};
pub use read_set::ReadSet;
pub use resolve::{Choice, ResolutionRequest, ResolveOutcome, ResolvedConflict, resolve};
pub use restore::{RestoreOutcome, RestoreRequest, restore};
pub use snapshot::{Head, HeadMismatch, Records, Snapshot};
pub use totals::{Digest, ItemsDigest, Size, Totals};
pub use unique::deserialize_unique;

#[cfg(test)]
mod tests;
