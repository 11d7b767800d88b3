use shared::clock::{SystemRandom, random_uuid};
use shared::http::{ApiError, Code};

/// Returns the response in the API's shape that replaces `written`, with which hyper answers a head that it cannot read. hyper's
/// response has no body, and there is no setting for another. `None` if `written` is not the start of such a response.
pub(super) fn rejection(written: &[u8]) -> Option<Vec<u8>> {
    let status_line = written.split(|byte| *byte == b'\r').next()?;
    let status_line = str::from_utf8(status_line).ok()?;
    let status = status_line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?;
    let message = match status {
        "400" => "the request is not valid HTTP/1.1",
        "414" => "the URL is too long",
        "431" => "the header fields are too large, or too many",
        _ => return None,
    };
    let request_id = random_uuid(&SystemRandom).to_string();
    tracing::info!(request_id, status, "malformed request");
    let body = serde_json::to_string(&ApiError::new(Code::InvalidRequest, message).body(&request_id)).ok()?;
    let response = format!(
        "{status_line}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nX-Request-Id: {request_id}\r\n\r\n{body}",
        body.len()
    );
    Some(response.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_about_heads_are_replaced() {
        let written = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let replaced = String::from_utf8(rejection(written).expect("an error about a head")).expect("text");
        assert!(replaced.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: "), "{replaced}");
        assert!(replaced.contains("\r\n\r\n{\"error\":true,\"code\":\"INVALID_REQUEST\""), "{replaced}");
        for other in ["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "rest of a body", "HTTP/1.1 4"] {
            assert_eq!(rejection(other.as_bytes()), None, "{other}");
        }
    }
}
