//! Malformed HTTP. The server may close the connection without a response; a response is never a 5xx.

use crate::checks::{assert_healthy, check_response};
use crate::raw_http::{RawRequest, exchange, parse_response};
use crate::routes::upload;
use crate::target::Target;

/// Returns an upload whose head has the framing headers `framing`.
fn upload_with(target_token: &str, framing: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/sync/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {target_token}\r\n\
         Content-Type: application/json\r\nConnection: close\r\n{framing}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Asserts that the server closed the connection or sent a response below 500.
fn assert_no_server_error(sent: &[u8], received: &[u8]) {
    let sent_text = sent[..sent.len().min(500)].escape_ascii();
    if received.is_empty() {
        return;
    }
    let response =
        parse_response(received, false).unwrap_or_else(|| panic!("{} to {sent_text}", received.escape_ascii()));
    assert!(response.status < 500, "{} to {sent_text}", response.status);
}

#[tokio::test]
async fn truncated_bodies_are_rejected() {
    let target = Target::start().await;
    let token = target.token();
    let body = upload().to_string();
    let half = &body.as_bytes()[..body.len() / 2];
    let chunk = format!("{:x}\r\n{}\r\n", half.len(), String::from_utf8_lossy(half));
    let chunked = "Transfer-Encoding: chunked";
    let cases = [
        upload_with(token, &format!("Content-Length: {}", body.len()), half),
        upload_with(token, "Content-Length: 100000000", body.as_bytes()),
        upload_with(token, "Content-Length: 18446744073709551615", body.as_bytes()),
        upload_with(token, chunked, chunk.as_bytes()),
        upload_with(token, chunked, b""),
        upload_with(token, chunked, b"5\r\n{\"a"),
        upload_with(token, chunked, b"zz\r\n{}\r\n0\r\n\r\n"),
        upload_with(token, chunked, b"ffffffffffffffffff\r\n{}"),
        upload_with(token, chunked, b"-1\r\n{}\r\n0\r\n\r\n"),
        upload_with(token, chunked, b"2\r\n{}garbage\r\n0\r\n\r\n"),
    ];
    for sent in cases {
        let received = exchange(&target.server.base_url, &sent, true).await;
        assert_no_server_error(&sent, &received);
        if let Some(response) = parse_response(&received, false) {
            assert!(response.status >= 400, "{} to {}", response.status, sent.escape_ascii());
        }
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn invalid_framing_causes_no_server_error() {
    let target = Target::start().await;
    let body = upload().to_string();
    for framing in [
        "Content-Length: abc",
        "Content-Length: -1",
        "Content-Length: 1e3",
        "Content-Length: ",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: \u{b}chunked",
        "X: y\r\n Content-Length: 5",
        "Content-Length : 5",
        "Bad Name: x",
        ": x",
        "X: a\0b",
        "X: a\rb",
    ] {
        let sent = upload_with(target.token(), framing, body.as_bytes());
        let received = exchange(&target.server.base_url, &sent, true).await;
        assert_no_server_error(&sent, &received);
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn non_http_input_causes_no_server_error() {
    let target = Target::start().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000));
    let large = format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1_000_000));
    let many = format!("GET /health HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(1_000));
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    for sent in [
        b"".to_vec(),
        b"\r\n\r\n".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /health\r\n\r\n".to_vec(),
        b"GET /health HTTP/0.9\r\n\r\n".to_vec(),
        b"GET /health HTTP/1.0\r\n\r\n".to_vec(),
        b"GET /health HTTP/3.0\r\nHost: a\r\n\r\n".to_vec(),
        b"GET /health HTTP/1.1\r\n\r\n".to_vec(),
        b"GET http://example.com/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET \xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"GET /\xff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        tls,
        long.into_bytes(),
        large.into_bytes(),
        many.into_bytes(),
    ] {
        let received = exchange(&target.server.base_url, &sent, true).await;
        assert_no_server_error(&sent, &received);
    }
    assert_healthy(&target.server.api).await;
}

#[tokio::test]
async fn smuggled_request_is_not_processed() {
    let target = Target::start().await;
    let smuggled = b"0\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let framing = format!("Content-Length: {}\r\nTransfer-Encoding: chunked", smuggled.len());
    let sent = upload_with(target.token(), &framing, smuggled);
    let received = exchange(&target.server.base_url, &sent, false).await;
    let responses = String::from_utf8_lossy(&received).matches("HTTP/1.1 ").count();
    assert!(responses <= 1, "{}", received.escape_ascii());
    assert_healthy(&target.server.api).await;
}

#[tokio::test]
async fn idle_and_half_open_connections_do_not_block_others() {
    let target = Target::start().await;
    let mut idle = Vec::new();
    for start in ["", "GET /hea", "POST /api/sync/upload HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"].repeat(50) {
        let mut stream = crate::raw_http::connect(&target.server.base_url).await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, start.as_bytes()).await.ok();
        idle.push(stream);
    }
    target.assert_account_intact().await;
    let request = RawRequest::new("GET", "/api/sync/status").bearer(Some(target.token()));
    check_response(&request, &target.send(&request).await);
    drop(idle);
    assert_healthy(&target.server.api).await;
}
