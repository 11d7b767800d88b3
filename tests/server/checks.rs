//! Properties of every response.

use std::fmt::Display;

use tests::{Api, Request, Response};

/// Error codes by status.
const CODES: [(u16, &[&str]); 11] = [
    (400, &["INVALID_REQUEST"]),
    (401, &["UNAUTHORIZED", "INVALID_CREDENTIALS", "TOKEN_EXPIRED", "REFRESH_TOKEN_REUSED"]),
    (403, &["FORBIDDEN"]),
    (404, &["NOT_FOUND"]),
    (405, &["METHOD_NOT_ALLOWED"]),
    (408, &["REQUEST_TIMEOUT"]),
    (409, &["CONFLICT"]),
    (410, &["TOKEN_SPENT"]),
    (413, &["PAYLOAD_TOO_LARGE"]),
    (415, &["UNSUPPORTED_MEDIA_TYPE"]),
    (429, &["RATE_LIMIT_EXCEEDED"]),
];

/// Asserts that a response is not a 5xx, has the common headers, and is in the documented shape if it is an error.
///
/// # Panics
/// If it is not; the message contains `request`.
pub(crate) fn check_response(request: &impl Display, response: &Response) {
    let body = String::from_utf8_lossy(&response.body);
    let status = response.status;
    assert!(status < 500, "{status} {body}\nto {request}");
    let header = |name| response.header(name).unwrap_or_default();
    assert!(!header("x-request-id").is_empty(), "{status} without X-Request-Id: {body}\nto {request}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{status} {body}\nto {request}");
    assert_eq!(header("cache-control"), "no-store", "{status} {body}\nto {request}");
    let content_type = header("content-type");
    if status >= 400 {
        assert_eq!(content_type, "application/json", "{status} {body}\nto {request}");
        check_error(request, response);
    } else {
        assert!(
            content_type == "application/json" || content_type.starts_with("text/html"),
            "{status} as {content_type}\nto {request}"
        );
    }
}

fn check_error(request: &impl Display, response: &Response) {
    let codes = CODES.iter().find(|(status, _)| *status == response.status).map(|(_, codes)| *codes);
    let codes = codes.unwrap_or_else(|| panic!("{} is not a documented status\nto {request}", response.status));
    assert!(response.status != 405 || response.header("allow").is_some(), "405 without Allow\nto {request}");
    let is_head = response.body.is_empty() && request.to_string().starts_with("HEAD ");
    if is_head {
        return;
    }
    let error = response.json();
    let code = error["code"].as_str().unwrap_or_default();
    assert!(codes.contains(&code), "{} with {error}\nto {request}", response.status);
    assert_eq!(error["error"], true, "{error}\nto {request}");
    assert_eq!(error["request_id"], response.header("x-request-id").unwrap_or_default(), "{error}\nto {request}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}\nto {request}");
}

/// Asserts that the server is healthy and ready.
///
/// # Panics
/// If it is not.
pub(crate) async fn assert_healthy(api: &Api) {
    assert_eq!(api.send(Request::get("/health")).await.status, 200);
    assert_eq!(api.send(Request::get("/ready")).await.status, 200);
}
