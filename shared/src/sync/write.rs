//! The step from one stored version of an item to the next, and from one server time to the next.

use std::sync::Arc;

use crate::models::{DeviceId, Edit, Item, Stored, SyncVersion, Timestamp};

/// Returns the server time of the next accepted change: the first whole millisecond after both the `head` and the clock.
///
/// Server times are whole milliseconds because some clients keep cursors at that resolution. With several changes in one
/// millisecond, a page could end between them, and such a client would request the same page forever. A large upload runs
/// ahead of the clock by one millisecond per change, which is harmless.
pub(super) fn next_seq(head: Timestamp, now: Timestamp) -> Timestamp {
    head.max(now).next_millisecond()
}

/// A write of one item: what the next stored version does not take from the version before it.
pub(super) struct Write<'a> {
    pub(super) edit: &'a Edit,
    /// Size of the item after an edit that is no deletion.
    pub(super) bytes: usize,
    /// Time of the edit, not later than the server's clock.
    pub(super) updated_at: Timestamp,
    pub(super) device: &'a DeviceId,
    /// Server time of the write.
    pub(super) seq: Timestamp,
}

impl Write<'_> {
    /// Returns what is stored after `before`, as `version`.
    pub(super) fn after(&self, before: Option<&Stored>, version: SyncVersion) -> Stored {
        let (item, deleted_at, bytes) = match self.edit {
            Edit::Put { content, created_at, .. } => {
                let created_at = created_at_after(before, *created_at, self.updated_at);
                (Some(Item { content: content.clone(), created_at }), None, self.bytes)
            }
            // The tombstone keeps the item readable until the purge.
            Edit::Delete => {
                let before_item = before.and_then(|before| before.item.clone());
                (before_item, Some(self.seq), before.map_or(0, |before| before.bytes))
            }
        };
        Stored {
            item,
            updated_at: self.updated_at,
            version,
            seq: self.seq,
            device: self.device.clone(),
            deleted_at,
            bytes,
            recent: before.map_or_else(Arc::default, |before| Arc::clone(&before.recent)),
        }
    }
}

/// Returns the creation time of an item after an edit at `updated_at`: the one that the client sent, the stored one, or the
/// time of the edit.
pub(super) fn created_at_after(before: Option<&Stored>, sent: Option<Timestamp>, updated_at: Timestamp) -> Timestamp {
    let stored = before.and_then(|before| Some(before.item.as_ref()?.created_at));
    sent.or(stored).unwrap_or(updated_at)
}

/// Whether `edit` leaves the stored item as it is, apart from times.
pub(super) fn is_unchanged_by(stored: &Stored, edit: &Edit) -> bool {
    match edit {
        Edit::Put { content, .. } => {
            stored.is_live() && stored.item.as_ref().is_some_and(|item| item.content == *content)
        }
        Edit::Delete => !stored.is_live(),
    }
}
