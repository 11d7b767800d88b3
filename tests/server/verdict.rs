//! What every answer must look like, whatever was asked.

use std::fmt::Display;

use tests::{Answer, Api, Call};

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

/// Looks at an answer to bad input: never a 5xx, and an error only in the one shape.
///
/// # Panics
/// When it is anything else; `what` says what was asked.
pub(crate) fn judge(what: &impl Display, answer: &Answer) {
    let said = String::from_utf8_lossy(&answer.body);
    let status = answer.status;
    assert!(status < 500, "{status} {said}\nto {what}");
    let header = |name| answer.header(name).unwrap_or_default();
    assert!(!header("x-request-id").is_empty(), "{status} without X-Request-Id: {said}\nto {what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{status} {said}\nto {what}");
    assert_eq!(header("cache-control"), "no-store", "{status} {said}\nto {what}");
    let kind = header("content-type");
    if status >= 400 {
        assert_eq!(kind, "application/json", "{status} {said}\nto {what}");
        judge_error(what, answer);
    } else {
        assert!(kind == "application/json" || kind.starts_with("text/html"), "{status} as {kind}\nto {what}");
    }
}

fn judge_error(what: &impl Display, answer: &Answer) {
    let codes = CODES.iter().find(|(status, _)| *status == answer.status).map(|(_, codes)| *codes);
    let codes = codes.unwrap_or_else(|| panic!("{} is no status of this API\nto {what}", answer.status));
    assert!(answer.status != 405 || answer.header("allow").is_some(), "405 without Allow\nto {what}");
    let to_head = answer.body.is_empty() && what.to_string().starts_with("HEAD ");
    if to_head {
        return;
    }
    let error = answer.json();
    let code = error["code"].as_str().unwrap_or_default();
    assert!(codes.contains(&code), "{} with {error}\nto {what}", answer.status);
    assert_eq!(error["error"], true, "{error}\nto {what}");
    assert_eq!(error["request_id"], answer.header("x-request-id").unwrap_or_default(), "{error}\nto {what}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}\nto {what}");
}

/// Asks the server whether it is alive.
///
/// # Panics
/// When it is not.
pub(crate) async fn still_alive(api: &Api) {
    assert_eq!(api.send(Call::get("/health")).await.status, 200);
    assert_eq!(api.send(Call::get("/ready")).await.status, 200);
}
