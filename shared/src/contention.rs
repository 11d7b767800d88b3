//! What happens when two requests of one user write at once: the later one is decided again.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::clock::Random;

/// How often a request is decided anew because another one of the same user came first. Eight devices that write at once
/// need about as many rounds in the worst case.
const ROUNDS: u32 = 20;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(2), longest: Duration::from_millis(100) };

/// The rounds of one request: load, decide, commit, and once more if the user's head has moved meanwhile.
pub struct Rounds<'a> {
    random: &'a dyn Random,
    lost: u32,
}

impl<'a> Rounds<'a> {
    /// The first round.
    pub const fn new(random: &'a dyn Random) -> Self {
        Self { random, lost: 0 }
    }

    /// Waits a random while before the next round; whether there is one: 20 are the most.
    pub async fn again(&mut self) -> bool {
        self.lost += 1;
        if self.lost == ROUNDS {
            return false;
        }
        tokio::time::sleep(BACKOFF.pause(self.lost - 1, self.random)).await;
        true
    }
}
