//! Connections that are kept busy with next to nothing, by the server's own binary.

use std::time::Duration;

use serde_json::json;
use tests::{Call, PASSWORD, Person, ServerProcess, scratch, small_upload, try_login};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the server's own patience, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// Opens a connection and sends these bytes.
async fn opens(server: &ServerProcess, bytes: &[u8]) -> TcpStream {
    let address = server.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("the server takes connections");
    // The server may have closed before it was sent everything.
    stream.write_all(bytes).await.ok();
    stream
}

/// The beginning of what comes back; nothing where the connection is closed.
async fn hears(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 1_024];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await;
    let length = read.expect("the server does not wait for ever").unwrap_or_default();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn login_of(bytes: usize) -> String {
    format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {bytes}\r\n\r\n"
    )
}

/// A body that comes byte by byte is given up, and until then it is in nobody's way.
#[tokio::test]
async fn slow_bodies_keep_nobody_waiting_and_are_given_up() {
    let folder = scratch();
    let server = ServerProcess::start(folder.path()).await;
    let ada = Person::joins(&server.api, "ada").await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        slow.push(opens(&server, format!("{}{{", login_of(1_000)).as_bytes()).await);
    }
    let honest = async {
        try_login(&server.api, "ada", PASSWORD).await.expect(200);
        let upload = small_upload("laptop");
        ada.posts("/api/sync/upload", &upload).await.expect(200);
    };
    tokio::time::timeout(Duration::from_secs(20), honest).await.expect("nobody waits for them");
    // A byte now and then makes no difference: it is the whole request that has a time.
    for stream in &mut slow {
        stream.write_all(b" ").await.ok();
    }
    for stream in &mut slow {
        let answer = hears(stream).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    assert!(ada.is_let_in().await);
    // The same request, whole, is answered.
    let body = json!({ "username": "ada", "password": PASSWORD }).to_string();
    let mut whole = opens(&server, format!("{}{body}", login_of(body.len())).as_bytes()).await;
    assert!(hears(&mut whole).await.starts_with("HTTP/1.1 200 "));
}

/// A head is held in memory until it is whole, so it must not grow without end.
#[tokio::test]
async fn a_head_without_an_end_is_cut_off() {
    let folder = scratch();
    let server = ServerProcess::start(folder.path()).await;
    for head in [
        format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(2_000_000)),
        format!("GET /health HTTP/1.1\r\nHost: a\r\n{}", "X: y\r\n".repeat(100_000)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000)),
    ] {
        let answer = hears(&mut opens(&server, head.as_bytes()).await).await;
        // Where bytes are left unread, the connection may be reset before the answer is heard.
        let is_cut_off = ["431", "414", "400"].iter().any(|code| answer.starts_with(&format!("HTTP/1.1 {code} ")));
        assert!(is_cut_off || answer.is_empty(), "{answer}");
    }
    let modest = format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(5_000));
    assert!(hears(&mut opens(&server, modest.as_bytes()).await).await.starts_with("HTTP/1.1 200 "));
    server.api.send(Call::get("/health")).await.expect(200);
}
