//! JSON that attacks parsers: deep nesting, duplicate keys, extreme numbers.

use axum::http::Method;
use serde_json::Value;
use shared::clock::Clock;
use tests::{PASSWORD, Request, Response, Service, TestUser, error_fields, saved_query, try_login};

/// Nesting depth at which a recursive parser overflows its stack.
const DEPTH: usize = 10_000;

fn arrays(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn objects(levels: usize) -> String {
    format!("{}null{}", "{\"a\":".repeat(levels), "}".repeat(levels))
}

fn json_text(path: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new(Method::POST, path).body("application/json", body)
}

async fn post_upload(user: &TestUser, body: String) -> Response {
    user.send(json_text("/api/sync/upload", body)).await
}

/// Returns the JSON of an upload with one change, with the additional JSON fields `data` in its data.
fn upload_with(at: &str, data: &str) -> String {
    format!(
        r#"{{"device_id":"laptop","changes":[{{"id":"c{}","item_type":"saved_query","item_id":"deep",
            "action":"update","updated_at":"{at}","sync_version":0,
            "data":{{"name":"q","query":"select 1",{data}}}}}]}}"#,
        data.len()
    )
}

#[tokio::test]
async fn deeply_nested_requests_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for deep in [arrays(DEPTH), objects(DEPTH), "[".repeat(100_000), "{\"a\":".repeat(100_000)] {
        for body in [
            deep.clone(),
            format!(r#"{{"username":{deep},"password":"{PASSWORD}"}}"#),
            format!(r#"{{"username":"ada","password":{deep}}}"#),
        ] {
            let response = service.api.send(json_text("/api/auth/login", body)).await;
            assert!([400, 413].contains(&response.status), "{}", response.status);
        }
        // The parser skips an unknown field without recursion.
        let body = format!(r#"{{"extra":{deep},"username":"ada","password":"{PASSWORD}"}}"#);
        let response = service.api.send(json_text("/api/auth/login", body)).await;
        assert!([200, 400, 413].contains(&response.status), "{}", response.status);
        let merged = format!(r#"{{"strategy":"user_choice","merged_data":{deep}}}"#);
        let resolve = json_text("/api/sync/conflicts/c/resolve", merged);
        ada.send(resolve).await.expect_error(400, "INVALID_REQUEST");
        post_upload(&ada, deep.clone()).await.expect_error(400, "INVALID_REQUEST");
        post_upload(&ada, format!(r#"{{"device_id":{deep},"changes":[]}}"#)).await.expect_error(400, "INVALID_REQUEST");
    }
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
}

/// Changes are parsed one by one, so a change that is too deep is rejected alone.
#[tokio::test]
async fn deeply_nested_change_is_rejected_alone() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    for deep in [arrays(DEPTH), objects(DEPTH)] {
        for body in [
            format!(r#"{{"device_id":"laptop","changes":[{deep}]}}"#),
            upload_with(&at, &format!(r#""extra":{deep}"#)),
            upload_with(&at, &format!(r#""metadata":{deep}"#)),
            upload_with(&at, &format!(r#""tags":{deep}"#)),
        ] {
            let response = post_upload(&ada, body).await.expect(200);
            assert_eq!(response["rejected"][0]["code"], "INVALID_CHANGE", "{response}");
            assert!(response.to_string().len() < 2_000, "the rejection is short");
        }
    }
    assert_eq!(ada.saved_query("deep").await, None);
    let shallow = upload_with(&at, &format!(r#""extra":{},"more":{}"#, arrays(50), objects(50)));
    assert_eq!(post_upload(&ada, shallow).await.expect(200)["success"], true);
    assert_eq!(ada.query_text("deep").await.as_deref(), Some("select 1"));
}

/// Parsers differ in which of two equal keys they use, so a request with duplicate keys is ambiguous.
#[tokio::test]
async fn duplicate_fields_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    TestUser::sign_up(&service.api, "eve").await;
    for (path, body, field) in [
        ("/api/auth/login", r#"{"username":"eve","password":"Sesame42","username":"ada"}"#, "username"),
        ("/api/auth/login", r#"{"username":"ada","password":"Wrong000","password":"Sesame42"}"#, "password"),
        ("/api/auth/login", r#"{"username":"ada","user\u006eame":"ada","password":"Sesame42"}"#, "username"),
        ("/api/auth/request-password-reset", r#"{"email":"ada@example.com","email":"eve@evil.example"}"#, "email"),
        ("/api/auth/refresh", r#"{"refresh_token":"a","refresh_token":"b"}"#, "refresh_token"),
        ("/api/sync/upload", r#"{"device_id":"a","device_id":"b","changes":[]}"#, "device_id"),
        ("/api/sync/upload", r#"{"device_id":"a","changes":[],"changes":[]}"#, "changes"),
        ("/api/sync/conflicts/c/resolve", r#"{"strategy":"keep_both","strategy":"user_choice"}"#, "strategy"),
    ] {
        let error = ada.send(json_text(path, body)).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), [field], "{body}");
    }
    let valid = r#"{"username":"ada","password":"Sesame42"}"#;
    service.api.send(json_text("/api/auth/login", valid)).await.expect(200);
}

/// The first of two equal fields would be dropped unseen, so a change with both is rejected, whatever is in them.
#[tokio::test]
async fn duplicate_fields_of_a_change_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    let upload = |fields: &str, data: &str| {
        format!(
            r#"{{"device_id":"laptop","changes":[{{"id":"1","item_type":"saved_query","item_id":"first",
                "action":"update","updated_at":"{at}","sync_version":0,
                "data":{{"name":"q","query":"select 1"{data}}}{fields}}}]}}"#
        )
    };
    let (secret, harmless) = (r#"{"password":"hunter2hunter2"}"#, r#"{"color":"red"}"#);
    for (fields, data, field) in [
        (r#","item_id":"second""#, String::new(), "changes[0].item_id"),
        ("", r#","query":"select 2""#.to_owned(), "changes[0].data.query"),
        ("", r#","qu\u0065ry":"select 2""#.to_owned(), "changes[0].data.query"),
        ("", format!(r#","metadata":{secret},"metadata":{harmless}"#), "changes[0].data.metadata"),
        ("", format!(r#","metadata":{harmless},"metadata":{secret}"#), "changes[0].data.metadata"),
        ("", r#","metadata":{"a":[{"b":1},{"c":1,"c":2}]}"#.to_owned(), "changes[0].data.metadata.a[1].c"),
        // The path itself would repeat a credential.
        ("", r#","metadata":{"ghp_RAHhEBVMmxUAmOgKdSlPUK4dtx13hKeAHTOZ":{"c":1,"c":2}}"#.to_owned(), "changes[0].data"),
    ] {
        let response = post_upload(&ada, upload(fields, &data)).await.expect(200);
        let rejected = &response["rejected"][0];
        assert_eq!(
            (rejected["code"].as_str(), error_fields(rejected)),
            (Some("INVALID_CHANGE"), vec![field]),
            "{response}"
        );
        assert_eq!(rejected["details"][0]["message"], "is duplicated");
    }
    let response = post_upload(&ada, upload("", "")).await.expect(200);
    assert_eq!(response["success"], true, "{response}");

    let merged = r#"{"strategy":"user_choice","merged_data":{"name":"q","metadata":{"a":1,"a":2}}}"#;
    let resolve = json_text("/api/sync/conflicts/c/resolve", merged);
    let error = ada.send(resolve).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["merged_data.metadata.a"], "{error}");
}

/// The last of two equal query parameters is used, even if the other is invalid.
#[tokio::test]
async fn last_duplicate_query_parameter_is_used() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (query, status) in [
        ("device_id=a&limit=0&limit=5", 200),
        ("device_id=a&limit=5&limit=0", 400),
        ("device_id=&device_id=a", 200),
        ("device_id=a&device_id=", 400),
        ("device_id=a&since=never&since=2026-01-01T00:00:00Z", 200),
        ("device_id=a&since=2026-01-01T00:00:00Z&since=never", 400),
    ] {
        assert_eq!(ada.get(&format!("/api/sync/download?{query}")).await.status, status, "{query}");
    }
}

/// Numbers that some parsers round or reject.
#[tokio::test]
async fn invalid_versions_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    let upload = |version: &str| {
        let data = saved_query("q", "select 1");
        format!(
            r#"{{"device_id":"laptop","changes":[{{"id":"1","item_type":"saved_query","item_id":"q","action":"create",
                "updated_at":"{at}","data":{data},"sync_version":{version}}}]}}"#
        )
    };
    for version in ["-1", "1.5", "1e300", "9007199254740993", "9223372036854775807", "18446744073709551615", "\"0\""] {
        let response = post_upload(&ada, upload(version)).await.expect(200);
        let rejected: &Value = &response["rejected"][0];
        assert_eq!(rejected["code"], "INVALID_CHANGE", "{version}: {response}");
        assert_eq!(error_fields(rejected), ["changes[0].sync_version"], "{version}");
    }
    for version in ["1e400", "NaN", "Infinity", "01", "0x1"] {
        let response = post_upload(&ada, upload(version)).await;
        let body = response.json();
        let is_rejected = response.status == 400 || body["rejected"][0]["code"] == "INVALID_CHANGE";
        assert!(is_rejected, "{version}: {body}");
    }
    assert_eq!(ada.saved_query("q").await, None);
    assert_eq!(post_upload(&ada, upload("0")).await.expect(200)["success"], true);
}
