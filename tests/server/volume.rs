//! Uploads and downloads at the limits, with their durations.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tests::{Api, Device, Request, Response, ServerProcess, gzip, history, saved_query, zstd};

use crate::target::sign_up;

/// Maximum number of changes in an upload.
const CHANGES: usize = 5_000;
/// Number of items of the fixture account.
const ITEMS: usize = 100_000;
/// Number of items in an upload of 9 MB.
const LARGE_ITEMS: usize = 3_000;
/// Length of the query of each of these items.
const QUERY_CHARS: usize = 2_750;

/// Prints a figure, visible with `--nocapture`.
#[expect(clippy::print_stdout, reason = "the figures are part of the output")]
pub(crate) fn print_figure(text: &str) {
    println!("{text}");
}

fn print_duration(text: &str, started: Instant) {
    print_figure(&format!("{text}: {:.2} s", started.elapsed().as_secs_f64()));
}

/// Server with one account.
struct Fixture {
    server: ServerProcess,
    token: String,
    _folder: tempfile::TempDir,
}

impl Fixture {
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

    async fn upload(&self, media_type: &str, body: impl Into<Vec<u8>>) -> Response {
        self.api().send(Request::new(Method::POST, "/api/sync/upload").body(media_type, body).bearer(&self.token)).await
    }
}

/// Returns the body of an upload that creates the items `ids`.
fn upload_creating(item_type: &str, ids: &[String], data: &Value) -> String {
    let change = |id| {
        json!({ "id": id, "item_type": item_type, "item_id": id, "action": "create", "data": data,
            "updated_at": "2026-01-01T00:00:00Z", "sync_version": 0 })
    };
    let changes: Vec<Value> = ids.iter().map(change).collect();
    json!({ "device_id": "laptop", "changes": changes }).to_string()
}

#[tokio::test]
async fn upload_of_5000_history_entries_succeeds() {
    let fixture = Fixture::start().await;
    let ids: Vec<String> = (0..CHANGES).map(|index| format!("h{index}")).collect();
    let body = upload_creating("query_history", &ids, &history("select 1"));
    let started = Instant::now();
    let response = fixture.upload("application/json", body).await.expect(200);
    print_duration("5,000 entries of the history uploaded", started);
    assert_eq!(response["applied"].as_array().map(Vec::len), Some(CHANGES));
    let again = Instant::now();
    let mut phone = fixture.device("phone");
    phone.download().await;
    print_duration("and downloaded", again);
    assert_eq!(phone.known.len(), CHANGES);
}

#[tokio::test]
async fn upload_with_too_many_changes_is_rejected() {
    let fixture = Fixture::start().await;
    let change = json!({ "item_type": "saved_query", "item_id": "q", "action": "delete",
        "updated_at": "2026-01-01T00:00:00Z" });
    let body = json!({ "device_id": "laptop", "changes": vec![change; CHANGES + 1] });
    let response = fixture.upload("application/json", body.to_string()).await;
    assert_eq!(response.expect_error(400, "INVALID_REQUEST")["details"][0]["field"], "changes");
}

#[tokio::test]
async fn new_device_downloads_100000_items() {
    let fixture = Fixture::start().await;
    let (mut first, mut last, started) = (None, Duration::ZERO, Instant::now());
    for upload in 0..ITEMS / CHANGES {
        let ids: Vec<String> = (0..CHANGES).map(|index| format!("q{upload}-{index}")).collect();
        let body = upload_creating("saved_query", &ids, &saved_query("orders", "select 1"));
        let upload_started = Instant::now();
        let response = fixture.upload("application/json", body).await.expect(200);
        last = upload_started.elapsed();
        first.get_or_insert(last);
        assert_eq!(response["applied"].as_array().map(Vec::len), Some(CHANGES), "{}", response["message"]);
    }
    print_duration("100,000 items uploaded", started);
    print_figure(&format!("the first 5,000 in {:?}, the last in {last:?}", first.unwrap_or_default()));

    let again = Instant::now();
    let (mut phone, mut pages) = (fixture.device("phone"), 0);
    loop {
        let page = phone.download_page().await;
        pages += 1;
        if page["has_more"] == false {
            break;
        }
    }
    print_duration(&format!("and downloaded in {pages} pages"), again);
    // `Device` asserts that no item is downloaded twice.
    assert_eq!(phone.known.len(), ITEMS);
    assert_eq!(pages, ITEMS / 1_000);
    let status = fixture.api().send(Request::get("/api/sync/status").bearer(&fixture.token)).await.expect(200);
    assert_eq!(status["counts"]["saved_query"], ITEMS);
}

/// Returns the body of an upload of 9 MB. Item ids start with `name`.
fn nine_megabytes(name: &str) -> String {
    let mut rng = fastrand::Rng::with_seed(9);
    let changes: Vec<_> = (0..LARGE_ITEMS)
        .map(|index| {
            let words: String = (0..QUERY_CHARS / 5).map(|_| format!("{:04x} ", rng.u16(..))).collect();
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
async fn nine_megabyte_upload_succeeds_in_every_encoding() {
    let fixture = Fixture::start().await;
    for media_type in ["application/json", "application/gzip", "application/zstd"] {
        let plain = nine_megabytes(media_type).into_bytes();
        let body = match media_type {
            "application/gzip" => gzip(&plain),
            "application/zstd" => zstd(&plain),
            _ => plain,
        };
        let (bytes, started) = (body.len(), Instant::now());
        let response = fixture.upload(media_type, body).await.expect(200);
        print_duration(&format!("9 MB as {bytes} bytes of {media_type}"), started);
        assert_eq!(response["applied"].as_array().map(Vec::len), Some(LARGE_ITEMS), "{}", response["message"]);
    }
    let mut phone = fixture.device("phone");
    let started = Instant::now();
    phone.download().await;
    print_duration("27 MB downloaded", started);
    assert_eq!(phone.known.len(), 3 * LARGE_ITEMS);
}

#[tokio::test]
async fn oversized_upload_is_rejected_in_every_encoding() {
    let fixture = Fixture::start().await;
    let too_large = b" ".repeat(11 * 1024 * 1024);
    let bomb = b" ".repeat(1_000_000_000);
    let started = Instant::now();
    for (media_type, body) in [
        ("application/json", too_large.clone()),
        ("application/gzip", gzip(&too_large)),
        ("application/zstd", zstd(&too_large)),
        ("application/gzip", gzip(&bomb)),
    ] {
        fixture.upload(media_type, body).await.expect_error(413, "PAYLOAD_TOO_LARGE");
    }
    print_duration("four oversized uploads rejected", started);
}
