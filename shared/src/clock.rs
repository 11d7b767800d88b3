//! The ambient world, passed in: what time it is, and randomness.
//!
//! Nothing else in the project may ask the operating system for either (`clippy.toml` bans it), so that every test can
//! decide both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::models::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment, by this machine. It may jump in either direction; whoever needs an order derives it from the
    /// user's head instead (see [`crate::sync`]).
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl SystemClock {
    /// How long it is until `deadline`, in milliseconds since 1970: as Lambda tells its deadlines.
    pub fn until_ms(&self, deadline: u64) -> Duration {
        let now = u64::try_from(self.now().micros() / 1_000).unwrap_or_default();
        Duration::from_millis(deadline.saturating_sub(now))
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

/// A clock that stands still until it is moved; for tests, and for `purge --now TIME`.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `time`.
    pub fn at(time: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(time.micros())))
    }

    /// Shows `time` from now on.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.micros(), Ordering::SeqCst);
    }

    /// Moves on by `seconds`, which may be negative.
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
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        // Without randomness there are no tokens and no salts: nothing sensible can go on.
        getrandom::fill(buffer).expect("the operating system provides randomness");
    }
}

/// `N` fresh random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// A fresh random UUID (version 4).
pub fn random_uuid(random: &dyn Random) -> uuid::Uuid {
    uuid::Builder::from_random_bytes(random_bytes(random)).into_uuid()
}
