//! What the server tells of itself: metrics for Prometheus, and the name that a user has in the log.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::json;
use tests::{Request, ServerProcess, eventually};
use tokio::process::Command;

use crate::accounts::sign_up;
use crate::routes::upload;

/// An address that was free a moment ago.
fn address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").to_string()
}

async fn metrics(address: &str) -> String {
    let client = shared::http_client::new().expect("there can be a client");
    let response = client.get(format!("http://{address}/metrics")).send().await.expect("it answers");
    response.text().await.expect("a text")
}

#[tokio::test]
async fn prometheus_finds_what_happened() {
    let (folder, address) = (tests::scratch_dir(), address());
    let server = ServerProcess::start_with(folder.path(), &[("METRICS_LISTEN", &address)]).await;
    let token = sign_up(&server.api, "ada").await;
    server.api.send(Request::post("/api/sync/upload", &upload()).bearer(&token)).await.expect(200);
    let wrong = json!({ "username": "ada", "password": "Wrong-sesame42" });
    server.api.send(Request::post("/api/auth/login", &wrong)).await.expect(401);
    eventually("the mail", async || metrics(&address).await.contains("mails_sent 1").then_some(())).await;
    let text = metrics(&address).await;
    for line in [
        "requests{route=\"/api/sync/upload\",outcome=\"success\"} 1",
        "requests{route=\"/api/auth/login\",outcome=\"refused\"} 1",
        "active_users 1",
        "upload_changes_count 1",
        "# HELP upload_bytes size of the JSON of an upload, decompressed",
        "# TYPE request_ms summary",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing: {text}");
    }
    assert!(text.contains("request_ms{route=\"/api/sync/upload\",outcome=\"success\",quantile=\"0.95\"}"), "{text}");
    let names: BTreeSet<_> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    assert!(names.contains("libsql_ms") || names.contains("postgres_ms"), "{names:?}");
}

#[tokio::test]
async fn a_place_for_metrics_that_is_taken_is_said() {
    let (folder, taken) = (tests::scratch_dir(), TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let address = taken.local_addr().expect("it has an address").to_string();
    let run = Command::new(ServerProcess::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--metrics", &address, "--data"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let output =
        tokio::time::timeout(std::time::Duration::from_secs(30), run).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(&address), "{said}");
}

#[tokio::test]
async fn a_user_is_found_in_the_log_by_a_name_that_the_key_makes() {
    let folder = tests::scratch_dir();
    let name = async |key: &str, user: &str| {
        let run = Command::new(ServerProcess::binary())
            .args(["pseudonym", user, "--data"])
            .arg(folder.path())
            .env("JWT_SECRET", key)
            .output();
        let output = run.await.expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("a text").trim().to_owned()
    };
    let [ada, bob] = ["01989f0e-2f6b-7000-8000-000000000001", "01989f0e-2f6b-7000-8000-000000000002"];
    let (key, other) = ("a signing key for tests, 32 bytes", "another key for these tests, 32 bytes");
    let first = name(key, ada).await;
    assert_eq!(first.len(), 16, "{first}");
    assert_eq!(name(key, ada).await, first);
    assert_ne!(name(key, bob).await, first);
    assert_ne!(name(other, ada).await, first, "without the key nobody can tell");
}
