//! What breaks HTTP itself. Where it breaks off, nothing of the service is reached, and the connection may just close;
//! what is answered is never a 5xx.

use crate::accounts::Target;
use crate::routes::upload;
use crate::verdict::{judge, still_alive};
use crate::wire::{RawRequest, exchange, read_answer};

/// An upload whose head says what `framing` says of its body.
fn upload_with(target_token: &str, framing: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/sync/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {target_token}\r\n\
         Content-Type: application/json\r\nConnection: close\r\n{framing}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Whether an response to what is no HTTP will do.
fn is_no_failure(sent: &[u8], got: &[u8]) {
    let what = sent[..sent.len().min(500)].escape_ascii();
    if got.is_empty() {
        return;
    }
    let response = read_answer(got, false).unwrap_or_else(|| panic!("{} to {what}", got.escape_ascii()));
    assert!(response.status < 500, "{} to {what}", response.status);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_and_leaves_nothing() {
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
        let got = exchange(&target.server.base_url, &sent, true).await;
        is_no_failure(&sent, &got);
        if let Some(response) = read_answer(&got, false) {
            assert!(response.status >= 400, "{} to {}", response.status, sent.escape_ascii());
        }
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn a_length_that_is_none_is_refused() {
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
        let got = exchange(&target.server.base_url, &sent, true).await;
        is_no_failure(&sent, &got);
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
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
        let got = exchange(&target.server.base_url, &sent, true).await;
        is_no_failure(&sent, &got);
    }
    still_alive(&target.server.api).await;
}

#[tokio::test]
async fn a_second_request_hidden_in_a_body_is_not_answered() {
    let target = Target::start().await;
    let hidden = b"0\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let framing = format!("Content-Length: {}\r\nTransfer-Encoding: chunked", hidden.len());
    let sent = upload_with(target.token(), &framing, hidden);
    let got = exchange(&target.server.base_url, &sent, false).await;
    let answers = String::from_utf8_lossy(&got).matches("HTTP/1.1 ").count();
    assert!(answers <= 1, "{}", got.escape_ascii());
    still_alive(&target.server.api).await;
}

#[tokio::test]
async fn idle_and_half_open_connections_do_not_stop_others() {
    let target = Target::start().await;
    let mut idle = Vec::new();
    for start in ["", "GET /hea", "POST /api/sync/upload HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"].repeat(50) {
        let mut stream = crate::wire::connect(&target.server.base_url).await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, start.as_bytes()).await.ok();
        idle.push(stream);
    }
    target.still_serves_its_user().await;
    let request = RawRequest::new("GET", "/api/sync/status").bearer(Some(target.token()));
    judge(&request, &target.ask(&request).await);
    drop(idle);
    still_alive(&target.server.api).await;
}
