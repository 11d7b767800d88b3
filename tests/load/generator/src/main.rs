//! Benchmarks, `tests/load/figures [TABLE…]`: measures operations and their baselines alternately, so that a slow
//! moment affects both. Each value is a median. The service runs in this process on the embedded stores, with files in
//! memory; `server`, `pages` and `hostile` start the server binary, and `requests` uses real stores.
#![expect(clippy::print_stdout, reason = "the results are the output of this program")]

mod account;
mod baseline;
mod downloads;
mod growth;
mod hostile;
mod logins;
mod pages;
mod requests;
mod server;
mod uploads;

use std::time::Duration;

/// Names of all tables.
const TABLES: [&str; 8] = ["uploads", "downloads", "growth", "logins", "requests", "server", "pages", "hostile"];

#[tokio::main]
async fn main() {
    let requested: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = requested.iter().find(|name| !TABLES.contains(&name.as_str())) {
        panic!("unknown table {unknown}; available: {}", TABLES.join(" "));
    }
    for table in TABLES.into_iter().filter(|table| requested.is_empty() || requested.iter().any(|name| name == table)) {
        let columns = match table {
            "requests" => ["PostgreSQL", "libSQL", "Redis"],
            "server" => ["/health", "processor", "ratio"],
            "pages" => ["", "written", ""],
            "hostile" => ["ordinary", "processor", "ratio"],
            _ => ["baseline", "service", "ratio"],
        };
        println!("\n{table:<48} {:>11} {:>11} {:>7}", columns[0], columns[1], columns[2]);
        match table {
            "uploads" => uploads::table().await,
            "downloads" => downloads::table().await,
            "growth" => growth::table().await,
            "logins" => logins::table().await,
            "requests" => requests::table().await,
            "pages" => pages::table().await,
            "hostile" => hostile::table().await,
            _ => server::table().await,
        }
    }
}

/// Runs two operations alternately, `rounds` times each, and prints a row of the table. Each operation returns its
/// duration.
async fn compare(
    name: &str,
    rounds: usize,
    mut baseline: impl AsyncFnMut() -> Duration,
    mut service: impl AsyncFnMut() -> Duration,
) {
    let (mut baselines, mut times) = (Vec::new(), Vec::new());
    // The first round fills caches and pools.
    for round in 0..=rounds {
        let (baseline, service) = (baseline().await, service().await);
        if round > 0 {
            baselines.push(baseline);
            times.push(service);
        }
    }
    print_row(name, median(baselines), median(times));
}

fn print_row(name: &str, baseline: Duration, service: Duration) {
    let ratio = service.as_secs_f64() / baseline.as_secs_f64();
    println!("{name:<48} {:>8.3} ms {:>8.3} ms {ratio:>7.2}", ms(baseline), ms(service));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
