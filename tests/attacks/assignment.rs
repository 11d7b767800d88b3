//! Mass assignment: fields that a request should not have change nothing.

use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::storage::MailKind::ResetPassword;
use tests::{Call, PASSWORD, Person, Service, try_login, write};

use crate::people::forget_password;

/// What an account has that nobody may set, as it is called in the API, in tables and elsewhere.
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

/// `body` with the fields of `extras` that it lacks.
fn with(mut body: Value, extras: &Value) -> Value {
    for (name, value) in extras.as_object().into_iter().flatten() {
        if body.get(name).is_none() {
            body[name] = value.clone();
        }
    }
    body
}

async fn ada_and_eve(service: &Service) -> (Person, Person, Value) {
    let (ada, eve) = (Person::joins(&service.api, "ada").await, Person::joins(&service.api, "eve").await);
    let id = ada.account().await["id"].clone();
    (ada, eve, id)
}

#[tokio::test]
async fn signing_up_gives_nothing_that_was_not_meant_to_be_asked_for() {
    let service = Service::start().await;
    let (ada, _, id) = ada_and_eve(&service).await;
    let plain = json!({ "username": "mallory", "email": "mallory@example.com", "password": PASSWORD });
    let answer = service.api.send(Call::post("/api/auth/signup", &with(plain, &privileges(&id)))).await.expect(201);
    let mallory = Person::holding(&service.api, "mallory", &answer);
    let account = mallory.account().await;
    assert_ne!(account["id"], id);
    let expected = json!({ "id": account["id"], "username": "mallory", "email": "mallory@example.com", "role": "user",
        "email_verified": false, "created_at": "2026-01-01T00:00:00.000000Z" });
    assert_eq!((&account, &answer["user"]), (&expected, &expected));
    assert_eq!(answer["expires_at"], "2026-01-02T00:00:00.000000Z");
    assert_ne!(mallory.sessions().await[0]["ip"], "203.0.113.7");
    try_login(&service.api, "mallory", PASSWORD).await.expect(200);
    try_login(&service.api, "root", PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(ada.account().await["username"], "ada");
}

#[tokio::test]
async fn logging_in_and_refreshing_change_nothing_of_the_account() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    let before = eve.account().await;
    let plain = json!({ "username": "eve", "password": PASSWORD });
    let answer = service.api.send(Call::post("/api/auth/login", &with(plain, &privileges(&id)))).await.expect(200);
    assert_eq!((&answer["user"], &answer["expires_at"]), (&before, &json!("2026-01-02T00:00:00.000000Z")));
    let plain = json!({ "refresh_token": eve.refresh_token });
    let answer = service.api.send(Call::post("/api/auth/refresh", &with(plain, &privileges(&id)))).await.expect(200);
    assert_eq!((&answer["user"], &answer["expires_at"]), (&before, &json!("2026-01-02T00:00:00.000000Z")));
    assert_eq!(eve.account().await, before);
    assert_eq!(ada.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_profile_cannot_be_written() {
    let service = Service::start().await;
    let (_, eve, id) = ada_and_eve(&service).await;
    let before = eve.account().await;
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let call = Call::new(method, "/api/auth/profile").json(&privileges(&id));
        eve.sends(call).await.refused(405, "METHOD_NOT_ALLOWED");
    }
    // What overrides the method elsewhere does not here.
    let call = Call::get("/api/auth/profile?_method=DELETE").header("x-http-method-override", "DELETE");
    eve.sends(call).await.expect(200);
    assert_eq!(eve.account().await, before);
}

#[tokio::test]
async fn a_new_password_is_ones_own_whoever_is_named() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    let naming = with(json!({ "username": "ada", "email": "ada@example.com" }), &privileges(&id));
    let plain = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
    eve.posts("/api/auth/change-password", &with(plain, &naming)).await.expect(200);
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
    try_login(&service.api, "eve", "Barley77").await.expect(200);
    assert!(ada.is_let_in().await, "her sessions were not ended, either");

    forget_password(&service.api, "eve@example.com").await.expect(200);
    let token = service.newest_token(ResetPassword, "eve@example.com").await;
    let plain = json!({ "token": token, "new_password": "Millet88" });
    let call = Call::post("/api/auth/reset-password", &with(plain, &naming));
    service.api.send(call).await.expect(200);
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
    try_login(&service.api, "eve", "Millet88").await.expect(200);
    assert!(ada.is_let_in().await);
    assert_eq!(ada.account().await["email_verified"], false);
}

#[tokio::test]
async fn a_deletion_is_of_ones_own_account_whoever_is_named() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    ada.uploads("laptop", &[write(&service, "1", "orders", "select 1", 0)]).await;
    let naming = with(json!({ "username": "ada", "password": PASSWORD }), &privileges(&id));
    let path = format!("/api/auth/profile?user_id={}", id.as_str().expect("an id"));
    eve.sends(Call::new(Method::DELETE, path).json(&naming)).await.expect(200);
    eve.gets("/api/auth/profile").await.refused(401, "UNAUTHORIZED");
    assert_eq!(ada.reads("orders").await.as_deref(), Some("select 1"));
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_upload_writes_what_the_server_keeps_for_itself_nowhere() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    ada.uploads("laptop", &[write(&service, "1", "orders", "select 1", 0)]).await;
    let before = ada.everything().await;
    let kept = json!({
        "user_id": id, "user": id, "owner": id, "role": "admin", "is_admin": true, "email_verified": true,
        "sync_version": 99, "version": 99, "seq": 1, "bytes": 0, "deleted_at": "2020-01-01T00:00:00Z", "deleted": true,
        "updated_at": "2099-01-01T00:00:00Z", "device_id": "another", "head": 0, "receipt": "r", "conflict": "c",
    });
    let mut change = write(&service, "2", "invoices", "select 2", 0);
    change["data"] = with(change["data"].clone(), &kept);
    change = with(change, &kept);
    let envelope = json!({ "device_id": "eve's", "changes": [change], "synced_at": "2099-01-01T00:00:00Z" });
    let answer = eve.posts("/api/sync/upload", &with(envelope, &privileges(&id))).await.expect(200);
    assert_eq!(answer["applied"][0]["sync_version"], 1, "{answer}");

    let saved = eve.saved("invoices").await.expect("it lives");
    let now = service.clock.now().to_string();
    assert_eq!((&saved["sync_version"], &saved["updated_at"]), (&json!(1), &json!(now)));
    for name in kept.as_object().expect("an object").keys() {
        let is_told = ["sync_version", "updated_at"].contains(&name.as_str());
        assert!(is_told || saved.get(name).is_none(), "{name}: {saved}");
    }
    let status = eve.gets("/api/sync/status").await.expect(200);
    assert_eq!((&status["devices"][0]["device_id"], &status["counts"]["saved_query"]), (&json!("eve's"), &json!(1)));
    assert_eq!(ada.everything().await, before);
}

/// Not even where it would be ignored: what looks like a credential is refused, and nothing of it stays.
#[tokio::test]
async fn a_password_hash_in_an_item_is_refused() {
    let service = Service::start().await;
    let eve = Person::joins(&service.api, "eve").await;
    let mut change = write(&service, "1", "orders", "select 1", 0);
    change["data"]["password_hash"] = json!("5f4dcc3b5aa765d61d8327deb882cf99");
    let answer = eve.uploads("laptop", std::slice::from_ref(&change)).await;
    assert_eq!(answer["rejected"][0]["code"], "CREDENTIALS_PRESENT", "{answer}");
    assert_eq!(eve.saved("orders").await, None);
    change["data"].as_object_mut().expect("an object").remove("password_hash");
    assert_eq!(eve.uploads("laptop", &[change]).await["success"], true);
}

#[tokio::test]
async fn settling_a_conflict_sets_no_version_and_no_owner() {
    let service = Service::start().await;
    let (ada, eve, id) = ada_and_eve(&service).await;
    let before = ada.everything().await;
    let conflict = eve.disagrees(&service, "orders", ["select 1", "select 2"]).await;
    let kept = json!({ "user_id": id, "sync_version": 99, "deleted_at": "2020-01-01T00:00:00Z", "item_id": "another",
        "item_type": "connection", "winner": "remote", "resolved_at": "2020-01-01T00:00:00Z", "device_id": "another" });
    let data = with(json!({ "name": "both", "query": "select 3" }), &kept);
    let how = with(json!({ "strategy": "user_choice", "merged_data": data }), &kept);
    let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
    let settled = eve.posts(&path, &how).await.expect(200);
    let item = &settled["item"];
    assert_eq!((&item["id"], &item["query"], &item["sync_version"]), (&json!("orders"), &json!("select 3"), &json!(2)));
    let resolved_at = settled["resolved_at"].as_str().expect("a time");
    assert!(resolved_at.starts_with("2026-01-01T00:00:00."), "{resolved_at}");
    assert_eq!(eve.reads("orders").await.as_deref(), Some("select 3"));
    assert_eq!(ada.everything().await, before);
}
