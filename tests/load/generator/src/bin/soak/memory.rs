use std::time::{Duration, Instant};

use tests::process_memory_kib;

/// Until then caches and pools fill.
const WARM_UP: Duration = Duration::from_secs(180);
/// So much more than at first may be there at last.
const FLAT: f64 = 1.2;
/// Fewer samples tell nothing.
const FEWEST: usize = 10;

/// How much memory a process takes, again and again.
pub(crate) struct Memory {
    process: u32,
    begun: Instant,
    /// Open files and connections at first.
    files: usize,
    /// Kilobytes, oldest first, with when that was.
    samples: Vec<(Duration, u64)>,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Self {
        let mut memory = Self { process, begun: Instant::now(), files: files(process), samples: Vec::new() };
        memory.sample();
        memory
    }

    pub(crate) fn sample(&mut self) {
        self.samples.push((self.begun.elapsed(), process_memory_kib(self.process, "VmRSS")));
    }

    /// The newest sample, in kilobytes.
    pub(crate) fn newest(&self) -> u64 {
        self.samples.last().map_or(0, |(_, size)| *size)
    }

    /// Prints what came of it; whether it did not grow.
    pub(crate) fn tell(&self) -> bool {
        println!("{:<22} {} at first, {} at last", "open files", self.files, files(self.process));
        let warm: Vec<u64> = self.samples.iter().filter(|(time, _)| *time >= WARM_UP).map(|(_, size)| *size).collect();
        if warm.len() < FEWEST {
            println!("{:<22} too short a time to tell whether it grows", "memory");
            return true;
        }
        let fifth = warm.len() / 5;
        let (first, last) = (median(&warm[..fifth]), median(&warm[warm.len() - fifth..]));
        let ratio = last as f64 / first as f64;
        let verdict = if ratio <= FLAT { "flat" } else { "it grows" };
        println!("{:<22} {} MB at first, {} MB at last: {ratio:.2}, {verdict}", "memory", first >> 10, last >> 10);
        ratio <= FLAT
    }
}

fn median(sizes: &[u64]) -> u64 {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    sizes[sizes.len() / 2]
}

fn files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("the server runs").count()
}
