//! Pauses between attempts.

use std::time::Duration;

use crate::clock::{Random, random_bytes};

/// A growing pause: its longest doubles with each round, up to a cap.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The longest pause before the second attempt.
    pub first: Duration,
    /// The longest pause of all.
    pub longest: Duration,
}

impl Backoff {
    /// A random pause before the attempt after `round`, from 0: those who collided do not collide again.
    pub fn pause(self, round: u32, random: &dyn Random) -> Duration {
        let longest = self.first.saturating_mul(1 << round.min(16)).min(self.longest);
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(u64::from_le_bytes(random_bytes(random)) % micros)
    }
}
