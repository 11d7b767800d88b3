//! Mass assignment: fields that a request should not have are ignored.

use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::storage::EmailKind::ResetPassword;
use tests::{PASSWORD, Request, Service, TestUser, query_update, try_login};

use crate::helpers::request_password_reset;

/// Account fields that no client may set, with their names in the API, in tables and in other systems.
fn privileges(id: &Value) -> Value {
    json!({
        "id": id, "user_id": id, "userId": id, "sub": id, "account": { "id": id },
        "role": "admin", "roles": ["admin"], "is_admin": true, "admin": true, "scope": "*",
        "email_verified": true, "emailVerified": true, "email_verified_at": "2020-01-01T00:00:00Z",
        "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
        "deleted_at": "2020-01-01T00:00:00Z", "sync_version": 99, "expires_at": "2099-01-01T00:00:00Z",
        "password_hash": "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "username_key": "root", "email_key": "root@example.com", "ip": "203.0.113.7",
        "__proto__": { "role": "admin" }, "constructor": { "prototype": { "role": "admin" } },
    })
}

/// Adds the fields of `extras` that `body` lacks.
fn with_extras(mut body: Value, extras: &Value) -> Value {
    for (name, value) in extras.as_object().into_iter().flatten() {
        if body.get(name).is_none() {
            body[name] = value.clone();
        }
    }
    body
}

async fn ada_and_eve(service: &Service) -> (TestUser, TestUser, Value) {
    let (ada, eve) = (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "eve").await);
    let id = ada.profile().await["id"].clone();
    (ada, eve, id)
}

#[tokio::test]
async fn sign_up_ignores_privileged_fields() {
    let service = Service::start().await;
    let (ada, _, id) = ada_and_eve(&service).await;
    let plain = json!({ "username": "mallory", "email": "mallory@example.com", "password": PASSWORD });
    let response =
        service.api.send(Request::post("/api/auth/signup", &with_extras(plain, &privileges(&id)))).await.expect(201);
    let mallory = TestUser::from_tokens(&service.api, "mallory", &response);
    let account = mallory.profile().await;
    assert_ne!(account["id"], id);
    let expected = json!({ "id": account["id"], "username": "mallory", "email": "mallory@example.com", "role": "user",
        "email_verified": false, "created_at": "2026-01-01T00:00:00.000000Z" });
    assert_eq!((&account, &response["user"]), (&expected, &expected));
    assert_eq!(response["expires_at"], "2026-01-02T00:00:00.000000Z");
    assert_ne!(mallory.sessions().await[0]["ip"], "203.0.113.7");
    try_login(&service.api, "mallory", PASSWORD).await.expect(200);
    try_login(&service.api, "root", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    assert_eq!(ada.profile().await["username"], "ada");
}

#[tokio::test]
async fn login_and_refresh_ignore_account_fields() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    let before = eve.profile().await;
    let plain = json!({ "username": "eve", "password": PASSWORD });
    let response =
        service.api.send(Request::post("/api/auth/login", &with_extras(plain, &privileges(&id)))).await.expect(200);
    assert_eq!((&response["user"], &response["expires_at"]), (&before, &json!("2026-01-02T00:00:00.000000Z")));
    let plain = json!({ "refresh_token": eve.refresh_token });
    let response =
        service.api.send(Request::post("/api/auth/refresh", &with_extras(plain, &privileges(&id)))).await.expect(200);
    assert_eq!((&response["user"], &response["expires_at"]), (&before, &json!("2026-01-02T00:00:00.000000Z")));
    assert_eq!(eve.profile().await, before);
    assert_eq!(ada.sessions().await.len(), 1);
}

#[tokio::test]
async fn profile_is_read_only() {
    let service = Service::start().await;
    let (_, eve, id) = ada_and_eve(&service).await;
    let before = eve.profile().await;
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let request = Request::new(method, "/api/auth/profile").json(&privileges(&id));
        eve.send(request).await.expect_error(405, "METHOD_NOT_ALLOWED");
    }
    // Method overrides of other frameworks are ignored.
    let request = Request::get("/api/auth/profile?_method=DELETE").header("x-http-method-override", "DELETE");
    eve.send(request).await.expect(200);
    assert_eq!(eve.profile().await, before);
}

#[tokio::test]
async fn password_change_affects_only_the_callers_account() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    let fields = with_extras(json!({ "username": "ada", "email": "ada@example.com" }), &privileges(&id));
    let plain = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
    eve.post("/api/auth/change-password", &with_extras(plain, &fields)).await.expect(200);
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
    try_login(&service.api, "eve", "Barley77").await.expect(200);
    assert!(ada.is_authenticated().await, "Ada's sessions continue");

    request_password_reset(&service.api, "eve@example.com").await.expect(200);
    let token = service.newest_token(ResetPassword, "eve@example.com").await;
    let plain = json!({ "token": token, "new_password": "Millet88" });
    let request = Request::post("/api/auth/reset-password", &with_extras(plain, &fields));
    service.api.send(request).await.expect(200);
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
    try_login(&service.api, "eve", "Millet88").await.expect(200);
    assert!(ada.is_authenticated().await);
    assert_eq!(ada.profile().await["email_verified"], false);
}

#[tokio::test]
async fn account_deletion_affects_only_the_callers_account() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    ada.upload("laptop", &[query_update(&service, "1", "orders", "select 1", 0)]).await;
    let fields = with_extras(json!({ "username": "ada", "password": PASSWORD }), &privileges(&id));
    let path = format!("/api/auth/profile?user_id={}", id.as_str().expect("an id"));
    eve.send(Request::new(Method::DELETE, path).json(&fields)).await.expect(200);
    eve.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(ada.query_text("orders").await.as_deref(), Some("select 1"));
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn server_fields_in_an_upload_have_no_effect() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    ada.upload("laptop", &[query_update(&service, "1", "orders", "select 1", 0)]).await;
    let before = ada.full_download().await;
    let server_fields = json!({
        "user_id": id, "user": id, "owner": id, "role": "admin", "is_admin": true, "email_verified": true,
        "sync_version": 99, "version": 99, "seq": 1, "bytes": 0, "deleted_at": "2020-01-01T00:00:00Z", "deleted": true,
        "updated_at": "2099-01-01T00:00:00Z", "device_id": "another", "head": 0, "receipt": "r", "conflict": "c",
    });
    let mut change = query_update(&service, "2", "invoices", "select 2", 0);
    change["data"] = with_extras(change["data"].clone(), &server_fields);
    change = with_extras(change, &server_fields);
    let envelope = json!({ "device_id": "eve's", "changes": [change], "synced_at": "2099-01-01T00:00:00Z" });
    let response = eve.post("/api/sync/upload", &with_extras(envelope, &privileges(&id))).await.expect(200);
    assert_eq!(response["applied"][0]["sync_version"], 1, "{response}");

    let saved = eve.saved_query("invoices").await.expect("the query exists");
    let now = service.clock.now().to_string();
    assert_eq!((&saved["sync_version"], &saved["updated_at"]), (&json!(1), &json!(now)));
    for (name, value) in server_fields.as_object().expect("an object") {
        let is_public = ["sync_version", "updated_at"].contains(&name.as_str());
        assert!(is_public || saved[name] == *value, "to the server, {name} is a field that it does not know: {saved}");
    }
    let status = eve.get("/api/sync/status").await.expect(200);
    assert_eq!((&status["devices"][0]["device_id"], &status["counts"]["saved_query"]), (&json!("eve's"), &json!(1)));
    assert_eq!(ada.full_download().await, before);
}

/// A field with a credential is rejected even if the server would ignore the field.
#[tokio::test]
async fn upload_rejects_item_with_password_hash() {
    let service = Service::start().await;
    let eve = TestUser::sign_up(&service.api, "eve").await;
    let mut change = query_update(&service, "1", "orders", "select 1", 0);
    change["data"]["password_hash"] = json!("5f4dcc3b5aa765d61d8327deb882cf99");
    let response = eve.upload("laptop", std::slice::from_ref(&change)).await;
    assert_eq!(response["rejected"][0]["code"], "CREDENTIALS_PRESENT", "{response}");
    assert_eq!(eve.saved_query("orders").await, None);
    change["data"].as_object_mut().expect("an object").remove("password_hash");
    assert_eq!(eve.upload("laptop", &[change]).await["success"], true);
}

#[tokio::test]
async fn conflict_resolution_ignores_server_fields() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    let before = ada.full_download().await;
    let conflict = eve.create_conflict(&service, "orders", ["select 1", "select 2"]).await;
    let server_fields = json!({ "user_id": id, "sync_version": 99, "deleted_at": "2020-01-01T00:00:00Z", "item_id": "another",
        "item_type": "connection", "winner": "remote", "resolved_at": "2020-01-01T00:00:00Z", "device_id": "another" });
    let data = with_extras(json!({ "name": "both", "query": "select 3" }), &server_fields);
    let resolution = with_extras(json!({ "strategy": "user_choice", "merged_data": data }), &server_fields);
    let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
    let resolved = eve.post(&path, &resolution).await.expect(200);
    let item = &resolved["item"];
    assert_eq!((&item["id"], &item["query"], &item["sync_version"]), (&json!("orders"), &json!("select 3"), &json!(2)));
    let resolved_at = resolved["resolved_at"].as_str().expect("a time");
    assert!(resolved_at.starts_with("2026-01-01T00:00:00."), "{resolved_at}");
    assert_eq!(eve.query_text("orders").await.as_deref(), Some("select 3"));
    assert_eq!(ada.full_download().await, before);
}
