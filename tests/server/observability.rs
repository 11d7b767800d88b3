//! Observability: Prometheus metrics, and pseudonyms of users in logs.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::json;
use tests::{Request, ServerProcess, eventually};
use tokio::process::Command;

use crate::routes::upload;
use crate::target::sign_up;

/// Returns a local address that was free just now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("the listener has an address").to_string()
}

async fn metrics(address: &str) -> String {
    let client = shared::http_client::new().expect("an HTTP client can be created");
    let response = client.get(format!("http://{address}/metrics")).send().await.expect("the server responds");
    response.text().await.expect("a text")
}

#[tokio::test]
async fn prometheus_metrics_count_requests() {
    let (folder, address) = (tests::scratch_dir(), free_address());
    let server = ServerProcess::start_with(folder.path(), &[("METRICS_LISTEN", &address)]).await;
    let token = sign_up(&server.api, "ada").await;
    server.api.send(Request::post("/api/sync/upload", &upload()).bearer(&token)).await.expect(200);
    let wrong = json!({ "username": "ada", "password": "Wrong-sesame42" });
    server.api.send(Request::post("/api/auth/login", &wrong)).await.expect(401);
    eventually("the email", async || metrics(&address).await.contains("mails_sent 1").then_some(())).await;
    let text = metrics(&address).await;
    for line in [
        "requests{route=\"/api/sync/upload\",outcome=\"success\"} 1",
        "requests{route=\"/api/auth/login\",outcome=\"refused\"} 1",
        "active_users 1",
        "upload_changes_count 1",
        "# HELP upload_bytes size of the JSON of an upload, decompressed",
        "# TYPE request_ms summary",
    ] {
        assert!(text.lines().any(|present| present == line), "{line} is missing: {text}");
    }
    assert!(text.contains("request_ms{route=\"/api/sync/upload\",outcome=\"success\",quantile=\"0.95\"}"), "{text}");
    let names: BTreeSet<_> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    assert!(names.contains("libsql_ms") || names.contains("postgres_ms"), "{names:?}");
}

#[tokio::test]
async fn metrics_address_in_use_is_reported() {
    let (folder, taken) = (tests::scratch_dir(), TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let address = taken.local_addr().expect("the listener has an address").to_string();
    let run = Command::new(ServerProcess::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--metrics", &address, "--data"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(30), run)
        .await
        .expect("the command ends")
        .expect("the command runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && stderr.contains(&address), "{stderr}");
}

#[tokio::test]
async fn pseudonym_depends_on_user_and_key() {
    let folder = tests::scratch_dir();
    let pseudonym = async |key: &str, user: &str| {
        let run = Command::new(ServerProcess::binary())
            .args(["pseudonym", user, "--data"])
            .arg(folder.path())
            .env("JWT_SECRET", key)
            .output();
        let output = run.await.expect("the command runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("a text").trim().to_owned()
    };
    let [ada, bob] = ["01989f0e-2f6b-7000-8000-000000000001", "01989f0e-2f6b-7000-8000-000000000002"];
    let (key, other) = ("a signing key for tests, 32 bytes", "another key for these tests, 32 bytes");
    let first = pseudonym(key, ada).await;
    assert_eq!(first.len(), 16, "{first}");
    assert_eq!(pseudonym(key, ada).await, first);
    assert_ne!(pseudonym(key, bob).await, first);
    assert_ne!(pseudonym(other, ada).await, first, "the pseudonym must depend on the key");
}
