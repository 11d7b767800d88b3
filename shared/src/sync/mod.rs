//! The sync core: what a change means, what conflicts, and who wins. **Pure**: no I/O, no async, no clock.
//!
//! An upload is *load → decide → apply*. The store [loads](crate::storage::SyncStore::load) a [`Snapshot`] of what the
//! upload [touches](ReadSet); [`decide`] turns both into a [`Plan`]; the store
//! [applies](crate::storage::SyncStore::commit) the plan in one compare-and-swap on the user's [`Head`], and if that has
//! moved since, everything is done again. So a user's changes form a line, whichever instances ran at once. An upload of
//! nothing but history is an [`Append`], for which nothing needs to be loaded.
//!
//! The **head** is the server time of the newest accepted change; each one gets the first whole millisecond after both the
//! head and the clock. It is the sequence of changes, the cursor of downloads and the lock in one, and never runs backwards
//! even if the server's clock does.

mod append;
mod branch;
mod checksum;
mod copy;
mod decide;
mod page;
mod parse_change;
mod path;
mod plan;
mod resolve;
mod snapshot;

pub use append::Append;
pub use checksum::{canonical_hash, matches_checksum};
pub use copy::resolution_copy_id;
pub use decide::decide;
pub use page::{DownloadMode, FullSyncCursor, download_mode, next_full_sync};
pub use parse_change::{InvalidChange, parse_change, parse_item_data};
pub use plan::{ChangeResult, Decision, DeviceStats, Plan, Receipt, Rejection, RejectionCode, Upload};
pub use resolve::{Choice, ResolutionRequest, ResolveOutcome, ResolvedConflict, resolve};
use snapshot::next_time;
pub use snapshot::{Branch, Head, HeadMismatch, ReadSet, Records, Snapshot};

#[cfg(test)]
mod tests;
