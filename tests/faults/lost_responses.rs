//! Lost responses of stores: operations are applied once, and a repeat has the same result.

use serde_json::{Value, json};
use tests::{Fault, Request};

use crate::proxied_service::{
    ProxiedService, create_phone_conflict, download, entry, expect_unavailable, login_request, query, upload,
};

/// Downloads Ada's saved queries and history entries as id, version and text.
async fn download_items(proxied: &ProxiedService) -> Value {
    let page = proxied.send(download()).await.expect(200);
    let items = |name: &str| -> Vec<Value> {
        let all = page[name].as_array().expect("a list");
        all.iter().map(|item| json!([item["id"], item["sync_version"], item["query"]])).collect()
    };
    json!({ "queries": items("saved_queries"), "history": items("query_history") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_is_applied_once_when_a_store_response_is_lost() {
    let proxied = ProxiedService::start().await;
    proxied.send(upload(&[query("q", 1)])).await.expect(200);
    // An upload sends two requests, load and apply. Either response or both are lost, after a varying number of bytes.
    for (round, bytes) in [0, 1, 100, 250].into_iter().enumerate() {
        for (index, lost) in [0..1, 1..2, 0..2].into_iter().enumerate() {
            let version = i64::try_from(round * 3 + index).expect("few") + 2;
            proxied.data.inject(Fault::Cut(bytes), lost);
            let response =
                proxied.send(upload(&[query("q", version), entry(&format!("h{version}"))])).await.expect(200);
            assert_eq!(response["applied"][0]["sync_version"], version, "{response}");
            assert_eq!(response["conflicts"], json!([]), "{response}");
        }
    }
    proxied.data.set_fault(Fault::None);
    let all = download_items(&proxied).await;
    assert_eq!(all["queries"], json!([["q", 13, "select 13"]]));
    assert_eq!(all["history"].as_array().map(Vec::len), Some(12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_upload_can_be_repeated() {
    let proxied = ProxiedService::start().await;
    let first = upload(&[query("q", 1)]);
    let history = upload(&[entry("a"), entry("b")]);
    proxied.data.set_fault(Fault::Cut(0));
    for request in [&first, &history] {
        expect_unavailable(&proxied.send(request.clone()).await);
    }
    proxied.data.set_fault(Fault::None);
    for _ in 0..2 {
        assert_eq!(proxied.send(first.clone()).await.expect(200)["applied"][0]["sync_version"], 1);
        assert_eq!(proxied.send(history.clone()).await.expect(200)["applied"].as_array().map(Vec::len), Some(2));
    }
    let all = download_items(&proxied).await;
    assert_eq!(all["queries"], json!([["q", 1, "select 1"]]));
    assert_eq!(all["history"].as_array().map(Vec::len), Some(2));
    let status = proxied.send(Request::get("/api/sync/status")).await.expect(200);
    assert_eq!(status["devices"][0]["total_synced"], 3, "nothing must be counted twice: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resolution_is_applied_once_when_a_store_response_is_lost() {
    let proxied = ProxiedService::start().await;
    proxied.send(upload(&[query("q", 1)])).await.expect(200);
    proxied.send(upload(&[query("q", 2)])).await.expect(200);
    let phone = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": [query("q", 2)] });
    let response = proxied.send(Request::post("/api/sync/upload", &phone)).await.expect(200);
    // Equal data does not conflict, so the next edit differs.
    assert_eq!(response["conflicts"], json!([]));
    let id = create_phone_conflict(&proxied, "q").await;
    let resolve = Request::post(
        format!("/api/sync/conflicts/{id}/resolve"),
        &json!({ "strategy": "user_choice", "chosen_version": "local" }),
    );
    proxied.data.set_fault(Fault::Cut(0));
    expect_unavailable(&proxied.send(resolve.clone()).await);
    // A resolution loads and commits; a repeat only loads.
    let mut resolved = Value::Null;
    for lost in 0..2 {
        proxied.data.inject(Fault::Cut(0), lost..lost + 1);
        let item = proxied.send(resolve.clone()).await.expect(200)["item"].clone();
        assert!(resolved.is_null() || resolved == item, "{item}");
        resolved = item;
    }
    assert_eq!(download_items(&proxied).await["queries"], json!([["q", 3, "select 'phone'"]]));
}

/// The commit that renews an outdated conflict is retried, because its response is lost. The retry must not resolve the renewed
/// conflict, which the user has not seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewal_with_lost_response_does_not_resolve_the_conflict() {
    let proxied = ProxiedService::start().await;
    proxied.send(upload(&[query("q", 1)])).await.expect(200);
    proxied.send(upload(&[query("q", 2)])).await.expect(200);
    let id = create_phone_conflict(&proxied, "q").await;
    proxied.send(upload(&[query("q", 3)])).await.expect(200);
    let resolve = Request::post(
        format!("/api/sync/conflicts/{id}/resolve"),
        &json!({ "strategy": "user_choice", "chosen_version": "local" }),
    );
    proxied.data.inject(Fault::Cut(0), 1..2);
    let shown = proxied.send(resolve.clone()).await.expect_error(409, "CONFLICT")["conflict"].clone();
    assert_eq!(shown["remote_version"]["data"]["query"], "select 3", "{shown}");
    assert_eq!(download_items(&proxied).await["queries"], json!([["q", 3, "select 3"]]));
    // The user has now seen the renewed conflict.
    proxied.send(resolve).await.expect(200);
    assert_eq!(download_items(&proxied).await["queries"], json!([["q", 4, "select 'phone'"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_with_lost_response_leaves_valid_tokens() {
    let proxied = ProxiedService::start().await;
    let login = proxied.send(login_request()).await.expect(200);
    let mut token = login["refresh_token"].clone();
    let refresh = |token: &Value| Request::post("/api/auth/refresh", &json!({ "refresh_token": token }));
    // Requests of a refresh: rate limit, lookup of the token, lookup for the next token, rotation.
    for lost in 0..4 {
        proxied.sessions.inject(Fault::Cut(0), lost..lost + 1);
        token = proxied.service.api.send(refresh(&token)).await.expect(200)["refresh_token"].clone();
        proxied.service.clock.advance(60);
        // All responses are lost, so the client presents the old token again.
        proxied.sessions.inject(Fault::Cut(0), lost..usize::MAX);
        expect_unavailable(&proxied.service.api.send(refresh(&token)).await);
        proxied.sessions.set_fault(Fault::None);
        token = proxied.service.api.send(refresh(&token)).await.expect(200)["refresh_token"].clone();
        proxied.service.clock.advance(60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_deletion_succeeds_when_a_store_response_is_lost() {
    let proxied = ProxiedService::start().await;
    // Requests of a session deletion: rate limit, the caller's session, deletion of the other session.
    for lost in 0..3 {
        let other = proxied.send(login_request()).await.expect(200);
        let token = other["token"].as_str().expect("a token");
        let sessions = proxied.send(Request::get("/api/auth/sessions")).await.expect(200);
        let id = sessions["sessions"][0]["id"].as_str().expect("the newest session").to_owned();
        let delete = Request::new(axum::http::Method::DELETE, format!("/api/auth/sessions/{id}"));
        proxied.sessions.inject(Fault::Cut(0), lost..lost + 1);
        proxied.send(delete).await.expect(200);
        proxied.sessions.set_fault(Fault::None);
        proxied.service.api.send(download().bearer(token)).await.expect_error(401, "UNAUTHORIZED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_up_with_lost_response_creates_at_most_one_account() {
    let proxied = ProxiedService::start().await;
    for lost in 1..=3 {
        let name = format!("bob{lost}");
        let account = json!({ "username": name, "email": format!("{name}@example.com"), "password": "Sesame42" });
        proxied.accounts.inject(Fault::Cut(0), 0..lost);
        let first = proxied.send(Request::post("/api/auth/signup", &account)).await;
        proxied.accounts.set_fault(Fault::None);
        assert!([201, 503].contains(&first.status), "{}", String::from_utf8_lossy(&first.body));
        let again = proxied.send(Request::post("/api/auth/signup", &account)).await;
        assert!([201, 409].contains(&again.status), "{}", String::from_utf8_lossy(&again.body));
        let login = json!({ "username": name, "password": "Sesame42" });
        proxied.send(Request::post("/api/auth/login", &login)).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_reuse_is_reported_when_a_store_response_is_lost() {
    let proxied = ProxiedService::start().await;
    for response_index in 0..5 {
        let session = proxied.send(login_request()).await.expect(200);
        let refresh = Request::post("/api/auth/refresh", &json!({ "refresh_token": session["refresh_token"] }));
        proxied.send(refresh.clone()).await.expect(200);
        proxied.service.clock.advance(60);
        proxied.sessions.inject(Fault::Cut(0), response_index..response_index + 1);
        proxied.send(refresh).await.expect_error(401, "REFRESH_TOKEN_REUSED");
        proxied.sessions.set_fault(Fault::None);
    }
}
