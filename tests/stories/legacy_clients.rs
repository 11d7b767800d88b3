//! Compatibility with clients of the predecessor service: the requests of its integration tests, and the fields they check.

use axum::http::Method;
use serde_json::{Value, json};
use tests::{Request, Response, Service, refresh};

const PASSWORD: &str = "TestPassword123!";

async fn sign_up(service: &Service, name: &str) -> Value {
    let body = json!({ "email": format!("{name}@example.com"), "username": name, "password": PASSWORD });
    let response = service.api.send(Request::post("/api/auth/signup", &body)).await;
    assert!(matches!(response.status, 200 | 201), "{response:?}");
    response.json()
}

async fn log_in(service: &Service, name: &str, password: &str) -> Response {
    let body = json!({ "username": name, "password": password });
    service.api.send(Request::post("/api/auth/login", &body)).await
}

fn token(response: &Value) -> &str {
    response["token"].as_str().filter(|token| !token.is_empty()).expect("a token")
}

async fn profile_status(service: &Service, token: &str) -> u16 {
    service.api.send(Request::get("/api/auth/profile").bearer(token)).await.status
}

#[tokio::test]
async fn sign_up_login_refresh_and_logout_work() {
    let service = Service::start().await;
    // The suffix in these tests, intended to be the time, is always the replacement character.
    let name = "testuser\u{fffd}";
    let user = sign_up(&service, name).await["user"].clone();
    assert!(user["id"].as_str().is_some_and(|id| !id.is_empty()), "{user}");
    assert_eq!((&user["username"], &user["email"]), (&json!(name), &json!(format!("{name}@example.com"))));

    let login = log_in(&service, name, PASSWORD).await.expect(200);
    assert_eq!(login["user"]["username"], name);
    assert!(login["expires_at"].as_str().is_some_and(|time| time.parse::<shared::models::Timestamp>().is_ok()));
    let wrong = log_in(&service, name, "WrongPassword123!").await.expect(401);
    assert!(wrong["error"] == true && wrong["message"].as_str().is_some_and(|text| !text.is_empty()), "{wrong}");

    let refreshed = refresh(&service.api, login["refresh_token"].as_str().expect("a token")).await.expect(200);
    assert_ne!(token(&refreshed), token(&login), "even within the same second");
    assert_eq!(profile_status(&service, token(&login)).await, 200, "the old access token still works");
    assert_eq!(service.api.send(Request::get("/api/auth/profile")).await.status, 401);

    let log_out = Request::new(Method::POST, "/api/auth/logout").bearer(token(&login));
    assert_eq!(service.api.send(log_out).await.status, 200);
    assert_eq!(profile_status(&service, token(&login)).await, 401);
}

#[tokio::test]
async fn invalid_input_is_a_bad_request() {
    let service = Service::start().await;
    for (email, password) in [("", PASSWORD), ("not-an-email", PASSWORD), ("test@example.com", "weak")] {
        let body = json!({ "email": email, "username": "testuser", "password": password });
        service.api.send(Request::post("/api/auth/signup", &body)).await.expect_error(400, "INVALID_REQUEST");
    }
    let error = log_in(&service, "", "password").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(tests::error_fields(&error), ["username"]);
    let error = log_in(&service, "somebody", "").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(tests::error_fields(&error), ["password"]);
    service.api.send(Request::new(Method::POST, "/api/auth/login")).await.expect_error(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn health() {
    let service = Service::start().await;
    let health = service.api.send(Request::get("/health")).await.expect(200);
    assert_eq!(health["status"], "healthy");
    assert!(health["service"].as_str().is_some_and(|service| !service.is_empty()), "{health}");
    let preflight = Request::new(Method::OPTIONS, "/health")
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "GET");
    let response = service.api.send(preflight).await;
    assert_eq!(response.status, 200);
    assert!(response.header("access-control-allow-origin").is_some_and(|origin| !origin.is_empty()), "{response:?}");
}

#[tokio::test]
async fn upload_download_and_conflicts_work() {
    let service = Service::start().await;
    let account = sign_up(&service, "synctest\u{fffd}").await;
    let send = |request: Request| service.api.send(request.bearer(token(&account)));
    let now = "2026-01-01T00:00:00.123456789+02:00";
    let data = json!({ "id": "query-123", "name": "Test Query", "query": "SELECT * FROM users", "favorite": false,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "sync_version": 1 });
    let change = json!({ "id": "change-1", "item_type": "saved_query", "item_id": "query-123", "action": "create",
        "data": data, "updated_at": now, "sync_version": 1, "device_id": "test-device-123" });
    let upload = |changes: Value| {
        Request::post(
            "/api/sync/upload",
            &json!({ "device_id": "test-device-123", "last_sync_at": now, "changes": changes }),
        )
    };
    let response = send(upload(json!([change]))).await.expect(200);
    assert_eq!(response["success"], true, "{response}");
    assert!(response["synced_at"].is_string(), "{response}");

    let since = "2025-12-25T00:00:00Z";
    let page =
        send(Request::get(format!("/api/sync/download?device_id=test-device-123&since={since}"))).await.expect(200);
    for list in ["connections", "saved_queries", "query_history"] {
        assert!(page[list].is_array(), "{page}");
    }
    let conflicts = send(Request::get("/api/sync/conflicts")).await.expect(200);
    assert!(conflicts["conflicts"].is_array() && conflicts["count"].is_u64(), "{conflicts}");

    assert_eq!(service.api.send(upload(json!([]))).await.status, 401, "authentication is checked first");
    assert_eq!(service.api.send(Request::get("/api/sync/download")).await.status, 401);
    let error = send(upload(json!([]))).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(tests::error_fields(&error), ["changes"]);
    for query in ["", "?device_id=test&since=invalid"] {
        send(Request::get(format!("/api/sync/download{query}"))).await.expect_error(400, "INVALID_REQUEST");
    }
    for (strategy, status) in [("last_write_wins", 404), ("invalid_strategy", 400)] {
        let resolve = Request::post("/api/sync/conflicts/conflict-123/resolve", &json!({ "strategy": strategy }));
        assert_eq!(send(resolve).await.status, status, "{strategy}");
    }
}

/// Uploads a hundred changes whose ids are the first hundred characters of Unicode, including control characters.
#[tokio::test]
async fn ids_with_any_character_are_handled() {
    let service = Service::start().await;
    let account = sign_up(&service, "synctest").await;
    let change = |character: char| {
        json!({ "id": character, "item_type": "saved_query", "item_id": format!("query-{character}"),
            "action": "create", "updated_at": "2026-01-01T00:00:00Z", "sync_version": 1, "device_id": "test-device",
            "data": { "id": format!("query-{character}"), "name": format!("Test Query {character}"),
                "query": format!("SELECT * FROM table{character}") } })
    };
    let changes: Vec<Value> = (0..100u8).map(|code| change(char::from(code))).collect();
    let body = json!({ "device_id": "test-device-123", "last_sync_at": "2026-01-01T00:00:00Z", "changes": changes });
    let response = service.api.send(Request::post("/api/sync/upload", &body).bearer(token(&account))).await.expect(200);
    let count = |list: &str| response[list].as_array().expect("a list").len();
    assert_eq!(count("applied") + count("rejected"), 100, "{response}");
    assert!(count("applied") >= 60, "{response}");
}
