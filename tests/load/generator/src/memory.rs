use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tests::{Call, ServerProcess, saved_query};

use crate::{line, median};

/// The largest upload that is taken, less what its frame takes.
const BYTES: usize = 10 * 1024 * 1024 - 300_000;
const ITEMS: usize = 1_000;

/// What the server takes for the largest upload: processor time, beside that of reading its JSON alone, and its peak memory.
pub(crate) async fn table() {
    let folder = tests::scratch();
    let server = ServerProcess::start_with(folder.path(), &[("RATE_LIMITS", "off")]).await;
    let session = server.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token");
    let text = "x".repeat(BYTES / ITEMS - 200);
    let (mut floors, mut all) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let change = |index: usize| {
            json!({ "item_type": "saved_query", "item_id": format!("{round}-{index}"), "action": "create",
                "sync_version": 0, "updated_at": "2026-01-01T00:00:00Z", "data": saved_query("Large", &text) })
        };
        let body = json!({ "device_id": "laptop", "changes": (0..ITEMS).map(change).collect::<Vec<_>>() }).to_string();
        let begun = Instant::now();
        drop(serde_json::from_str::<Value>(&body).expect("JSON"));
        floors.push(begun.elapsed());
        let call = Call::new(Method::POST, "/api/sync/upload").body("application/json", body).bearer(token);
        let before = cpu(server.id());
        server.api.send(call).await.expect(200);
        all.push(cpu(server.id()) - before);
        if round == 0 {
            println!("{:<44} {:>35} MB", "peak memory of the server, after one of 10 MB", peak(server.id()) >> 10);
        }
    }
    line("processor time of 10 MB / reading its JSON", median(floors), median(all));
    println!("{:<44} {:>35} MB", "peak memory of the server, after five", peak(server.id()) >> 10);
}

/// The processor time that a process has had; the kernel counts in hundredths of a second.
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The most kilobytes that a process has had in memory.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it has a peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}
