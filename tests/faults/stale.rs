//! Connections that died while nobody looked, as they do while a function is frozen.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::behind::{Behind, download, login, query, upload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_connections_are_replaced_without_the_client_noticing() {
    let behind = Behind::start().await;
    for version in 1..4 {
        behind.is_well().await;
        // Whoever rested for less is believed to live.
        sleep(Duration::from_millis(1_100)).await;
        for proxy in behind.all() {
            proxy.forget_connections();
        }
        let started = Instant::now();
        for call in [upload(&[query("stale", version)]), download(), login()] {
            behind.send(call).await.expect(200);
        }
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
}
