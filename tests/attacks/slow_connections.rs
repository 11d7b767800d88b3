//! Slow bodies and endless heads, against the server binary.

use std::time::Duration;

use serde_json::json;
use tests::{PASSWORD, Request, ServerProcess, TestUser, no_op_upload, scratch_dir, try_login};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the server's deadline of bodies, even on a machine that is busy with other tests.
const READ_TIMEOUT: Duration = Duration::from_secs(90);

/// Opens a connection and sends `bytes`.
async fn open_connection(server: &ServerProcess, bytes: &[u8]) -> TcpStream {
    let address = server.base_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("the server accepts connections");
    // The server may close the connection before it has received everything.
    stream.write_all(bytes).await.ok();
    stream
}

/// Returns the start of the response, or an empty text if the connection is closed.
async fn read_response(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 1_024];
    let read = tokio::time::timeout(READ_TIMEOUT, stream.read(&mut bytes)).await;
    let length = read.expect("the server responds or closes in time").unwrap_or_default();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn login_head(bytes: usize) -> String {
    format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {bytes}\r\n\r\n"
    )
}

/// A body that arrives byte by byte times out, and does not delay other requests.
#[tokio::test]
async fn slow_bodies_time_out_without_delaying_others() {
    let folder = scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    let ada = TestUser::sign_up(&server.api, "ada").await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        slow.push(open_connection(&server, format!("{}{{", login_head(1_000)).as_bytes()).await);
    }
    let valid = async {
        try_login(&server.api, "ada", PASSWORD).await.expect(200);
        let upload = no_op_upload("laptop");
        ada.post("/api/sync/upload", &upload).await.expect(200);
    };
    tokio::time::timeout(Duration::from_secs(20), valid).await.expect("other requests are not delayed");
    // Occasional bytes do not extend the deadline, which applies to the complete body.
    for stream in &mut slow {
        stream.write_all(b" ").await.ok();
    }
    for stream in &mut slow {
        let response = read_response(stream).await;
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
        assert!(response.contains(r#""code":"REQUEST_TIMEOUT""#), "{response}");
    }
    assert!(ada.is_authenticated().await);
    // The complete request succeeds.
    let body = json!({ "username": "ada", "password": PASSWORD }).to_string();
    let mut complete = open_connection(&server, format!("{}{body}", login_head(body.len())).as_bytes()).await;
    assert!(read_response(&mut complete).await.starts_with("HTTP/1.1 200 "));
}

/// A head is kept in memory until it is complete, so its size must be limited.
#[tokio::test]
async fn oversized_heads_are_rejected() {
    let folder = scratch_dir();
    let server = ServerProcess::start(folder.path()).await;
    for head in [
        format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(2_000_000)),
        format!("GET /health HTTP/1.1\r\nHost: a\r\n{}", "X: y\r\n".repeat(100_000)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000)),
    ] {
        let response = read_response(&mut open_connection(&server, head.as_bytes()).await).await;
        // With unread bytes the connection may be reset before the response arrives.
        let is_rejected = ["431", "414", "400"].iter().any(|code| response.starts_with(&format!("HTTP/1.1 {code} ")));
        assert!(is_rejected || response.is_empty(), "{response}");
        assert!(!is_rejected || response.contains(r#""code":"INVALID_REQUEST""#), "{response}");
    }
    let modest = format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(5_000));
    assert!(read_response(&mut open_connection(&server, modest.as_bytes()).await).await.starts_with("HTTP/1.1 200 "));
    server.api.send(Request::get("/health")).await.expect(200);
}
