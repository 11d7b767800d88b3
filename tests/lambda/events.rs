//! Events of API Gateway, and invalid events.

use axum::http::Method;
use serde_json::{Value, json};
use tests::{Emulator, Request, gzip, saved_query};
use tokio::time::Instant;

use crate::cloud::{Cloud, example_event};

/// Returns an upload of `count` saved queries of about 1 kB each.
fn upload_of(count: usize) -> Value {
    let change = |index: usize| {
        json!({ "id": format!("c{index}"), "item_type": "saved_query", "item_id": format!("q{index}"), "action": "create",
            "updated_at": "2026-01-01T10:00:00Z", "sync_version": 0,
            "data": saved_query("Orders", &format!("select {index} -- {}", "lorem ipsum ".repeat(80))) })
    };
    json!({ "device_id": "laptop", "changes": (0..count).map(change).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_arrive_unchanged() {
    let cloud = Cloud::start().await;
    let session = cloud.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token");
    let send = |call: Request| cloud.api.send(call.bearer(token));

    // A compressed body, which the event contains in base64.
    let upload = Request::new(Method::POST, "/api/sync/upload")
        .body("application/gzip", gzip(upload_of(900).to_string().as_bytes()));
    assert_eq!(send(upload).await.expect(200)["applied"].as_array().map(Vec::len), Some(900));
    // A `content-encoding` that the gateway has already decoded; only the header remains.
    let upload = Request::post("/api/sync/upload", &upload_of(1)).header("content-encoding", "gzip");
    let response = send(upload).await;
    assert_eq!(response.header("x-request-id"), Some(tests::GATEWAY_REQUEST_ID), "both logs use the id of the gateway");
    assert_eq!(response.expect(200)["applied"].as_array().map(Vec::len), Some(1));
    // Query parameters that are percent-encoded once.
    let delta = "/api/sync/download?device_id=my%20phone&since=1970-01-01T01%3A00%3A00%2B01%3A00&limit=7";
    let page = send(Request::get(delta)).await.expect(200);
    assert_eq!((page["saved_queries"].as_array().map(Vec::len), &page["reset"]), (Some(7), &json!(false)));
    // The address that API Gateway reports, not one that the client sends.
    let sessions = send(Request::get("/api/auth/sessions").header("x-forwarded-for", "198.51.100.1")).await.expect(200);
    assert_eq!(sessions["sessions"][0]["ip"], "203.0.113.7");

    let preflight = Request::new(Method::OPTIONS, "/api/sync/upload")
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let response = cloud.api.send(preflight).await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (200, Some("http://localhost:3000")));
    let page = cloud.api.send(Request::get("/reset-password?token=abc")).await;
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_event_fails_immediately_and_the_next_request_succeeds() {
    let cloud = Cloud::start().await;
    for name in ["auth", "upload"] {
        let started = Instant::now();
        let refused = cloud.gateway.function(name).invoke(&json!({})).await;
        assert!(refused["errorType"].as_str().is_some_and(|kind| kind.contains("Deserialize")), "{refused}");
        assert!(started.elapsed().as_secs() < 10, "the function was blocked: {}", cloud.gateway.function(name).log());
    }
    let session = cloud.api.sign_up("ada").await;
    let upload = Request::post("/api/sync/upload", &upload_of(1)).bearer(session["token"].as_str().expect("a token"));
    cloud.api.send(upload).await.expect(200);
}

#[tokio::test]
async fn health_succeeds_without_a_secret() {
    let health = Emulator::start("health", &[("SECRETS_ARN", "nowhere"), ("AWS_REGION", "eu-central-1")]).await;
    for (name, status) in [("health", 200), ("health-ready", 503), ("health", 200)] {
        assert_eq!(health.invoke(&example_event(name)).await["statusCode"], status, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn example_events_are_handled() {
    let cloud = Cloud::start().await;
    let mut token = String::new();
    for (name, function, status) in [
        ("auth-signup", "auth", 201),
        ("auth-login", "auth", 200),
        ("auth-reset-page", "auth", 200),
        ("auth-session", "auth", 404),
        ("upload-preflight", "upload", 200),
        ("upload", "upload", 200),
        ("upload-gzip", "upload", 200),
        ("download", "download", 200),
        ("download-limits", "download", 200),
        ("conflicts", "conflicts", 200),
        ("conflicts-wrong-method", "conflicts", 405),
        ("health", "health", 200),
        ("health-ready", "health", 200),
    ] {
        let mut event = example_event(name);
        event["multiValueHeaders"]["Authorization"] = json!([format!("Bearer {token}")]);
        event["headers"]["Authorization"] = json!(format!("Bearer {token}"));
        let response = cloud.gateway.function(function).invoke(&event).await;
        assert_eq!(response["statusCode"], status, "{name}: {response}");
        let body: Value = serde_json::from_str(response["body"].as_str().unwrap_or_default()).unwrap_or_default();
        token = body["token"].as_str().map_or(token, str::to_owned);
        if name == "download" {
            assert_eq!(body["saved_queries"].as_array().map(Vec::len), Some(2), "{body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_errors_have_the_schema_of_the_functions() {
    let cloud = Cloud::start().await;
    let send = |call: Request| cloud.api.send(call);
    let login = json!({ "username": "ada", "password": "Sesame42" });
    send(Request::post("/api/auth/login", &login).header("x-api-key", "another")).await.expect_error(403, "FORBIDDEN");
    send(Request::post("/api/auth/login", &json!("ada"))).await.expect_error(400, "INVALID_REQUEST");
    send(Request::get("/api/nowhere")).await.expect_error(404, "NOT_FOUND");
    let plain = Request::post("/api/sync/upload", &upload_of(6_000));
    assert!(plain.body.len() < 10_000_000);
    let refused = send(plain).await;
    refused.expect_error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    // Pages and unsupported methods need no API key.
    send(Request::new(Method::HEAD, "/api/sync/download").header("x-api-key", "")).await.expect_error(403, "FORBIDDEN");
    for (call, status) in [(Request::get("/reset-password?token=abc"), 200), (Request::get("/api/sync/upload"), 405)] {
        let response = send(call.header("x-api-key", "")).await;
        assert_eq!(response.status, status);
        assert_eq!(response.header("allow"), (status == 405).then_some("POST"));
    }
}
