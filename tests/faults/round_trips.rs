//! Number of round trips to each store.

use std::sync::Arc;

use serde_json::{Value, json};
use tests::{Request, Service};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::proxied_service::{ProxiedService, create_phone_conflict, download, entry, query, upload};

/// Sends `request` and returns its round trips to accounts, data and sessions.
async fn round_trips(proxied: &ProxiedService, request: Request) -> [usize; 3] {
    for proxy in proxied.proxies() {
        proxy.take_round_trips();
    }
    proxied.send(request).await.expect(200);
    proxied.proxies().map(tests::Proxy::take_round_trips)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_use_minimal_round_trips() {
    let proxied = ProxiedService::start().await;
    proxied.assert_healthy().await;
    let since = proxied.send(download()).await.expect(200)["sync_timestamp"].as_str().expect("a time").to_owned();
    let poll = Request::get(format!("/api/sync/download?device_id=phone&since={since}"));
    let hundred = |changes: fn(&str) -> Value| -> Vec<Value> {
        (0..100).map(|index| changes(&format!("many {index}"))).collect()
    };
    for (description, request, expected) in [
        ("an upload of one edit", upload(&[query("one", 1)]), [0, 2, 1]),
        ("an upload of a hundred", upload(&hundred(|id| query(id, 1))), [0, 2, 1]),
        ("the same again", upload(&hundred(|id| query(id, 1))), [0, 1, 1]),
        ("an upload of new history alone", upload(&hundred(entry)), [0, 1, 1]),
        ("the same history again", upload(&hundred(entry)), [0, 2, 1]),
        ("a refused upload", refused_upload(), [0, 1, 1]),
        ("a download", download(), [0, 1, 1]),
        ("a poll that finds something", poll, [0, 1, 1]),
        ("the status", Request::get("/api/sync/status"), [0, 1, 1]),
        ("the conflicts", Request::get("/api/sync/conflicts"), [0, 1, 1]),
    ] {
        assert_eq!(round_trips(&proxied, request).await, expected, "{description}");
    }
    let newest = proxied.send(download()).await.expect(200)["sync_timestamp"].as_str().expect("a time").to_owned();
    let empty_poll = Request::get(format!("/api/sync/download?device_id=phone&since={newest}"));
    // The first one loads the script into Redis.
    round_trips(&proxied, empty_poll.clone()).await;
    assert_eq!(round_trips(&proxied, empty_poll).await, [0, 1, 2], "a poll that finds nothing");
    proxied.send(upload(&[query("one", 2)])).await.expect(200);
    let path = format!("/api/sync/conflicts/{}/resolve", create_phone_conflict(&proxied, "one").await);
    for (description, expected) in [("resolving a conflict", [0, 2, 1]), ("the same again", [0, 1, 1])] {
        let keep_both = Request::post(path.as_str(), &json!({ "strategy": "keep_both" }));
        assert_eq!(round_trips(&proxied, keep_both).await, expected, "{description}");
    }
}

/// Returns an upload of a version that the item is not at.
fn refused_upload() -> Request {
    let change = json!({ "id": "refused", "item_type": "saved_query", "item_id": "one", "action": "update", "sync_version": 99,
        "data": { "name": "n", "query": "select 'refused'" }, "updated_at": "2026-01-01T00:00:00Z" });
    let body = json!({ "device_id": "phone", "conflict_strategy": "refuse", "changes": [change] });
    Request::post("/api/sync/upload", &body)
}

/// Eight concurrent service instances, as Lambda runs them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_concurrent_instances_need_at_most_two_rounds_on_average() {
    const BURSTS: usize = 20;
    let proxied = ProxiedService::start().await;
    let barrier = Arc::new(Barrier::new(8));
    let mut instances = JoinSet::new();
    for device in 0..8 {
        let service = Service::on_backends(proxied.share_backends(), &[]).await;
        let (token, barrier) = (proxied.token.clone(), barrier.clone());
        instances.spawn(async move {
            for burst in 0..BURSTS {
                let change = query(&format!("{device} {burst}"), 1);
                let body = json!({ "device_id": format!("device{device}"), "changes": [change] });
                barrier.wait().await;
                service.api.send(Request::post("/api/sync/upload", &body).bearer(&token)).await.expect(200);
                service.clock.advance(60);
            }
        });
    }
    proxied.data.take_round_trips();
    instances.join_all().await;
    let rounds = proxied.data.take_round_trips() as f64 / (2 * 8 * BURSTS) as f64;
    eprintln!("an upload by one of eight concurrent instances needs {rounds:.2} rounds on average");
    assert!(rounds <= 2.0, "{rounds}");
}
