//! Latency of a deployment as one client sees it, `tests/load/latency [ACCOUNTS]`: the requests follow each other on one connection.
//! Each account makes as many uploads and downloads as its rate limits allow at once, and is deleted at the end.
#![expect(clippy::print_stdout, reason = "the results are the output of this program")]

mod calls;

use std::collections::BTreeMap;
use std::time::Duration;

use tests::ServerProcess;
use tests::deployment::{Deployment, TemporaryAccount};

/// Accounts without an argument. An address may call for 20 accounts per minute.
const ACCOUNTS: usize = 5;

/// Latencies of the kinds of calls.
type Latencies = BTreeMap<&'static str, Vec<Duration>>;

#[tokio::main]
async fn main() {
    let accounts = std::env::args().nth(1).map_or(ACCOUNTS, |count| count.parse().expect("ACCOUNTS is a number"));
    let folder = tests::scratch_dir();
    let (deployment, _server) = match Deployment::from_env() {
        Some(deployment) => (deployment, None),
        None => {
            let server = ServerProcess::start_with(folder.path(), &[]).await;
            (Deployment::at(&server.base_url, None, None), Some(server))
        }
    };
    let mut latencies = Latencies::new();
    for _ in 0..accounts {
        TemporaryAccount::with(&deployment.api, async |account| calls::measure(&account.user, &mut latencies).await)
            .await;
    }
    println!("| call | calls | p50 | p95 | longest |\n| --- | ---: | ---: | ---: | ---: |");
    for (call, mut times) in latencies {
        times.sort();
        let [p50, p95, longest] = [50, 95, 100].map(|percent| percentile(&times, percent).as_secs_f64() * 1_000.0);
        println!("| {call} | {} | {p50:.1} ms | {p95:.1} ms | {longest:.1} ms |", times.len());
    }
}

/// Returns the smallest of the sorted `times` that `percent` of them do not exceed.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent).div_ceil(100).max(1) - 1]
}
