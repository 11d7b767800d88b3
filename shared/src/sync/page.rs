//! Decides how a download continues: as a delta, or as the whole state if no delta would be correct.
//!
//! A client sends the cursor of its last page as `since`. A delta from `since` is correct if no tombstone after `since` has
//! been purged, because the client would otherwise keep deleted items. It also requires that `since` is not after the head:
//! such a cursor dates from before the server was restored from a backup, and the client may hold changes that the server
//! has lost.
//!
//! A full sync starts at the beginning of the change sequence, so its cursors may lie before the purge horizon. They are
//! correct nevertheless, because the device started without any items. To recognise them, the server remembers the last two
//! cursors of such a full sync per device as a [`FullSyncCursor`].

use super::Head;
use crate::models::Timestamp;

/// Mode of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadMode {
    /// A delta: all items and tombstones after this time.
    Delta(Timestamp),
    /// The whole state: all live items, from the start. The client replaces what it has.
    Reset,
}

/// Progress of a device's full sync, remembered while its cursors lie before the purge horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullSyncCursor {
    /// The head when the full sync started. Tombstones up to this time do not concern the device.
    pub head: Timestamp,
    /// The last cursor.
    pub cursor: Timestamp,
    /// The cursor before the last one. A client sends it again if it did not receive the last page.
    pub previous: Timestamp,
}

impl FullSyncCursor {
    /// Whether `since` is a cursor of this full sync.
    fn includes(&self, since: Timestamp) -> bool {
        since == self.cursor || since == self.previous
    }

    /// Whether a tombstone that concerns the device has been purged since the full sync started.
    fn is_outdated(&self, head: Head) -> bool {
        self.head < head.purged_through
    }
}

/// Decides how to serve a download with the cursor `since`; `None` if the client has no cursor yet.
pub fn download_mode(since: Option<Timestamp>, head: Head, full_sync: Option<FullSyncCursor>) -> DownloadMode {
    let Some(since) = since else { return DownloadMode::Reset };
    let is_after_purge = since >= head.purged_through;
    let continues_full_sync =
        full_sync.is_some_and(|full_sync| full_sync.includes(since) && !full_sync.is_outdated(head));
    if since <= head.time && (is_after_purge || continues_full_sync) {
        DownloadMode::Delta(since)
    } else {
        DownloadMode::Reset
    }
}

/// Returns the progress to remember before the page with the cursor `next` is sent; `None` if there is nothing to remember.
/// `mode` is the mode of that page, `full_sync` the progress remembered so far.
pub fn next_full_sync(
    mode: DownloadMode,
    next: Timestamp,
    head: Head,
    full_sync: Option<FullSyncCursor>,
) -> Option<FullSyncCursor> {
    if next >= head.purged_through {
        return None;
    }
    match (mode, full_sync) {
        (DownloadMode::Reset, _) => Some(FullSyncCursor { head: head.time, cursor: next, previous: next }),
        (DownloadMode::Delta(since), Some(full_sync)) if full_sync.includes(since) => {
            Some(FullSyncCursor { cursor: next, previous: since, ..full_sync })
        }
        (DownloadMode::Delta(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    const HEAD: Head = Head { time: at(9_000_000), purged_through: at(5_000_000), purged_version: 0 };

    #[test]
    fn a_delta_starts_between_the_purge_horizon_and_the_head() {
        assert_eq!(download_mode(None, HEAD, None), DownloadMode::Reset);
        assert_eq!(download_mode(Some(at(4_999_999)), HEAD, None), DownloadMode::Reset);
        assert_eq!(download_mode(Some(at(5_000_000)), HEAD, None), DownloadMode::Delta(at(5_000_000)));
        assert_eq!(download_mode(Some(at(9_000_000)), HEAD, None), DownloadMode::Delta(at(9_000_000)));
        assert_eq!(download_mode(Some(at(9_000_001)), HEAD, None), DownloadMode::Reset);
        assert_eq!(download_mode(Some(Timestamp::EPOCH), Head::default(), None), DownloadMode::Delta(Timestamp::EPOCH));
    }

    #[test]
    fn a_full_sync_continues_before_the_purge_horizon() {
        let full_sync = next_full_sync(DownloadMode::Reset, at(1_000_000), HEAD, None).unwrap();
        assert_eq!(download_mode(Some(at(1_000_000)), HEAD, Some(full_sync)), DownloadMode::Delta(at(1_000_000)));
        assert_eq!(
            download_mode(Some(at(1_500_000)), HEAD, Some(full_sync)),
            DownloadMode::Reset,
            "not a cursor of this full sync"
        );

        let second = next_full_sync(DownloadMode::Delta(at(1_000_000)), at(2_000_000), HEAD, Some(full_sync)).unwrap();
        for cursor in [1_000_000, 2_000_000] {
            assert_eq!(download_mode(Some(at(cursor)), HEAD, Some(second)), DownloadMode::Delta(at(cursor)));
        }
        assert_eq!(next_full_sync(DownloadMode::Delta(at(2_000_000)), at(6_000_000), HEAD, Some(second)), None);
    }

    #[test]
    fn a_purge_during_a_full_sync_restarts_it() {
        let full_sync = next_full_sync(DownloadMode::Reset, at(1_000_000), HEAD, None);
        let purged = Head { time: at(20_000_000), purged_through: at(10_000_000), purged_version: 0 };
        assert_eq!(download_mode(Some(at(1_000_000)), purged, full_sync), DownloadMode::Reset);
    }
}
