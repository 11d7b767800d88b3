//! `tests/load/figures [TABLE…]`: what operations cost, beside bare floors that are measured in turns with them, so that a
//! slow moment strikes both alike. Each figure is a median. The service runs in this process, on the embedded stores, with its
//! files in memory; `server` starts the server itself, and `requests` real stores.
#![expect(clippy::print_stdout, reason = "figures are what whoever runs this wants to see")]

mod account;
mod downloads;
mod floor;
mod growth;
mod logins;
mod requests;
mod server;
mod uploads;

use std::time::Duration;

/// The tables, by their names.
const TABLES: [&str; 6] = ["uploads", "downloads", "growth", "logins", "requests", "server"];

#[tokio::main]
async fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = asked.iter().find(|name| !TABLES.contains(&name.as_str())) {
        panic!("there is no table {unknown}; there are: {}", TABLES.join(" "));
    }
    for table in TABLES.into_iter().filter(|table| asked.is_empty() || asked.iter().any(|name| name == table)) {
        let columns = match table {
            "requests" => ["PostgreSQL", "libSQL", "Redis"],
            "server" => ["/health", "processor", "ratio"],
            _ => ["floor", "ours", "ratio"],
        };
        println!("\n{table:<48} {:>11} {:>11} {:>7}", columns[0], columns[1], columns[2]);
        match table {
            "uploads" => uploads::table().await,
            "downloads" => downloads::table().await,
            "growth" => growth::table().await,
            "logins" => logins::table().await,
            "requests" => requests::table().await,
            _ => server::table().await,
        }
    }
}

/// Has two things done in turns, `rounds` times each, and prints a line of the table. Each tells how long it took.
async fn compare(
    what: &str,
    rounds: usize,
    mut floor: impl AsyncFnMut() -> Duration,
    mut ours: impl AsyncFnMut() -> Duration,
) {
    let (mut floors, mut all) = (Vec::new(), Vec::new());
    // The first of each is for caches and pools.
    for round in 0..=rounds {
        let (floor, ours) = (floor().await, ours().await);
        if round > 0 {
            floors.push(floor);
            all.push(ours);
        }
    }
    line(what, median(floors), median(all));
}

fn line(what: &str, floor: Duration, ours: Duration) {
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("{what:<48} {:>8.3} ms {:>8.3} ms {ratio:>7.2}", ms(floor), ms(ours));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
