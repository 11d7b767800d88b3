//! Decides how a download continues: as a delta, or as the whole state if no delta would be correct.
//!
//! A client sends the cursor of its last page as `since`. A delta from `since` is correct if no tombstone and no resolved
//! conflict after `since` has been purged, because the client would otherwise keep deleted items and open conflicts. It also
//! requires that this store returned the cursor: after a restore from a backup, a client may hold changes that the store has
//! lost. Its cursor is then after the head, or in a gap of the change sequence, where nothing was ever written.
//!
//! A full sync starts at the beginning of the change sequence, so its cursors may lie before the purge horizon. They are
//! correct nevertheless, because the device started without any items. Such a [`Cursor`] says so itself, so that several full
//! syncs of one device may run at the same time.

use super::{Cursor, Head};
use crate::models::Timestamp;

/// Mode of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadMode {
    /// A delta: all items, tombstones and conflicts after this position.
    Delta(Timestamp),
    /// The whole state: all live items and open conflicts, from the start. The client replaces what it has.
    Reset,
}

/// Decides how to serve a download with the cursor `since`; `None` if the client has no cursor yet. `is_in_gap` says whether its
/// position is in a gap of the change sequence.
pub fn download_mode(since: Option<Cursor>, head: Head, is_in_gap: bool) -> DownloadMode {
    let Some(since) = since else { return DownloadMode::Reset };
    let is_known = since.position <= head.time && !is_in_gap;
    let is_complete = since.position >= head.delta_horizon() || since.continues_full_sync(head);
    if is_known && is_complete { DownloadMode::Delta(since.position) } else { DownloadMode::Reset }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    const HEAD: Head = Head {
        time: at(9_000_000),
        purged_through: at(5_000_000),
        conflicts_purged_through: at(1_000_000),
        purge_generation: 1,
        purged_version: 0,
        version_floor: 0,
    };

    fn mode(since: Timestamp, head: Head) -> DownloadMode {
        download_mode(Some(Cursor::decode(since)), head, false)
    }

    #[test]
    fn a_delta_starts_between_the_purge_horizon_and_the_head() {
        assert_eq!(download_mode(None, HEAD, false), DownloadMode::Reset);
        assert_eq!(mode(at(4_999_999), HEAD), DownloadMode::Reset);
        assert_eq!(mode(at(5_000_000), HEAD), DownloadMode::Delta(at(5_000_000)));
        assert_eq!(mode(at(9_000_000), HEAD), DownloadMode::Delta(at(9_000_000)));
        assert_eq!(mode(at(9_000_001), HEAD), DownloadMode::Reset);
        assert_eq!(mode(Timestamp::EPOCH, Head::default()), DownloadMode::Delta(Timestamp::EPOCH));
    }

    #[test]
    fn a_purged_conflict_ends_older_cursors() {
        let head = Head { conflicts_purged_through: at(6_000_000), ..HEAD };
        assert_eq!(mode(at(5_999_999), head), DownloadMode::Reset);
        assert_eq!(mode(at(6_000_000), head), DownloadMode::Delta(at(6_000_000)));
    }

    #[test]
    fn a_cursor_that_the_store_never_returned_starts_a_full_sync() {
        assert_eq!(download_mode(Some(Cursor::decode(at(7_000_000))), HEAD, true), DownloadMode::Reset);
        let of_full_sync = Cursor::decode(Cursor::encode(at(1_000_000), HEAD));
        assert_eq!(download_mode(Some(of_full_sync), HEAD, true), DownloadMode::Reset);
    }

    #[test]
    fn a_full_sync_continues_before_the_purge_horizon() {
        let first = Cursor::encode(at(1_000_000), HEAD);
        assert_eq!(mode(first, HEAD), DownloadMode::Delta(at(1_000_000)));
        assert_eq!(mode(at(1_000_000), HEAD), DownloadMode::Reset, "the same position, from before the purge");
        assert_eq!(Cursor::encode(at(6_000_000), HEAD), at(6_000_000));
    }

    #[test]
    fn a_purge_that_concerns_a_full_sync_restarts_it() {
        let first = Cursor::encode(at(1_000_000), HEAD);
        let purged = Head { purged_through: at(8_000_000), purge_generation: 2, ..HEAD };
        assert_eq!(mode(first, purged), DownloadMode::Reset);
        let unconcerned = Head { purged_through: at(8_000_000), ..HEAD };
        assert_eq!(
            mode(first, unconcerned),
            DownloadMode::Delta(at(1_000_000)),
            "the tombstone is older than the full sync"
        );
    }
}
