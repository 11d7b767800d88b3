//! Oversized input is rejected, and input of exactly the maximum size is accepted.

use axum::http::Method;
use serde_json::{Map, Value, json};
use shared::clock::Clock;
use shared::models::limits;
use tests::{PASSWORD, Request, Service, TestUser, error_fields, no_op_upload, saved_query, try_login};

use crate::helpers::session_id;

/// Returns a text of `count` characters.
fn x(count: usize) -> String {
    "x".repeat(count)
}

/// Returns an object with `count` entries, with keys and values of these lengths.
fn entries(count: usize, key: usize, value: usize) -> Value {
    let entry = |n: usize| (format!("{}{n:03}", x(key - 3)), json!(x(value)));
    Value::Object((0..count).map(entry).collect::<Map<_, _>>())
}

#[tokio::test]
async fn oversized_account_fields_are_rejected() {
    let service = Service::start().await;
    let sign_up = |username: String, email: String, password: String| {
        let body = json!({ "username": username, "email": email, "password": password });
        service.api.send(Request::post("/api/auth/signup", &body))
    };
    // Maximum lengths: 64 bytes before the @, 63 bytes in each label after it.
    let domain = format!("{}.{}.{}", x(63), x(63), x(61));
    let (name, email) = (x(limits::USERNAME_CHARS), format!("{}@{domain}", x(64)));
    assert_eq!(email.len(), limits::EMAIL_BYTES);
    let password = "y".repeat(limits::PASSWORD_MAX_CHARS);
    for excess in [1, 100, 10_000] {
        for (field, response) in [
            ("username", sign_up(name.clone() + &x(excess), email.clone(), password.clone()).await),
            ("email", sign_up(name.clone(), email.clone() + &x(excess), password.clone()).await),
            ("password", sign_up(name.clone(), email.clone(), password.clone() + &x(excess)).await),
        ] {
            let error = response.expect_error(400, "INVALID_REQUEST");
            assert_eq!(error_fields(&error), [field], "{excess} too many");
        }
    }
    sign_up(name.clone(), email, password.clone()).await.expect(201);
    try_login(&service.api, &name, &password).await.expect(200);
    // Oversized passwords must not make hashing expensive, and must not be truncated.
    try_login(&service.api, &name, &(password + &x(10_000))).await.expect_error(401, "INVALID_CREDENTIALS");
    try_login(&service.api, &x(limits::LOGIN_CHARS), PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    let error =
        try_login(&service.api, &x(limits::LOGIN_CHARS + 1), PASSWORD).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["username"]);
    try_login(&service.api, &x(20_000), PASSWORD).await.expect_error(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn oversized_item_fields_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (field, longest, too_long) in [
        ("name", json!(x(limits::NAME_CHARS)), json!(x(limits::NAME_CHARS + 1))),
        ("description", json!(x(limits::DESCRIPTION_CHARS)), json!(x(limits::DESCRIPTION_CHARS + 1))),
        ("query", json!(x(limits::QUERY_CHARS)), json!(x(limits::QUERY_CHARS + 1))),
        ("connection_id", json!(x(limits::ID_CHARS)), json!(x(limits::ID_CHARS + 1))),
        ("tags", json!([x(limits::TAG_CHARS)]), json!([x(limits::TAG_CHARS + 1)])),
        ("tags", json!(vec!["t"; limits::TAGS]), json!(vec!["t"; limits::TAGS + 1])),
        ("metadata", entries(limits::METADATA_ENTRIES, 8, 1), entries(limits::METADATA_ENTRIES + 1, 8, 1)),
        ("metadata", entries(1, limits::METADATA_KEY_CHARS, 1), entries(1, limits::METADATA_KEY_CHARS + 1, 1)),
        ("metadata", entries(1, 8, limits::METADATA_VALUE_CHARS), entries(1, 8, limits::METADATA_VALUE_CHARS + 1)),
    ] {
        let item = |id: &str, value: &Value| {
            let mut data = saved_query("q", "select 1");
            data[field] = value.clone();
            json!({ "item_type": "saved_query", "item_id": id, "action": "create", "data": data, "sync_version": 0,
                "updated_at": service.clock.now().to_string() })
        };
        let response = ada.upload("laptop", &[item("too long", &too_long), item(field, &longest)]).await;
        assert_eq!(response["rejected"][0]["code"], "INVALID_CHANGE", "{field}: {response}");
        let rejected_field = response["rejected"][0]["details"][0]["field"].as_str().expect("a field");
        assert!(rejected_field.starts_with(&format!("changes[0].data.{field}")), "{rejected_field}");
        assert_eq!(response["applied"].as_array().map(Vec::len), Some(1), "{field}: {response}");
        assert_eq!(ada.saved_query("too long").await, None);
    }
}

#[tokio::test]
async fn oversized_ids_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let change = |name: &str, id: String| {
        let mut change = json!({ "id": "c", "item_type": "saved_query", "item_id": "i", "action": "create",
            "data": saved_query("q", "select 1"), "updated_at": service.clock.now().to_string(), "sync_version": 0 });
        change[name] = json!(id);
        change
    };
    let longest = x(limits::ID_CHARS);
    for name in ["id", "item_id"] {
        for count in [limits::ID_CHARS + 1, 100_000] {
            let response = ada.upload("laptop", &[change(name, x(count))]).await;
            assert_eq!(response["rejected"][0]["code"], "INVALID_CHANGE", "{name}: {response}");
            // The rejection contains a truncated id.
            assert!(response.to_string().len() < 2_000, "{name}");
        }
        let response = ada.upload("laptop", &[change(name, longest.clone())]).await;
        assert_eq!(response["success"], true, "{name}: {response}");
    }
    for count in [limits::ID_CHARS + 1, 30_000] {
        let body = no_op_upload(&x(count));
        let error = ada.post("/api/sync/upload", &body).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["device_id"]);
        let path = format!("/api/sync/download?device_id={}", x(count));
        ada.get(&path).await.expect_error(400, "INVALID_REQUEST");
    }
    ada.post("/api/sync/upload", &no_op_upload(&longest)).await.expect(200);
    ada.get(&format!("/api/sync/download?device_id={longest}")).await.expect(200);
}

#[tokio::test]
async fn oversized_paths_and_headers_are_harmless() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let long = x(60_000);
    let resolution = json!({ "strategy": "keep_both" });
    service.api.send(Request::get(format!("/{long}"))).await.expect_error(404, "NOT_FOUND");
    service.api.send(Request::get(format!("/{}", "a/".repeat(30_000)))).await.expect_error(404, "NOT_FOUND");
    ada.delete(&format!("/api/auth/sessions/{long}")).await.expect_error(404, "NOT_FOUND");
    ada.post(&format!("/api/sync/conflicts/{long}/resolve"), &resolution).await.expect_error(404, "NOT_FOUND");
    service.api.send(Request::get("/api/auth/profile").bearer(&long)).await.expect_error(401, "UNAUTHORIZED");
    let many = (0..1_000).fold(Request::get("/health"), |request, n| request.header(&format!("x-{n}"), "y"));
    service.api.send(many).await.expect(200);

    // Stored headers and device names are truncated.
    let login_request = |body: Value| Request::post("/api/auth/login", &body).header("user-agent", &long);
    for body in [
        json!({ "username": "ada", "password": PASSWORD }),
        json!({ "username": "ada", "password": PASSWORD, "device": x(10_000) }),
    ] {
        let response = service.api.send(login_request(body)).await.expect(200);
        let phone = TestUser::from_tokens(&service.api, "ada", &response);
        let (own, sessions) = (session_id(&phone.token), phone.sessions().await);
        let session = sessions.iter().find(|session| session["id"] == own.as_str()).expect("the session is listed");
        assert_eq!(session["device"].as_str().map(str::len), Some(limits::DEVICE_CHARS));
    }
    let upload = Request::post("/api/sync/upload", &no_op_upload("laptop"));
    ada.send(upload.header("x-client-version", &long)).await.expect(200);
    let status = ada.get("/api/sync/status").await.expect(200);
    assert!(status.to_string().len() < 2_000, "{status}");
}

#[tokio::test]
async fn oversized_bodies_are_rejected_before_parsing() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let padded = |body: Value, bytes: usize| {
        let mut body = body.to_string().into_bytes();
        body.resize(bytes, b' ');
        body
    };
    let login = json!({ "username": "ada", "password": PASSWORD });
    let upload = no_op_upload("laptop");
    for (path, body, max_bytes) in
        [("/api/auth/login", login, limits::SMALL_BODY_BYTES), ("/api/sync/upload", upload, limits::UPLOAD_BYTES)]
    {
        let request =
            |bytes: usize| Request::new(Method::POST, path).body("application/json", padded(body.clone(), bytes));
        ada.send(request(max_bytes + 1)).await.expect_error(413, "PAYLOAD_TOO_LARGE");
        ada.send(request(max_bytes)).await.expect(200);
    }
}

/// Searching six megabytes for credentials once took 600 ms, and hashing 500,000 fields as long.
#[tokio::test]
async fn oversized_merged_data_is_rejected_before_it_is_searched() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let conflict = ada.create_conflict(&service, "q", ["SELECT 1", "SELECT 2"]).await;
    let resolve =
        async |data: Value| ada.resolve(&conflict, &json!({ "strategy": "user_choice", "merged_data": data })).await;
    let fields = |count: usize| (0..count).map(|n| (n.to_string(), json!(1))).collect::<Map<_, _>>();
    let (large, many) = (saved_query("Large", &"pw:".repeat(500_000)), Value::Object(fields(100_000)));
    for (data, reason) in
        [(large, "must have at most 1048576 bytes of JSON"), (many, "exceeds the maximum of 16384 values")]
    {
        let error = resolve(data).await.expect_error(400, "INVALID_REQUEST");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error_fields(&error).iter().all(|field| field.starts_with("merged_data")), "{error}");
    }
    resolve(saved_query("Merged", "SELECT 3")).await.expect(200);
}
