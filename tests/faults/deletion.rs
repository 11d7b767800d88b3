//! The removal of an account, stopped by a store that goes down at every step.

use serde_json::json;
use tests::{Call, Fault};

use crate::behind::{Behind, Store, download, entry, is_out, query, upload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_a_store_interrupts_is_completed_by_the_purge() {
    for store in Store::ALL {
        for passed in 0..8 {
            if !interrupted(store, passed).await {
                break;
            }
        }
    }
}

/// Deletes an account while a store goes down after so many answers; whether that interrupted it.
async fn interrupted(store: Store, passed: usize) -> bool {
    let behind = Behind::start().await;
    behind.send(upload(&[query("q", 1), entry("h")])).await.expect(200);
    let deletion = Call::new(axum::http::Method::DELETE, "/api/auth/profile").json(&json!({ "password": "Sesame42" }));
    behind.proxy(store).strike(Fault::Cut(0), passed..usize::MAX);
    let answer = behind.send(deletion).await;
    behind.proxy(store).set(Fault::None);
    if answer.status == 200 {
        return false;
    }
    is_out(&answer);
    let begun = behind.send(Call::get("/api/auth/profile")).await.status == 401;
    if begun {
        // The name is free, and whoever had it does not come back.
        behind.service.purge().await;
        assert_eq!(behind.send(download()).await.status, 401);
        let login = json!({ "username": "ada", "password": "Sesame42" });
        assert_eq!(behind.send(Call::post("/api/auth/login", &login)).await.status, 401);
        assert_eq!(behind.service.purge().await.accounts, 0, "nothing is left to finish");
    } else {
        behind.is_well().await;
    }
    true
}
