//! How a download goes on: as a delta, or, where no delta can be right, as the whole state.

use super::Head;
use crate::models::Timestamp;

/// How a `since` can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadMode {
    /// What came after it, tombstones included.
    Delta(Timestamp),
    /// Everything that is live, from the start: the client replaces what it has.
    Reset,
}

/// A device in the middle of downloading the whole state.
///
/// The pages of the whole state are cursors into the past, which may lie before the newest purged tombstone; a delta
/// from there would have to be refused, and the download start over for ever. So the server remembers, where that is
/// so, which cursors it gave out: such a page is safe to go on from, for the device was empty when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullSyncCursor {
    /// The user's head when the download began: tombstones up to here do not concern it.
    pub head: Timestamp,
    /// The cursor that was given out last.
    pub cursor: Timestamp,
    /// The one before: an answer may be lost, and its page be asked for again.
    pub previous: Timestamp,
}

impl FullSyncCursor {
    /// Whether `since` is one of this walk's cursors.
    fn gave(&self, since: Timestamp) -> bool {
        since == self.cursor || since == self.previous
    }
}

/// Decides how to answer `since` (`None`: the client has nothing yet).
///
/// No delta reaches back before a purged tombstone, for the client would keep what was deleted; and none starts after
/// the head, for then the server was restored from a backup and the client knows things that never were.
pub fn download_mode(since: Option<Timestamp>, head: Head, full_sync: Option<FullSyncCursor>) -> DownloadMode {
    let Some(since) = since else { return DownloadMode::Reset };
    let walking = full_sync.is_some_and(|full_sync| full_sync.gave(since) && full_sync.head >= head.purged_through);
    if since > head.time || (since < head.purged_through && !walking) {
        DownloadMode::Reset
    } else {
        DownloadMode::Delta(since)
    }
}

/// What has to be remembered, if anything, before the cursor `next` is given out: where the page answered `answer`, on
/// the walk so far.
pub fn next_full_sync(
    answer: DownloadMode,
    next: Timestamp,
    head: Head,
    full_sync: Option<FullSyncCursor>,
) -> Option<FullSyncCursor> {
    if next >= head.purged_through {
        return None;
    }
    match (answer, full_sync) {
        (DownloadMode::Reset, _) => Some(FullSyncCursor { head: head.time, cursor: next, previous: next }),
        (DownloadMode::Delta(since), Some(full_sync)) if full_sync.gave(since) => {
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
    fn a_delta_starts_between_the_purged_and_the_head() {
        assert_eq!(download_mode(None, HEAD, None), DownloadMode::Reset);
        assert_eq!(download_mode(Some(at(4_999_999)), HEAD, None), DownloadMode::Reset);
        assert_eq!(download_mode(Some(at(5_000_000)), HEAD, None), DownloadMode::Delta(at(5_000_000)));
        assert_eq!(download_mode(Some(at(9_000_000)), HEAD, None), DownloadMode::Delta(at(9_000_000)));
        assert_eq!(download_mode(Some(at(9_000_001)), HEAD, None), DownloadMode::Reset);
        assert_eq!(download_mode(Some(Timestamp::EPOCH), Head::default(), None), DownloadMode::Delta(Timestamp::EPOCH));
    }

    #[test]
    fn a_whole_download_goes_on_through_what_lies_before_the_purge() {
        let full_sync = next_full_sync(DownloadMode::Reset, at(1_000_000), HEAD, None).unwrap();
        assert_eq!(download_mode(Some(at(1_000_000)), HEAD, Some(full_sync)), DownloadMode::Delta(at(1_000_000)));
        assert_eq!(
            download_mode(Some(at(1_500_000)), HEAD, Some(full_sync)),
            DownloadMode::Reset,
            "a cursor of some other time"
        );

        let second = next_full_sync(DownloadMode::Delta(at(1_000_000)), at(2_000_000), HEAD, Some(full_sync)).unwrap();
        for cursor in [1_000_000, 2_000_000] {
            assert_eq!(download_mode(Some(at(cursor)), HEAD, Some(second)), DownloadMode::Delta(at(cursor)));
        }
        assert_eq!(next_full_sync(DownloadMode::Delta(at(2_000_000)), at(6_000_000), HEAD, Some(second)), None);
    }

    #[test]
    fn a_purge_in_the_middle_starts_a_whole_download_over() {
        let full_sync = next_full_sync(DownloadMode::Reset, at(1_000_000), HEAD, None);
        let purged = Head { time: at(20_000_000), purged_through: at(10_000_000), purged_version: 0 };
        assert_eq!(download_mode(Some(at(1_000_000)), purged, full_sync), DownloadMode::Reset);
    }
}
