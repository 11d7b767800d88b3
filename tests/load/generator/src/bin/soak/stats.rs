use std::time::Duration;

/// How often something was asked, and what came of it.
#[derive(Default)]
pub(crate) struct Figures {
    /// 2xx.
    well: usize,
    /// 429.
    limited: usize,
    /// 503.
    out: usize,
    /// Whatever else was answered, by right or not.
    other: usize,
    times: Vec<Duration>,
}

impl Figures {
    pub(crate) fn add(&mut self, status: u16, took: Duration) {
        match status {
            200..300 => self.well += 1,
            429 => self.limited += 1,
            503 => self.out += 1,
            _ => self.other += 1,
        }
        self.times.push(took);
    }

    /// Adds what `other` has counted.
    pub(crate) fn join(&mut self, other: &Self) {
        self.well += other.well;
        self.limited += other.limited;
        self.out += other.out;
        self.other += other.other;
        self.times.extend(&other.times);
    }

    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    /// All of it in a line.
    pub(crate) fn line(&mut self) -> String {
        self.times.sort();
        let ms = |percent: usize| {
            let place = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
            self.times.get(place).map_or(0.0, Duration::as_secs_f64) * 1_000.0
        };
        format!(
            "2xx {:>7}  429 {:>4}  503 {:>5}  other {:>4}  p50 {:>7.1} ms  p99 {:>8.1} ms",
            self.well,
            self.limited,
            self.out,
            self.other,
            ms(50),
            ms(99)
        )
    }
}
