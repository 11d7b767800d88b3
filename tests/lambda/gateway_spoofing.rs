//! Client input that imitates data of API Gateway.

use serde_json::json;
use tests::Request;

use crate::cloud::Cloud;

/// Headers that gateways, runtimes and proxies set, with values that an attacker could choose.
const SPOOFED_HEADERS: [(&str, &str); 17] = [
    ("x-forwarded-for", "198.51.100.1"),
    ("x-real-ip", "198.51.100.1"),
    ("forwarded", "for=198.51.100.1;host=evil.example;proto=http"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "http"),
    ("x-amzn-request-context", r#"{"identity":{"sourceIp":"198.51.100.1"},"authorizer":{"sub":"root"}}"#),
    ("x-amzn-lambda-context", r#"{"client_context":{"sub":"root"}}"#),
    ("x-amzn-requestid", "forged"),
    ("x-request-id", "forged"),
    ("x-amzn-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=9;Parent=no"),
    ("lambda-runtime-aws-request-id", "forged"),
    ("lambda-runtime-deadline-ms", "1"),
    ("lambda-runtime-client-context", r#"{"custom":{"sub":"root"}}"#),
    ("x-http-method-override", "DELETE"),
    ("x-original-url", "/api/auth/profile"),
    ("transfer-encoding", "chunked"),
    ("content-length", "99999"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_headers_from_clients_are_ignored() {
    let cloud = Cloud::start().await;
    let session = cloud.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token");
    let sessions = || Request::get("/api/auth/sessions");
    for (name, value) in SPOOFED_HEADERS {
        let response = cloud.api.send(sessions().header(name, value).bearer(token)).await;
        assert_eq!(response.header("x-request-id"), Some(tests::GATEWAY_REQUEST_ID), "{name}");
        let body = response.expect(200);
        assert_eq!(body["sessions"].as_array().map(Vec::len), Some(1), "{name}: {body}");
        assert_eq!(body["sessions"][0]["ip"], "203.0.113.7", "{name}");
        // None of them replaces a token.
        cloud.api.send(sessions().header(name, value)).await.expect_error(401, "UNAUTHORIZED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_fields_in_a_body_are_ignored() {
    let cloud = Cloud::start().await;
    cloud.api.sign_up("ada").await;
    let login = json!({ "username": "ada", "password": "Sesame42", "isBase64Encoded": true, "httpMethod": "DELETE",
        "path": "/api/auth/profile", "headers": { "authorization": "Bearer forged" },
        "requestContext": { "identity": { "sourceIp": "198.51.100.1" }, "authorizer": { "sub": "root" } } });
    let session = cloud.api.send(Request::post("/api/auth/login", &login)).await.expect(200);
    let token = session["token"].as_str().expect("a token");
    let sessions = cloud.api.send(Request::get("/api/auth/sessions").bearer(token)).await.expect(200);
    let addresses: Vec<_> =
        sessions["sessions"].as_array().expect("a list").iter().map(|session| &session["ip"]).collect();
    assert_eq!(addresses, ["203.0.113.7", "203.0.113.7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn path_variants_do_not_reach_another_function() {
    let cloud = Cloud::start().await;
    let session = cloud.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token");
    for path in [
        "/api/sync/../auth/profile",
        "/api/sync/%2e%2e/auth/profile",
        "/api/auth%2Fprofile",
        "/api//auth/profile",
        "//api/auth/profile",
        "/prod/api/auth/profile",
        "/api/auth/profile/",
        "/api/auth/profile;/api/sync/limits",
    ] {
        cloud.api.send(Request::get(path).bearer(token)).await.expect_error(404, "NOT_FOUND");
    }
    cloud.api.send(Request::get("/api/auth/profile").bearer(token)).await.expect(200);
}
