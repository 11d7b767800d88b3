use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Request, Response, TestUser, saved_query};

use crate::Latencies;

/// Rounds of an account, each with two uploads and four downloads. Rate limits allow 10 uploads and 20 downloads per minute.
const ROUNDS: usize = 5;
/// Items of a large upload.
const ITEMS: usize = 100;

/// Measures the calls of `user`, a new account.
pub(crate) async fn measure(user: &TestUser, latencies: &mut Latencies) {
    let mut since = String::new();
    for round in 0..ROUNDS {
        for (count, upload, download) in
            [(1, "upload of 1 item", "download of 1 item"), (ITEMS, "upload of 100 items", "download of 100 items")]
        {
            let body = changes(round, count);
            time(user, upload, Request::post("/api/sync/upload", &body), latencies).await;
            since = cursor(&time(user, download, request(&since), latencies).await);
            let poll = time(user, "poll without changes", request(&since), latencies).await;
            since = cursor(&poll);
        }
        time(user, "status", Request::get("/api/sync/status"), latencies).await;
    }
}

/// Returns an upload of `count` new items.
fn changes(round: usize, count: usize) -> Value {
    let change = |index: usize| {
        let id = format!("{round}-{count}-{index}");
        let data = saved_query("Largest orders", "SELECT id, total FROM orders ORDER BY total DESC LIMIT 100");
        json!({ "id": id, "item_type": "saved_query", "item_id": id, "action": "create", "sync_version": 0, "data": data,
            "updated_at": "2026-01-01T00:00:00Z" })
    };
    json!({ "device_id": "laptop", "changes": (0..count).map(change).collect::<Vec<_>>() })
}

/// Returns a download since the cursor `since`, or of everything if it is empty.
fn request(since: &str) -> Request {
    let since = if since.is_empty() { String::new() } else { format!("&since={since}") };
    Request::get(format!("/api/sync/download?device_id=phone{since}"))
}

fn cursor(page: &Response) -> String {
    let page = page.json();
    page["sync_timestamp"].as_str().expect("a page has a cursor").to_owned()
}

/// Sends `request` and records its latency as that of a `call`. Waits as long as a rate limit asks for, and sends it again.
async fn time(user: &TestUser, call: &'static str, request: Request, latencies: &mut Latencies) -> Response {
    loop {
        let start = Instant::now();
        let response = user.send(request.clone()).await;
        let latency = start.elapsed();
        if response.status == 429 {
            let seconds = response.header("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            continue;
        }
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        latencies.entry(call).or_default().push(latency);
        return response;
    }
}
