//! Time and randomness as dependencies that are passed in, so that tests control both.
//!
//! Only this module asks the operating system for them. `clippy.toml` forbids it everywhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::models::Timestamp;

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// Current time of this machine. It may jump in either direction. Code that needs an order uses the user's head instead
    /// (see [`crate::sync`]).
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl SystemClock {
    /// Returns the time left until `deadline`, which is in milliseconds since 1970, as in Lambda's context. Zero if it has
    /// passed.
    pub fn until_ms(&self, deadline: u64) -> Duration {
        let now = u64::try_from(self.now().micros() / 1_000).unwrap_or_default();
        Duration::from_millis(deadline.saturating_sub(now))
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

/// A clock that stands still until it is set. For tests, and for `purge --now TIME`.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Creates a clock that shows `time`.
    pub fn at(time: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(time.micros())))
    }

    /// Sets the clock to `time`.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.micros(), Ordering::SeqCst);
    }

    /// Advances the clock by `seconds`, which may be negative.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The random number generator of the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads system randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        // Without randomness, neither tokens nor salts are safe. The process must not continue.
        getrandom::fill(buffer).expect("the operating system provides randomness");
    }
}

/// Returns `N` new random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// Returns a new random UUID (version 4).
pub fn random_uuid(random: &dyn Random) -> uuid::Uuid {
    uuid::Builder::from_random_bytes(random_bytes(random)).into_uuid()
}
