//! Decides how a user's request restores a replaced version of an item.
//!
//! [`restore`] checks, in this order:
//!
//! 1. The request has a receipt: it is a repeat, and gets the result of the first time.
//! 2. The version is not kept: [`NotFound`](RestoreOutcome::NotFound). It is a deletion:
//!    [`Deletion`](RestoreOutcome::Deletion).
//! 3. The item is not at the version that the user has seen: [`Outdated`](RestoreOutcome::Outdated).
//! 4. The version would make the account larger than its quota: [`QuotaExceeded`](RestoreOutcome::QuotaExceeded).
//! 5. Otherwise its content is written as the next version of the item, on behalf of no device.

use super::request_write::RequestWrite;
use super::write::next_seq;
use super::{Plan, Receipt, Snapshot};
use crate::models::{ChangeId, DeviceId, Edit, Item, ItemKey, ItemVersion, Quota, Stored, SyncVersion, Timestamp};

/// A user's request to restore a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Identifies repeats of the request: derived from its content.
    pub id: ChangeId,
    /// The item: a connection or a saved query.
    pub key: ItemKey,
    /// The version to restore.
    pub version: SyncVersion,
    /// The version of the item that the user has seen.
    pub expected: SyncVersion,
}

/// Outcome of a [`RestoreRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// The plan restores the version. It has to be committed. The item afterwards.
    Restored(Box<Plan>, Stored),
    /// The version was restored before by the same request. The item as that request wrote it, or as it is now if that
    /// version is not kept any more.
    AlreadyRestored(ItemVersion),
    /// The item has another version than the user has seen; `None` if it does not exist.
    Outdated(Option<Stored>),
    /// The version is a deletion.
    Deletion,
    /// The version is not kept.
    NotFound,
    /// The version would make the account larger than its quota.
    QuotaExceeded,
}

/// Decides what `request` does, in an account that may store `quota`. `now` is the time of the server's clock.
pub fn restore(snapshot: &Snapshot, request: &RestoreRequest, quota: Quota, now: Timestamp) -> RestoreOutcome {
    let stored = snapshot.items.get(&request.key);
    if let Some(receipt) = snapshot.receipts.get(&request.id) {
        return RestoreOutcome::AlreadyRestored(
            version_of(snapshot, stored, receipt.version).unwrap_or_else(|| ItemVersion::of(stored)),
        );
    }
    let Some(version) = version_of(snapshot, stored, request.version) else { return RestoreOutcome::NotFound };
    let Some(Item { content, created_at }) = version.item else { return RestoreOutcome::Deletion };
    if stored.map_or(0, |stored| stored.version) != request.expected {
        return RestoreOutcome::Outdated(stored.cloned());
    }
    let mut write = RequestWrite::new(snapshot, next_seq(snapshot.head().time, now));
    let edit = Edit::Put { content, created_at: Some(created_at), expects_item: false };
    let restored = write.item(&request.key, &edit, now).clone();
    write.receipt(Receipt {
        device: DeviceId::none(),
        change: request.id.clone(),
        key: request.key.clone(),
        version: restored.version,
        conflict: None,
        merged: false,
        seq: write.seq(),
    });
    if !write.fits(&request.key, quota) {
        return RestoreOutcome::QuotaExceeded;
    }
    RestoreOutcome::Restored(Box::new(write.into_plan()), restored)
}

/// Returns the version `version` of the item: the stored one, or a replaced one that is kept.
fn version_of(snapshot: &Snapshot, stored: Option<&Stored>, version: SyncVersion) -> Option<ItemVersion> {
    let current = stored.filter(|stored| stored.version == version);
    current.map(|current| ItemVersion::of(Some(current))).or_else(|| snapshot.versions.get(&version).cloned())
}
