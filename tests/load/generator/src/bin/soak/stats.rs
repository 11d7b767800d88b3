use std::time::Duration;

/// Response counts and latencies of one kind of request.
#[derive(Default)]
pub(crate) struct Stats {
    /// 2xx.
    success: usize,
    /// 429.
    limited: usize,
    /// 503.
    unavailable: usize,
    /// All other statuses.
    other: usize,
    times: Vec<Duration>,
}

impl Stats {
    pub(crate) fn add(&mut self, status: u16, took: Duration) {
        match status {
            200..300 => self.success += 1,
            429 => self.limited += 1,
            503 => self.unavailable += 1,
            _ => self.other += 1,
        }
        self.times.push(took);
    }

    /// Adds the counts and latencies of `other`.
    pub(crate) fn join(&mut self, other: &Self) {
        self.success += other.success;
        self.limited += other.limited;
        self.unavailable += other.unavailable;
        self.other += other.other;
        self.times.extend(&other.times);
    }

    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    /// Returns a summary line.
    pub(crate) fn line(&mut self) -> String {
        self.times.sort();
        let ms = |percent: usize| {
            let index = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
            self.times.get(index).map_or(0.0, Duration::as_secs_f64) * 1_000.0
        };
        format!(
            "2xx {:>7}  429 {:>4}  503 {:>5}  other {:>4}  p50 {:>7.1} ms  p99 {:>8.1} ms",
            self.success,
            self.limited,
            self.unavailable,
            self.other,
            ms(50),
            ms(99)
        )
    }
}
