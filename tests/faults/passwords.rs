//! Consistency of passwords and sessions, which are in different stores.

use serde_json::{Value, json};
use shared::storage::EmailKind;
use tests::{Fault, Request};

use crate::proxied_service::{ProxiedService, Store, download, expect_unavailable, login_request};

fn login_with(password: &str) -> Request {
    Request::post("/api/auth/login", &json!({ "username": "ada", "password": password }))
}

/// Creates a session of an attacker who knows Ada's password.
async fn attacker_session(proxied: &ProxiedService) -> Value {
    proxied.service.api.send(login_request()).await.expect(200)
}

async fn is_valid(proxied: &ProxiedService, session: &Value) -> bool {
    proxied.service.clock.advance(60);
    let token = session["token"].as_str().expect("a token");
    proxied.service.api.send(download().bearer(token)).await.status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reset_link_stays_valid_while_the_session_store_is_down() {
    let proxied = ProxiedService::start().await;
    let request = Request::post("/api/auth/request-password-reset", &json!({ "email": "ada@example.com" }));
    proxied.send(request).await.expect(200);
    let attacker_session = attacker_session(&proxied).await;
    let token = proxied.service.newest_token(EmailKind::ResetPassword, "ada@example.com").await;
    let reset = Request::post("/api/auth/reset-password", &json!({ "token": token, "new_password": "Sesame43" }));
    proxied.sessions.set_fault(Fault::Down);
    expect_unavailable(&proxied.send(reset.clone()).await);
    proxied.sessions.set_fault(Fault::None);
    assert!(is_valid(&proxied, &attacker_session).await);
    proxied.send(login_with("Sesame42")).await.expect(200);
    proxied.send(reset).await.expect(200);
    assert!(!is_valid(&proxied, &attacker_session).await);
    proxied.send(login_with("Sesame43")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_survives_a_password_change() {
    let change = |from: &str, to: &str| {
        Request::post("/api/auth/change-password", &json!({ "current_password": from, "new_password": to }))
    };
    // Each store fails from each of its responses on.
    for store in [Store::Accounts, Store::Sessions] {
        for response_index in 0..6 {
            let proxied = ProxiedService::start().await;
            let attacker_session = attacker_session(&proxied).await;
            proxied.proxy(store).inject(Fault::Cut(0), response_index..usize::MAX);
            let changed = proxied.send(change("Sesame42", "Sesame43")).await;
            proxied.proxy(store).set_fault(Fault::None);
            let is_new = proxied.send(login_with("Sesame43")).await.status == 200;
            assert!(is_new || changed.status == 503, "{changed:?}");
            assert!(!(is_new && is_valid(&proxied, &attacker_session).await), "{store:?}, response {response_index}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_store_outage_is_not_reported_as_token_reuse() {
    let proxied = ProxiedService::start().await;
    let session = proxied.send(login_request()).await.expect(200);
    let refresh = Request::post("/api/auth/refresh", &json!({ "refresh_token": session["refresh_token"] }));
    proxied.accounts.set_fault(Fault::Down);
    for _ in 0..2 {
        expect_unavailable(&proxied.send(refresh.clone()).await);
    }
    proxied.accounts.set_fault(Fault::None);
    proxied.send(refresh).await.expect(200);
}
