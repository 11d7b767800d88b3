use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tests::{PASSWORD, Request, ServerProcess, process_memory_kib, saved_query};

use crate::account::{Account, time_of};
use crate::{line, median, ms};

/// The largest upload that is taken, less what its frame takes.
const BYTES: usize = 10 * 1024 * 1024 - 300_000;
const ITEMS: usize = 1_000;

/// What the server's own process takes for each kind of call: processor time, beside that of a call that does nothing, and the
/// most memory that it has had meanwhile.
pub(crate) async fn table() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let mut account = Account::of(&server.api, "ada").await;
    let floor = taken(&server, vec![Request::get("/health"); 2_000]).await.0;
    let cursor = account.cursor().await;
    for (what, count, times) in [("upload of 1", 1, 500), ("upload of 100", 100, 100), ("upload of 1,000", 1_000, 20)] {
        let calls = (0..times).map(|_| account.upload(count)).collect();
        report(what, floor, taken(&server, calls).await);
    }
    let login = tests::login_request("ada", PASSWORD);
    let now = account.cursor().await;
    for (what, call, times) in [
        ("poll of nothing", account.download(Some(&now), 1_000), 2_000),
        ("delta of 100", account.download(Some(&cursor), 100), 500),
        ("page of 1,000", account.download(None, 1_000), 100),
        ("login", login, 20),
    ] {
        report(what, floor, taken(&server, vec![call; times]).await);
    }
    largest().await;
}

/// The largest upload, beside the time that it takes to read its JSON alone; of a server that has done nothing before.
async fn largest() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let account = Account::of(&server.api, "ada").await;
    let text = "x".repeat(BYTES / ITEMS - 200);
    let (mut floors, mut all, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..5 {
        let change = |index: usize| {
            json!({ "item_type": "saved_query", "item_id": format!("{round}-{index}"), "action": "create",
                "sync_version": 0, "updated_at": "2026-01-01T00:00:00Z", "data": saved_query("Large", &text) })
        };
        let body = json!({ "device_id": "laptop", "changes": (0..ITEMS).map(change).collect::<Vec<_>>() }).to_string();
        let begun = Instant::now();
        drop(serde_json::from_str::<Value>(&body).expect("JSON"));
        floors.push(begun.elapsed());
        let call = Request::new(Method::POST, "/api/sync/upload").body("application/json", body);
        let (time, peak) = taken(&server, vec![account.call(call)]).await;
        all.push(time);
        peaks.push(peak);
    }
    line("upload of 10 MB / reading its JSON", median(floors), median(all));
    println!("{:<48} {:>21} MB, after five {:>4} MB", "memory for an upload of 10 MB", peaks[0], peaks[4]);
}

fn report(what: &str, floor: Duration, (time, peak): (Duration, u64)) {
    let ratio = time.as_secs_f64() / floor.as_secs_f64();
    println!("{what:<48} {:>8.3} ms {:>8.3} ms {ratio:>7.1} {peak:>5} MB", ms(floor), ms(time));
}

/// The processor time that each of `calls` takes on average, and the most megabytes that the server has meanwhile.
async fn taken(server: &ServerProcess, calls: Vec<Request>) -> (Duration, u64) {
    let process = server.pid();
    // The kernel then counts the peak anew.
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the process is ours");
    let (before, count) = (cpu(process), calls.len());
    for call in calls {
        time_of(&server.api, call).await;
    }
    ((cpu(process) - before) / u32::try_from(count).expect("not that many"), process_memory_kib(process, "VmHWM") >> 10)
}

/// The processor time that a process has had; the kernel counts in hundredths of a second.
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
