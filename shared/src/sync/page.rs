//! Decides how a download continues: as a delta, or as the whole state if no delta would be correct.
//!
//! A client sends the cursor of its last page as `since`. A delta from `since` is correct if no tombstone and no resolved
//! conflict after `since` has been purged, because the client would otherwise keep deleted items and open conflicts. It also
//! requires that this store returned the cursor: after a restore from a backup, a client may hold changes that the store has
//! lost. Its cursor is then after the head, or in a gap of the change sequence, where nothing was ever written.
//!
//! A full sync starts at the beginning of the change sequence, so its cursors may lie before the purge horizon. They are
//! correct nevertheless, because the device started without any items. To recognise them, the store remembers such cursors per
//! device, with the head at which their full sync started. So several full syncs of one device may run at the same time.

use super::Head;
use crate::models::Timestamp;

/// Mode of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadMode {
    /// A delta: all items, tombstones and conflicts after this time.
    Delta(Timestamp),
    /// The whole state: all live items and open conflicts, from the start. The client replaces what it has.
    Reset,
}

/// What the store knows about the cursor of a download.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CursorRecord {
    /// The head at which the full sync started that returned the cursor. `None` if the store remembers no such full sync.
    /// Tombstones up to this time do not concern the device.
    pub full_sync_start: Option<Timestamp>,
    /// Whether the cursor is in a gap of the change sequence, so that this store has not returned it.
    pub is_in_gap: bool,
}

/// Decides how to serve a download with the cursor `since`; `None` if the client has no cursor yet.
pub fn download_mode(since: Option<Timestamp>, head: Head, record: CursorRecord) -> DownloadMode {
    let Some(since) = since else { return DownloadMode::Reset };
    let is_known = since <= head.time && !record.is_in_gap;
    let is_complete = since >= head.delta_horizon() || continues_full_sync(head, record);
    if is_known && is_complete { DownloadMode::Delta(since) } else { DownloadMode::Reset }
}

/// Whether no tombstone or conflict that concerns the device has been purged since its full sync started.
fn continues_full_sync(head: Head, record: CursorRecord) -> bool {
    record.full_sync_start.is_some_and(|start| start >= head.delta_horizon())
}

/// Returns the start of the full sync to remember before a page with the cursor `next` is sent; `None` if there is nothing to
/// remember. `mode` is the mode of that page, `record` belongs to the cursor before it.
pub fn full_sync_start(mode: DownloadMode, next: Timestamp, head: Head, record: CursorRecord) -> Option<Timestamp> {
    match mode {
        _ if next >= head.delta_horizon() => None,
        DownloadMode::Reset => Some(head.time),
        DownloadMode::Delta(_) => record.full_sync_start,
    }
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
        purged_version: 0,
        version_floor: 0,
    };
    const UNKNOWN: CursorRecord = CursorRecord { full_sync_start: None, is_in_gap: false };

    fn of_full_sync(start: i64) -> CursorRecord {
        CursorRecord { full_sync_start: Some(at(start)), ..UNKNOWN }
    }

    #[test]
    fn a_delta_starts_between_the_purge_horizon_and_the_head() {
        assert_eq!(download_mode(None, HEAD, UNKNOWN), DownloadMode::Reset);
        assert_eq!(download_mode(Some(at(4_999_999)), HEAD, UNKNOWN), DownloadMode::Reset);
        assert_eq!(download_mode(Some(at(5_000_000)), HEAD, UNKNOWN), DownloadMode::Delta(at(5_000_000)));
        assert_eq!(download_mode(Some(at(9_000_000)), HEAD, UNKNOWN), DownloadMode::Delta(at(9_000_000)));
        assert_eq!(download_mode(Some(at(9_000_001)), HEAD, UNKNOWN), DownloadMode::Reset);
        let epoch = Some(Timestamp::EPOCH);
        assert_eq!(download_mode(epoch, Head::default(), UNKNOWN), DownloadMode::Delta(Timestamp::EPOCH));
    }

    #[test]
    fn a_purged_conflict_ends_older_cursors() {
        let head = Head { conflicts_purged_through: at(6_000_000), ..HEAD };
        assert_eq!(download_mode(Some(at(5_999_999)), head, UNKNOWN), DownloadMode::Reset);
        assert_eq!(download_mode(Some(at(6_000_000)), head, UNKNOWN), DownloadMode::Delta(at(6_000_000)));
        assert_eq!(download_mode(Some(at(1_000_000)), head, of_full_sync(5_500_000)), DownloadMode::Reset);
        assert_eq!(full_sync_start(DownloadMode::Reset, at(5_500_000), head, UNKNOWN), Some(head.time));
    }

    #[test]
    fn a_cursor_that_the_store_never_returned_starts_a_full_sync() {
        let in_gap = CursorRecord { is_in_gap: true, ..UNKNOWN };
        assert_eq!(download_mode(Some(at(7_000_000)), HEAD, in_gap), DownloadMode::Reset);
    }

    #[test]
    fn a_full_sync_continues_before_the_purge_horizon() {
        let first = at(1_000_000);
        assert_eq!(full_sync_start(DownloadMode::Reset, first, HEAD, UNKNOWN), Some(HEAD.time));
        let record = of_full_sync(9_000_000);
        assert_eq!(download_mode(Some(first), HEAD, record), DownloadMode::Delta(first));
        assert_eq!(full_sync_start(DownloadMode::Delta(first), at(2_000_000), HEAD, record), Some(HEAD.time));
        assert_eq!(full_sync_start(DownloadMode::Delta(first), at(6_000_000), HEAD, record), None);
    }

    #[test]
    fn a_purge_during_a_full_sync_restarts_it() {
        let purged = Head { time: at(20_000_000), purged_through: at(10_000_000), ..HEAD };
        assert_eq!(download_mode(Some(at(1_000_000)), purged, of_full_sync(9_000_000)), DownloadMode::Reset);
        assert_eq!(
            download_mode(Some(at(1_000_000)), purged, of_full_sync(10_000_000)),
            DownloadMode::Delta(at(1_000_000)),
            "the purged tombstone is older than the full sync"
        );
    }
}
