//! HTTP/1.1 client that sends arbitrary bytes.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tests::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Maximum response time, on a machine that is busy with other tests.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Request that may be invalid in every part.
#[derive(Clone)]
pub(crate) struct RawRequest {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl RawRequest {
    pub(crate) fn new(method: &str, target: impl Into<Vec<u8>>) -> Self {
        Self { method: method.to_owned(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.as_bytes().to_vec(), value.into()));
        self
    }

    #[must_use]
    pub(crate) fn bearer(self, token: Option<&str>) -> Self {
        match token {
            Some(token) => self.header("authorization", format!("Bearer {token}")),
            None => self,
        }
    }

    #[must_use]
    pub(crate) fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    #[must_use]
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Serializes the request as the only one on its connection.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        for (name, value) in &self.headers {
            bytes.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        if !self.has("host") {
            bytes.extend(b"Host: 127.0.0.1\r\n");
        }
        if !self.has("content-length") && !self.has("transfer-encoding") {
            bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).into_bytes());
        }
        bytes.extend(b"Connection: close\r\n\r\n");
        bytes.extend(&self.body);
        bytes
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl fmt::Display for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        let shown = bytes[..bytes.len().min(1_500)].escape_ascii();
        write!(f, "{shown} ({} bytes)", bytes.len())
    }
}

/// Sends `request` to the server at `base` and returns the response.
///
/// # Panics
/// If there is no response.
pub(crate) async fn send(base: &str, request: &RawRequest) -> Response {
    let bytes = exchange(base, &request.bytes(), false).await;
    parse_response(&bytes, request.method == "HEAD").unwrap_or_else(|| panic!("no response to {request}"))
}

/// Sends `bytes`, closes the sending side if `ends` is set, and returns all received bytes.
///
/// # Panics
/// If the server does not close the connection.
pub(crate) async fn exchange(base: &str, bytes: &[u8], ends: bool) -> Vec<u8> {
    let mut stream = connect(base).await;
    // The server may respond and close the connection before it has received everything.
    stream.write_all(bytes).await.ok();
    if ends {
        stream.shutdown().await.ok();
    }
    read_all(&mut stream).await
}

pub(crate) async fn connect(base: &str) -> TcpStream {
    let address = base.trim_start_matches("http://");
    TcpStream::connect(address).await.expect("the server accepts connections")
}

/// Reads until the server closes the connection.
pub(crate) async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(READ_TIMEOUT, stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the connection stays open after {}", bytes.escape_ascii());
    bytes
}

/// Parses the first final response in `bytes`. A response to a HEAD request has no body. Returns `None` if it is malformed.
pub(crate) fn parse_response(bytes: &[u8], is_head: bool) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]);
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    if status < 200 && status != 101 {
        return parse_response(rest, is_head);
    }
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?);
    }
    let body = if is_head { Vec::new() } else { read_body(&headers, rest)? };
    Some(Response { status, headers, body })
}

fn read_body(headers: &HeaderMap, rest: &[u8]) -> Option<Vec<u8>> {
    if headers.contains_key("transfer-encoding") {
        return read_chunks(rest);
    }
    match headers.get("content-length") {
        Some(length) => rest.get(..length.to_str().ok()?.parse().ok()?).map(<[u8]>::to_vec),
        None => Some(rest.to_vec()),
    }
}

fn read_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let data = line + 2;
        body.extend(rest.get(data..data + length)?);
        rest = rest.get(data + length + 2..)?;
    }
}
