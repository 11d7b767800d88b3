use std::time::{Duration, Instant};

use tests::process_memory_kib;

/// Time in which caches and pools fill; earlier samples are ignored.
const WARM_UP: Duration = Duration::from_secs(180);
/// Maximum ratio of the memory at the end to the memory after warm-up.
const MAX_GROWTH: f64 = 1.2;
/// Minimum number of samples for a result.
const MIN_SAMPLES: usize = 10;

/// Memory samples of a process.
pub(crate) struct Memory {
    process: u32,
    start: Instant,
    /// Number of open files and connections at the start.
    files: usize,
    /// Resident memory in kilobytes with the elapsed time, oldest first.
    samples: Vec<(Duration, u64)>,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Self {
        let mut memory = Self { process, start: Instant::now(), files: files(process), samples: Vec::new() };
        memory.sample();
        memory
    }

    pub(crate) fn sample(&mut self) {
        self.samples.push((self.start.elapsed(), process_memory_kib(self.process, "VmRSS")));
    }

    /// Returns the newest sample, in kilobytes.
    pub(crate) fn newest(&self) -> u64 {
        self.samples.last().map_or(0, |(_, size)| *size)
    }

    /// Prints the result; returns whether memory did not grow.
    pub(crate) fn report(&self) -> bool {
        println!("{:<22} {} at the start, {} at the end", "open files", self.files, files(self.process));
        let warm: Vec<u64> = self.samples.iter().filter(|(time, _)| *time >= WARM_UP).map(|(_, size)| *size).collect();
        if warm.len() < MIN_SAMPLES {
            println!("{:<22} too few samples to detect growth", "memory");
            return true;
        }
        let fifth = warm.len() / 5;
        let (first, last) = (median(&warm[..fifth]), median(&warm[warm.len() - fifth..]));
        let ratio = last as f64 / first as f64;
        let verification = if ratio <= MAX_GROWTH { "flat" } else { "growing" };
        println!(
            "{:<22} {} MB at the start, {} MB at the end: {ratio:.2}, {verification}",
            "memory",
            first >> 10,
            last >> 10
        );
        ratio <= MAX_GROWTH
    }
}

fn median(sizes: &[u64]) -> u64 {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    sizes[sizes.len() / 2]
}

fn files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("the server is running").count()
}
