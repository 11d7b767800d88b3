//! Cursors of downloads, in the form in which clients keep them.

use super::Head;
use crate::models::Timestamp;

/// Length of an era, in microseconds: 47,500 days, 130 years. All positions of the change sequence are in the one after 1970.
const ERA: i64 = 47_500 * 86_400 * 1_000_000;

/// Number of purge generations that cursors can tell apart: as many eras as there are between the year 149 and 1970.
const GENERATIONS: i64 = 14;

/// Cursor of a download: the position after which the next page starts.
///
/// A cursor that a full sync returns before the purge horizon also names the [generation](Head::purge_generation) of purges in
/// which the full sync started. It is written as a time that many eras earlier. So it differs from any cursor that the device
/// may have kept from before the purge, for clients that keep times in whole milliseconds, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Position in the change sequence.
    pub position: Timestamp,
    /// For a cursor of a full sync, the purge generation modulo the number of eras.
    generation: Option<i64>,
}

impl Cursor {
    /// Reads the cursor that a client sends.
    pub const fn decode(since: Timestamp) -> Self {
        let micros = since.micros();
        if micros >= 0 {
            return Self { position: since, generation: None };
        }
        let generation = (-1 - micros) / ERA;
        Self { position: Timestamp::from_micros(micros + (generation + 1) * ERA), generation: Some(generation) }
    }

    /// Returns the cursor after a page that ends at `position` and that others follow, as the client keeps it. A page that ends
    /// before the purge horizon belongs to a full sync.
    pub fn encode(position: Timestamp, head: Head) -> Timestamp {
        if position >= head.delta_horizon() || position.micros() >= ERA {
            return position;
        }
        let eras = generation_of(head) + 1;
        Timestamp::from_micros(position.micros() - eras * ERA)
    }

    /// Whether a full sync returned the cursor that no purge since its start concerns.
    pub(super) fn continues_full_sync(self, head: Head) -> bool {
        self.generation == Some(generation_of(head))
    }
}

/// Returns the purge generation as cursors carry it.
const fn generation_of(head: Head) -> i64 {
    head.purge_generation.rem_euclid(GENERATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(purge_generation: i64) -> Head {
        let at = |second| Timestamp::EPOCH.plus_seconds(second);
        Head { time: at(4_000_000_000), purged_through: at(3_999_999_999), purge_generation, ..Head::default() }
    }

    #[test]
    fn a_cursor_of_a_full_sync_is_read_as_it_was_written() {
        for second in [1, 1_800_000_000, 3_999_999_998] {
            for generation in 0..30 {
                let position = Timestamp::EPOCH.plus_seconds(second);
                let written = Cursor::encode(position, head(generation));
                assert!(written < Timestamp::EPOCH && written.to_string().starts_with(['0', '1']), "{written}");
                let read = Cursor::decode(written);
                assert_eq!(read.position, position);
                for other in 0..30 {
                    let is_same = (generation - other) % GENERATIONS == 0;
                    assert_eq!(read.continues_full_sync(head(other)), is_same, "{generation} {other}");
                }
            }
        }
    }

    #[test]
    fn an_ordinary_cursor_is_the_position() {
        let head = head(3);
        for position in [head.delta_horizon(), head.time] {
            assert_eq!(Cursor::encode(position, head), position);
            assert_eq!(Cursor::decode(position), Cursor { position, generation: None });
            assert!(!Cursor::decode(position).continues_full_sync(head));
        }
        assert_eq!(Cursor::decode(Timestamp::EPOCH).position, Timestamp::EPOCH);
    }

    #[test]
    fn any_time_can_be_read() {
        for micros in [-1, i64::MIN / 100, Timestamp::MIN.micros(), Timestamp::MAX.micros()] {
            let read = Cursor::decode(Timestamp::from_micros(micros));
            assert!(read.position.micros() >= 0, "{micros}");
        }
    }
}
