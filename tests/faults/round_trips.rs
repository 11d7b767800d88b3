//! How often each store is asked.

use std::sync::Arc;

use serde_json::{Value, json};
use tests::{Call, Service};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::behind::{Behind, conflict_of_the_phone, download, entry, query, upload};

/// The round trips of `call` to accounts, data and sessions.
async fn trips(behind: &Behind, call: Call) -> [usize; 3] {
    for proxy in behind.all() {
        proxy.trips();
    }
    behind.send(call).await.expect(200);
    behind.all().map(tests::Proxy::trips)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_asks_as_seldom_as_it_can() {
    let behind = Behind::start().await;
    behind.is_well().await;
    let since = behind.send(download()).await.expect(200)["sync_timestamp"].as_str().expect("a time").to_owned();
    let poll = Call::get(format!("/api/sync/download?device_id=phone&since={since}"));
    let hundred = |changes: fn(&str) -> Value| -> Vec<Value> {
        (0..100).map(|place| changes(&format!("many {place}"))).collect()
    };
    for (what, call, wanted) in [
        ("an upload of one edit", upload(&[query("one", 1)]), [0, 2, 1]),
        ("an upload of a hundred", upload(&hundred(|id| query(id, 1))), [0, 2, 1]),
        ("the same again", upload(&hundred(|id| query(id, 1))), [0, 1, 1]),
        ("an upload of new history alone", upload(&hundred(entry)), [0, 1, 1]),
        ("a download", download(), [0, 1, 1]),
        ("a poll", poll, [0, 1, 1]),
        ("the status", Call::get("/api/sync/status"), [0, 1, 1]),
        ("the conflicts", Call::get("/api/sync/conflicts"), [0, 1, 1]),
    ] {
        assert_eq!(trips(&behind, call).await, wanted, "{what}");
    }
    behind.send(upload(&[query("one", 2)])).await.expect(200);
    let path = format!("/api/sync/conflicts/{}/resolve", conflict_of_the_phone(&behind, "one").await);
    for (what, wanted) in [("resolving a conflict", [0, 2, 1]), ("the same again", [0, 1, 1])] {
        let keep_both = Call::post(path.as_str(), &json!({ "strategy": "keep_both" }));
        assert_eq!(trips(&behind, keep_both).await, wanted, "{what}");
    }
}

/// Eight functions at work at once, each on its own, as Lambda runs them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_functions_at_once_need_two_rounds_on_average_at_most() {
    const BURSTS: usize = 20;
    let behind = Behind::start().await;
    let everyone = Arc::new(Barrier::new(8));
    let mut functions = JoinSet::new();
    for device in 0..8 {
        let service = Service::on(behind.lent(), &[]).await;
        let (token, everyone) = (behind.token.clone(), everyone.clone());
        functions.spawn(async move {
            for burst in 0..BURSTS {
                let change = query(&format!("{device} {burst}"), 1);
                let body = json!({ "device_id": format!("device{device}"), "changes": [change] });
                everyone.wait().await;
                service.api.send(Call::post("/api/sync/upload", &body).bearer(&token)).await.expect(200);
                service.clock.advance(60);
            }
        });
    }
    behind.data.trips();
    functions.join_all().await;
    let rounds = behind.data.trips() as f64 / (2 * 8 * BURSTS) as f64;
    eprintln!("an upload of one of eight functions needs {rounds:.2} rounds on average");
    assert!(rounds <= 2.0, "{rounds}");
}
