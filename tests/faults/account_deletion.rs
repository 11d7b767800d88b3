//! Account deletion, interrupted by an outage of a store at every step.

use serde_json::json;
use tests::{Fault, Request};

use crate::proxied_service::{ProxiedService, Store, download, entry, expect_unavailable, query, upload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purge_completes_interrupted_account_deletion() {
    for store in Store::ALL {
        for response_index in 0..8 {
            if !deletion_is_interrupted(store, response_index).await {
                break;
            }
        }
    }
}

/// Deletes an account while a store fails from its response `response_index` on. Returns whether that interrupted the
/// deletion.
async fn deletion_is_interrupted(store: Store, response_index: usize) -> bool {
    let proxied = ProxiedService::start().await;
    proxied.send(upload(&[query("q", 1), entry("h")])).await.expect(200);
    let deletion =
        Request::new(axum::http::Method::DELETE, "/api/auth/profile").json(&json!({ "password": "Sesame42" }));
    proxied.proxy(store).inject(Fault::Cut(0), response_index..usize::MAX);
    let response = proxied.send(deletion).await;
    proxied.proxy(store).set_fault(Fault::None);
    if response.status == 200 {
        return false;
    }
    expect_unavailable(&response);
    let is_started = proxied.send(Request::get("/api/auth/profile")).await.status == 401;
    if is_started {
        // The name is free, and the former user cannot log in.
        proxied.service.purge().await;
        assert_eq!(proxied.send(download()).await.status, 401);
        let login = json!({ "username": "ada", "password": "Sesame42" });
        assert_eq!(proxied.send(Request::post("/api/auth/login", &login)).await.status, 401);
        assert_eq!(proxied.service.purge().await.accounts, 0, "nothing is left to finish");
    } else {
        proxied.assert_healthy().await;
    }
    true
}
