//! A page without a network.

use serde_json::json;
use tests::eventually;
use tokio::time::Instant;

use super::browser::Tab;
use super::world::World;

/// Number of edits without a network.
const EDITS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_survive_a_reload_without_a_network_and_sync_when_it_is_back() {
    let world = World::start().await;
    // No timer ends a pause between attempts: only the event `online` can.
    let page = world.tab("timers=short").await;
    page.get("registerWorker").await;
    // The service worker keeps the files of the page.
    page.reload().await;
    page.call("open", world.settings("studio")).await;
    page.call("signUp", json!("ada")).await;
    page.call("start", json!({ "delay": 20 })).await;
    let user = world.user("ada").await;

    set_offline(&page, true).await;
    assert_eq!(page.get("isOnline").await, false);
    let requests = world.traffic.count("");
    let ids: Vec<String> = (0..EDITS).map(|index| format!("q{index:03}")).collect();
    page.call("write", json!({ "ids": ids, "text": "SELECT 1" })).await;
    assert_eq!(page.get("unsent").await, EDITS);

    page.reload().await;
    assert_eq!(page.get("isOnline").await, false);
    page.call("open", world.settings("studio")).await;
    let kept = page.get("state").await;
    assert_eq!(kept["texts"].as_array().map(Vec::len), Some(EDITS), "{kept}");
    assert_eq!(kept["unsent"], EDITS);
    page.call("start", json!({ "delay": 20 })).await;
    eventually("a sync fails", async || {
        let reports = page.get("reports").await;
        (reports[0]["error"]["code"] == "OFFLINE").then_some(())
    })
    .await;
    assert_eq!(world.traffic.count(""), requests, "nothing reaches the service");

    set_offline(&page, false).await;
    let back = Instant::now();
    let synced = eventually("the edits are uploaded", async || {
        let texts = world.texts(&user).await;
        (texts.as_array().map(Vec::len) == Some(EDITS)).then_some(texts)
    })
    .await;
    let elapsed = back.elapsed();
    eventually("the page knows", async || (page.get("unsent").await == 0).then_some(())).await;
    assert_eq!(page.get("texts").await, synced);
    assert!(synced.as_array().expect("a list").iter().all(|text| text["version"] == 1), "{synced}");
    eprintln!("{EDITS} offline edits were on the service {elapsed:?} after the network was back");
}

/// Switches the network of the page off or on.
async fn set_offline(page: &Tab<'_>, offline: bool) {
    page.devtools("Network.enable", json!({})).await;
    let conditions = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    page.devtools("Network.emulateNetworkConditions", conditions).await;
}
