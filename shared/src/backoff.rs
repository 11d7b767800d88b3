//! Trying again: how often, after which pause, and until when.

use std::time::Duration;

use tokio::time::{Instant, sleep};

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

/// The attempts at one call, which all of them together may not take longer than it has.
pub struct Attempts<'a> {
    backoff: Backoff,
    random: &'a dyn Random,
    left: u32,
    round: u32,
    deadline: Instant,
}

impl<'a> Attempts<'a> {
    /// At most `most` attempts within `total`.
    pub fn new(most: u32, total: Duration, backoff: Backoff, random: &'a dyn Random) -> Self {
        Self { backoff, random, left: most.saturating_sub(1), round: 0, deadline: Instant::now() + total }
    }

    /// How long the next attempt may take, which should not take longer than `longest`.
    pub fn time(&self, longest: Duration) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).min(longest)
    }

    /// Waits for the next attempt, for `at_least` as long as was asked for; whether there is one.
    pub async fn again(&mut self, at_least: Duration) -> bool {
        let pause = at_least.max(self.backoff.pause(self.round, self.random));
        if self.left == 0 || Instant::now() + pause >= self.deadline {
            return false;
        }
        self.left -= 1;
        self.round += 1;
        sleep(pause).await;
        true
    }
}
