//! Much at once: the most that the limits allow, and how long it takes.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tests::{Api, Device, Request, Response, ServerProcess, gzip, history, saved_query, zstd};

use crate::accounts::sign_up;

/// Most changes of an upload.
const CHANGES: usize = 5_000;
/// Items of the large account.
const ITEMS: usize = 100_000;
/// Items of an upload of 9 MB, and the length of each one's query.
const LARGE_ITEMS: usize = 3_000;
const QUERY_CHARS: usize = 2_750;

/// Tells a figure, for those who run with `--nocapture`.
#[expect(clippy::print_stdout, reason = "figures are wanted by whoever runs these tests")]
pub(crate) fn tell(what: &str) {
    println!("{what}");
}

fn tell_time(what: &str, started: Instant) {
    tell(&format!("{what}: {:.2} s", started.elapsed().as_secs_f64()));
}

struct Large {
    server: ServerProcess,
    token: String,
    _folder: tempfile::TempDir,
}

impl Large {
    async fn start() -> Self {
        let folder = tests::scratch_dir();
        let server = ServerProcess::start(folder.path()).await;
        let token = sign_up(&server.api, "ada").await;
        Self { server, token, _folder: folder }
    }

    fn api(&self) -> &Api {
        &self.server.api
    }

    fn device(&self, id: &str) -> Device {
        Device::new(self.api(), &self.token, id)
    }

    async fn upload(&self, kind: &str, body: impl Into<Vec<u8>>) -> Response {
        self.api().send(Request::new(Method::POST, "/api/sync/upload").body(kind, body).bearer(&self.token)).await
    }
}

/// An upload that makes the items `ids`.
fn making(kind: &str, ids: &[String], data: &Value) -> String {
    let change = |id| {
        json!({ "id": id, "item_type": kind, "item_id": id, "action": "create", "data": data,
            "updated_at": "2026-01-01T00:00:00Z", "sync_version": 0 })
    };
    let changes: Vec<Value> = ids.iter().map(change).collect();
    json!({ "device_id": "laptop", "changes": changes }).to_string()
}

#[tokio::test]
async fn five_thousand_entries_of_the_history_in_one_upload() {
    let large = Large::start().await;
    let ids: Vec<String> = (0..CHANGES).map(|index| format!("h{index}")).collect();
    let body = making("query_history", &ids, &history("select 1"));
    let started = Instant::now();
    let response = large.upload("application/json", body).await.expect(200);
    tell_time("5,000 entries of the history uploaded", started);
    assert_eq!(response["applied"].as_array().map(Vec::len), Some(CHANGES));
    let again = Instant::now();
    let mut phone = large.device("phone");
    phone.download().await;
    tell_time("and downloaded", again);
    assert_eq!(phone.known.len(), CHANGES);
}

#[tokio::test]
async fn one_change_too_many_is_refused() {
    let large = Large::start().await;
    let change = json!({ "item_type": "saved_query", "item_id": "q", "action": "delete",
        "updated_at": "2026-01-01T00:00:00Z" });
    let body = json!({ "device_id": "laptop", "changes": vec![change; CHANGES + 1] });
    let response = large.upload("application/json", body.to_string()).await;
    assert_eq!(response.expect_error(400, "INVALID_REQUEST")["details"][0]["field"], "changes");
}

#[tokio::test]
async fn a_hundred_thousand_items_reach_a_new_device() {
    let large = Large::start().await;
    let (mut first, mut last, started) = (None, Duration::ZERO, Instant::now());
    for upload in 0..ITEMS / CHANGES {
        let ids: Vec<String> = (0..CHANGES).map(|index| format!("q{upload}-{index}")).collect();
        let body = making("saved_query", &ids, &saved_query("orders", "select 1"));
        let begun = Instant::now();
        let response = large.upload("application/json", body).await.expect(200);
        last = begun.elapsed();
        first.get_or_insert(last);
        assert_eq!(response["applied"].as_array().map(Vec::len), Some(CHANGES), "{}", response["message"]);
    }
    tell_time("100,000 items uploaded", started);
    tell(&format!("the first 5,000 in {:?}, the last in {last:?}", first.unwrap_or_default()));

    let again = Instant::now();
    let (mut phone, mut pages) = (large.device("phone"), 0);
    loop {
        let page = phone.download_page().await;
        pages += 1;
        if page["has_more"] == false {
            break;
        }
    }
    tell_time(&format!("and downloaded in {pages} pages"), again);
    // The device itself sees to it that nothing comes twice.
    assert_eq!(phone.known.len(), ITEMS);
    assert_eq!(pages, ITEMS / 1_000);
    let status = large.api().send(Request::get("/api/sync/status").bearer(&large.token)).await.expect(200);
    assert_eq!(status["counts"]["saved_query"], ITEMS);
}

/// An upload of 9 MB, whose items are named after `name`.
fn nine_megabytes(name: &str) -> String {
    let mut dice = fastrand::Rng::with_seed(9);
    let changes: Vec<_> = (0..LARGE_ITEMS)
        .map(|index| {
            let words: String = (0..QUERY_CHARS / 5).map(|_| format!("{:04x} ", dice.u16(..))).collect();
            let data = saved_query(name, &format!("select '{words}'"));
            json!({ "item_type": "saved_query", "item_id": format!("{name}{index}"), "action": "create", "data": data,
                "updated_at": "2026-01-01T00:00:00Z" })
        })
        .collect();
    let body = json!({ "device_id": "laptop", "changes": changes }).to_string();
    assert!((8_500_000..10_000_000).contains(&body.len()), "{} bytes", body.len());
    body
}

#[tokio::test]
async fn nine_megabytes_in_every_kind() {
    let large = Large::start().await;
    for kind in ["application/json", "application/gzip", "application/zstd"] {
        let plain = nine_megabytes(kind).into_bytes();
        let body = match kind {
            "application/gzip" => gzip(&plain),
            "application/zstd" => zstd(&plain),
            _ => plain,
        };
        let (bytes, started) = (body.len(), Instant::now());
        let response = large.upload(kind, body).await.expect(200);
        tell_time(&format!("9 MB as {bytes} bytes of {kind}"), started);
        assert_eq!(response["applied"].as_array().map(Vec::len), Some(LARGE_ITEMS), "{}", response["message"]);
    }
    let mut phone = large.device("phone");
    let started = Instant::now();
    phone.download().await;
    tell_time("27 MB downloaded", started);
    assert_eq!(phone.known.len(), 3 * LARGE_ITEMS);
}

#[tokio::test]
async fn what_is_too_large_is_refused_however_it_is_packed() {
    let large = Large::start().await;
    let too_large = b" ".repeat(11 * 1024 * 1024);
    let bomb = b" ".repeat(1_000_000_000);
    let started = Instant::now();
    for (kind, body) in [
        ("application/json", too_large.clone()),
        ("application/gzip", gzip(&too_large)),
        ("application/zstd", zstd(&too_large)),
        ("application/gzip", gzip(&bomb)),
    ] {
        large.upload(kind, body).await.expect_error(413, "PAYLOAD_TOO_LARGE");
    }
    tell_time("four that were too large refused", started);
}
