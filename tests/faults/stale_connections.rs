//! Connections that broke while idle, as when a function is frozen.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::proxied_service::{ProxiedService, download, login_request, query, upload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_connections_are_replaced_transparently() {
    let proxied = ProxiedService::start().await;
    for version in 1..4 {
        proxied.assert_healthy().await;
        // Connections that were idle for less than a second are not checked.
        sleep(Duration::from_millis(1_100)).await;
        for proxy in proxied.proxies() {
            proxy.stall_connections();
        }
        let started = Instant::now();
        for request in [upload(&[query("stale", version)]), download(), login_request()] {
            proxied.send(request).await.expect(200);
        }
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
}
