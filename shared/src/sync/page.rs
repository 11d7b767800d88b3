//! How a download goes on: as a delta, or, where no delta can be right, as the whole state.

use super::Head;
use crate::models::Timestamp;

/// How a `since` can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
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
pub struct Walk {
    /// The user's head when the download began: tombstones up to here do not concern it.
    pub head: Timestamp,
    /// The cursor that was given out last.
    pub cursor: Timestamp,
    /// The one before: an answer may be lost, and its page be asked for again.
    pub previous: Timestamp,
}

impl Walk {
    /// Whether `since` is one of this walk's cursors.
    fn gave(&self, since: Timestamp) -> bool {
        since == self.cursor || since == self.previous
    }
}

/// Decides how to answer `since` (`None`: the client has nothing yet).
///
/// No delta reaches back before a purged tombstone, for the client would keep what was deleted; and none starts after
/// the head, for then the server was restored from a backup and the client knows things that never were.
pub fn verdict(since: Option<Timestamp>, head: Head, walk: Option<Walk>) -> Answer {
    let Some(since) = since else { return Answer::Reset };
    let walking = walk.is_some_and(|walk| walk.gave(since) && walk.head >= head.purged_through);
    if since > head.time || (since < head.purged_through && !walking) { Answer::Reset } else { Answer::Delta(since) }
}

/// What has to be remembered, if anything, before the cursor `next` is given out: where the page answered `answer`, on
/// the walk so far.
pub fn next_walk(answer: Answer, next: Timestamp, head: Head, walk: Option<Walk>) -> Option<Walk> {
    if next >= head.purged_through {
        return None;
    }
    match (answer, walk) {
        (Answer::Reset, _) => Some(Walk { head: head.time, cursor: next, previous: next }),
        (Answer::Delta(since), Some(walk)) if walk.gave(since) => Some(Walk { cursor: next, previous: since, ..walk }),
        (Answer::Delta(_), _) => None,
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
        assert_eq!(verdict(None, HEAD, None), Answer::Reset);
        assert_eq!(verdict(Some(at(4_999_999)), HEAD, None), Answer::Reset);
        assert_eq!(verdict(Some(at(5_000_000)), HEAD, None), Answer::Delta(at(5_000_000)));
        assert_eq!(verdict(Some(at(9_000_000)), HEAD, None), Answer::Delta(at(9_000_000)));
        assert_eq!(verdict(Some(at(9_000_001)), HEAD, None), Answer::Reset);
        assert_eq!(verdict(Some(Timestamp::EPOCH), Head::default(), None), Answer::Delta(Timestamp::EPOCH));
    }

    #[test]
    fn a_whole_download_goes_on_through_what_lies_before_the_purge() {
        let walk = next_walk(Answer::Reset, at(1_000_000), HEAD, None).unwrap();
        assert_eq!(verdict(Some(at(1_000_000)), HEAD, Some(walk)), Answer::Delta(at(1_000_000)));
        assert_eq!(verdict(Some(at(1_500_000)), HEAD, Some(walk)), Answer::Reset, "a cursor of some other time");

        let second = next_walk(Answer::Delta(at(1_000_000)), at(2_000_000), HEAD, Some(walk)).unwrap();
        for cursor in [1_000_000, 2_000_000] {
            assert_eq!(verdict(Some(at(cursor)), HEAD, Some(second)), Answer::Delta(at(cursor)));
        }
        assert_eq!(next_walk(Answer::Delta(at(2_000_000)), at(6_000_000), HEAD, Some(second)), None);
    }

    #[test]
    fn a_purge_in_the_middle_starts_a_whole_download_over() {
        let walk = next_walk(Answer::Reset, at(1_000_000), HEAD, None);
        let purged = Head { time: at(20_000_000), purged_through: at(10_000_000), purged_version: 0 };
        assert_eq!(verdict(Some(at(1_000_000)), purged, walk), Answer::Reset);
    }
}
