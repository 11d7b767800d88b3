//! Outages of a store.

use std::time::Duration;

use tests::{Fault, Request};
use tokio::time::sleep;

use crate::proxied_service::{
    OUTAGES, ProxiedService, Store, download, entry, expect_unavailable, login_request, query, ready, upload,
};

/// Asserts that during each outage of `store` the requests `failing` fail and the requests `working` succeed.
async fn check_outage(store: Store, failing: &[Request], working: &[Request]) {
    let proxied = ProxiedService::start().await;
    proxied.assert_healthy().await;
    for fault in OUTAGES {
        proxied.proxy(store).set_fault(fault);
        for request in failing {
            expect_unavailable(&proxied.send(request.clone()).await);
        }
        for request in working {
            let response = proxied.send(request.clone()).await;
            assert_eq!(response.status, 200, "{fault:?}: {}", String::from_utf8_lossy(&response.body));
        }
        proxied.proxy(store).set_fault(Fault::None);
        proxied.assert_healthy().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_store_outage_blocks_login_but_not_sync() {
    let failing = [login_request(), Request::get("/api/auth/profile"), ready()];
    check_outage(Store::Accounts, &failing, &[upload(&[query("q", 1)]), download()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_store_outage_blocks_sync_but_not_login() {
    let failing = [upload(&[query("q", 2)]), upload(&[entry("h")]), download(), ready()];
    check_outage(Store::Data, &failing, &[login_request(), Request::get("/api/auth/profile")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_store_outage_blocks_all_authenticated_requests() {
    let failing = [upload(&[query("q", 2)]), download(), Request::get("/api/auth/profile"), login_request(), ready()];
    check_outage(Store::Sessions, &failing, &[Request::get("/health"), Request::get("/api/sync/limits")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_during_an_outage_fail_in_time() {
    // Each request advances the clock, so with rate limits reordered requests would seem to come from the past.
    let proxied = std::sync::Arc::new(ProxiedService::with_settings(&[("RATE_LIMITS", "off")]).await);
    for (store, request) in
        [(Store::Accounts, Request::get("/api/auth/profile")), (Store::Data, download()), (Store::Sessions, download())]
    {
        proxied.proxy(store).set_fault(Fault::BlackHole);
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..30 {
            let (proxied, request) = (proxied.clone(), request.clone());
            waiting.spawn(async move { expect_unavailable(&proxied.send(request).await) });
        }
        waiting.join_all().await;
        proxied.proxy(store).set_fault(Fault::None);
        proxied.assert_healthy().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_stores_are_tolerated() {
    let proxied = ProxiedService::start().await;
    for proxy in proxied.proxies() {
        proxy.set_fault(Fault::Slow(Duration::from_millis(300)));
    }
    proxied.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_succeeds_when_the_store_recovers_meanwhile() {
    let proxied = ProxiedService::start().await;
    proxied.data.set_fault(Fault::Down);
    let upload = proxied.send(upload(&[query("q", 1)]));
    let recovery = async {
        sleep(Duration::from_millis(30)).await;
        proxied.data.set_fault(Fault::None);
    };
    let (response, ()) = tokio::join!(upload, recovery);
    response.expect(200);
}
