//! What every response must look like, whatever was asked.

use std::fmt::Display;

use tests::{Api, Request, Response};

/// The codes of errors, by status.
const CODES: [(u16, &[&str]); 10] = [
    (400, &["INVALID_REQUEST"]),
    (401, &["UNAUTHORIZED", "INVALID_CREDENTIALS", "TOKEN_EXPIRED", "REFRESH_TOKEN_REUSED"]),
    (403, &["FORBIDDEN"]),
    (404, &["NOT_FOUND"]),
    (405, &["METHOD_NOT_ALLOWED"]),
    (409, &["CONFLICT"]),
    (410, &["TOKEN_SPENT"]),
    (413, &["PAYLOAD_TOO_LARGE"]),
    (415, &["UNSUPPORTED_MEDIA_TYPE"]),
    (429, &["RATE_LIMIT_EXCEEDED"]),
];

/// Looks at an response to bad input: never a 5xx, and an error only in the one shape.
///
/// # Panics
/// When it is anything else; `what` says what was asked.
pub(crate) fn judge(what: &impl Display, response: &Response) {
    let said = String::from_utf8_lossy(&response.body);
    let status = response.status;
    assert!(status < 500, "{status} {said}\nto {what}");
    let header = |name| response.header(name).unwrap_or_default();
    assert!(!header("x-request-id").is_empty(), "{status} without X-Request-Id: {said}\nto {what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{status} {said}\nto {what}");
    assert_eq!(header("cache-control"), "no-store", "{status} {said}\nto {what}");
    let kind = header("content-type");
    if status >= 400 {
        assert_eq!(kind, "application/json", "{status} {said}\nto {what}");
        judge_error(what, response);
    } else {
        assert!(kind == "application/json" || kind.starts_with("text/html"), "{status} as {kind}\nto {what}");
    }
}

fn judge_error(what: &impl Display, response: &Response) {
    let codes = CODES.iter().find(|(status, _)| *status == response.status).map(|(_, codes)| *codes);
    let codes = codes.unwrap_or_else(|| panic!("{} is no status of this API\nto {what}", response.status));
    assert!(response.status != 405 || response.header("allow").is_some(), "405 without Allow\nto {what}");
    let to_head = response.body.is_empty() && what.to_string().starts_with("HEAD ");
    if to_head {
        return;
    }
    let error = response.json();
    let code = error["code"].as_str().unwrap_or_default();
    assert!(codes.contains(&code), "{} with {error}\nto {what}", response.status);
    assert_eq!(error["error"], true, "{error}\nto {what}");
    assert_eq!(error["request_id"], response.header("x-request-id").unwrap_or_default(), "{error}\nto {what}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}\nto {what}");
}

/// Asks the server whether it is alive.
///
/// # Panics
/// When it is not.
pub(crate) async fn still_alive(api: &Api) {
    assert_eq!(api.send(Request::get("/health")).await.status, 200);
    assert_eq!(api.send(Request::get("/ready")).await.status, 200);
}
