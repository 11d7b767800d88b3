//! CPU time of a scan in nanoseconds per byte: other processes do not count. The shortest of several runs does, because caches
//! only add to it.

use std::fs::read_to_string;
use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Labelled items, of which only the data matters here.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/seen.jsonl");

/// Fields of an item with a text: a statement, and prose.
pub(crate) const FIELDS: [&str; 2] = ["query", "description"];

/// Number of runs, and the time after which no further one starts, because it would differ little.
const RUNS: usize = 3;
const ENOUGH: Duration = Duration::from_millis(100);

/// The only call of the scanner.
fn scan(value: &Value) -> bool {
    secret_scan::find(value) != Ok(None)
}

/// The ordinary items that the costs are compared with.
pub(crate) fn corpus() -> Vec<Value> {
    let data = |line| serde_json::from_str::<Value>(line).expect("each line is JSON")["data"].take();
    read_to_string(CORPUS).expect("the corpus is part of the repository").lines().map(data).collect()
}

/// The cost of a scan of the corpus, per byte of JSON.
pub(crate) fn ordinary(corpus: &[Value]) -> f64 {
    let bytes = corpus.iter().map(|item| item.to_string().len()).sum();
    shortest(bytes, 0.0, || corpus.iter().filter(|item| scan(item)).count())
}

/// The cost of `text` in the field where it is higher. It is exact only above `threshold`.
pub(crate) fn cost(text: &str, threshold: f64) -> (f64, &'static str) {
    let [statement, prose] = FIELDS;
    let in_statement = in_field(statement, text, threshold);
    let in_prose = in_field(prose, text, threshold.max(in_statement));
    if in_statement < in_prose { (in_prose, prose) } else { (in_statement, statement) }
}

/// The cost of `text` in `field`. It is exact only above `threshold`.
pub(crate) fn in_field(field: &str, text: &str, threshold: f64) -> f64 {
    let value = json!({ field: text });
    shortest(text.len(), threshold, || scan(&value))
}

/// CPU time of this thread, in nanoseconds.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The cost of the shortest run. One below `threshold` ends the measurement.
fn shortest<T>(bytes: usize, threshold: f64, mut run: impl FnMut() -> T) -> f64 {
    let (start, mut shortest) = (Instant::now(), f64::INFINITY);
    for _ in 0..RUNS {
        let started = cpu_time();
        black_box(run());
        shortest = shortest.min((cpu_time() - started) / bytes as f64);
        if shortest < threshold || start.elapsed() > ENOUGH {
            break;
        }
    }
    shortest
}
