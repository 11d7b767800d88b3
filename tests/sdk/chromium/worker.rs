//! A client in a service worker.

use serde_json::json;

use super::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_worker_syncs_and_tells_the_page() {
    let world = World::start().await;
    let page = world.client("studio", "").await;
    page.call("signUp", json!("ada")).await;
    page.get("registerWorker").await;

    let mut task = world.settings("studio");
    task["name"] = "ada".into();
    task["id"] = "q".into();
    task["text"] = "SELECT 1".into();
    let expected = json!([{ "id": "q", "text": "SELECT 1", "version": 1 }]);
    assert_eq!(page.call("callWorker", task).await, json!({ "texts": expected, "unsent": 0 }));
    assert_eq!(world.texts(&world.user("ada").await).await, expected);
    // The worker has the database of the page.
    tests::eventually("the page shows what the worker has written", async || {
        (page.get("seen").await == expected).then_some(())
    })
    .await;
}
