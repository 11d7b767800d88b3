use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tests::{PASSWORD, Request, ServerProcess, process_memory_kib, saved_query};

use crate::account::{Account, time_of};
use crate::{median, ms, print_row};

/// Size of the largest accepted upload without the JSON around its items, in bytes.
const BYTES: usize = 10 * 1024 * 1024 - 300_000;
const ITEMS: usize = 1_000;

/// Measures CPU time and peak memory of the server process per kind of call; the baseline is `/health`.
pub(crate) async fn table() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let mut account = Account::of(&server.api, "ada").await;
    let baseline = measure(&server, vec![Request::get("/health"); 2_000]).await.0;
    let cursor = account.cursor().await;
    for (name, count, times) in [("upload of 1", 1, 500), ("upload of 100", 100, 100), ("upload of 1,000", 1_000, 20)] {
        let calls = (0..times).map(|_| account.upload(count)).collect();
        report(name, baseline, measure(&server, calls).await);
    }
    let login = tests::login_request("ada", PASSWORD);
    let now = account.cursor().await;
    for (name, call, times) in [
        ("poll of nothing", account.download(Some(&now), 1_000), 2_000),
        ("delta of 100", account.download(Some(&cursor), 100), 500),
        ("page of 1,000", account.download(None, 1_000), 100),
        ("login", login, 20),
    ] {
        report(name, baseline, measure(&server, vec![call; times]).await);
    }
    measure_largest_upload().await;
}

/// Measures the largest upload on a new server; the baseline is parsing its JSON.
async fn measure_largest_upload() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let account = Account::of(&server.api, "ada").await;
    let text = "x".repeat(BYTES / ITEMS - 200);
    let (mut baselines, mut times, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..5 {
        let change = |index: usize| {
            json!({ "item_type": "saved_query", "item_id": format!("{round}-{index}"), "action": "create",
                "sync_version": 0, "updated_at": "2026-01-01T00:00:00Z", "data": saved_query("Large", &text) })
        };
        let body = json!({ "device_id": "laptop", "changes": (0..ITEMS).map(change).collect::<Vec<_>>() }).to_string();
        let start = Instant::now();
        drop(serde_json::from_str::<Value>(&body).expect("JSON"));
        baselines.push(start.elapsed());
        let call = Request::new(Method::POST, "/api/sync/upload").body("application/json", body);
        let (time, peak) = measure(&server, vec![account.call(call)]).await;
        times.push(time);
        peaks.push(peak);
    }
    print_row("upload of 10 MB / reading its JSON", median(baselines), median(times));
    println!("{:<48} {:>21} MB, after five {:>4} MB", "memory for an upload of 10 MB", peaks[0], peaks[4]);
}

fn report(name: &str, baseline: Duration, (time, peak): (Duration, u64)) {
    let ratio = time.as_secs_f64() / baseline.as_secs_f64();
    println!("{name:<48} {:>8.3} ms {:>8.3} ms {ratio:>7.1} {peak:>5} MB", ms(baseline), ms(time));
}

/// Returns the average CPU time of `calls` and the peak memory of the server meanwhile, in megabytes.
pub(crate) async fn measure(server: &ServerProcess, calls: Vec<Request>) -> (Duration, u64) {
    let process = server.pid();
    // Resets the peak memory that the kernel records.
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the process is owned by this user");
    let (before, count) = (cpu_time(process), calls.len());
    for call in calls {
        time_of(&server.api, call).await;
    }
    (
        (cpu_time(process) - before) / u32::try_from(count).expect("the count fits"),
        process_memory_kib(process, "VmHWM") >> 10,
    )
}

/// Returns the CPU time of a process. The kernel reports it in hundredths of a second.
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process is running");
    let (_, rest) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
