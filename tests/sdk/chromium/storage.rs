//! IndexedDB as the SDK uses it.

use serde_json::{Value, json};

use super::assert_complete;
use super::browser::Tab;
use super::world::World;

/// Number of cases of the contract, at least.
const CASES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_fulfil_their_contract() {
    let world = World::start().await;
    let secure = world.tab("").await;
    let secure_run = secure.begin("runContract", Value::Null).await;
    // Only secure contexts have Web Locks.
    let insecure = world.browser.open_url(&world.site.insecure_page()).await;
    let insecure_run = insecure.begin("runContract", Value::Null).await;
    for (tab, run, locks) in [(secure, secure_run, true), (insecure, insecure_run, false)] {
        let results = tab.end(run).await;
        assert_eq!(tab.get("hasLocks").await, locks);
        let results = results.as_array().expect("a list");
        let failures: Vec<_> = results.iter().filter(|result| result.get("error").is_some()).collect();
        assert!(failures.is_empty(), "Web Locks: {locks}: {failures:#?}");
        assert!(results.len() >= CASES, "{} cases", results.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_database_is_an_error_and_no_deadlock() {
    let world = World::start().await;
    let tab = world.client("studio", "").await;
    tab.call("signUp", json!("ada")).await;
    write(&tab, "q", "SELECT 1").await;
    let other = world.tab("").await;
    assert_eq!(other.call("deleteDatabase", json!("studio")).await, "deleted");

    let cause = "the local store was emptied";
    for (command, argument) in
        [("failedWrite", json!({ "ids": ["q"], "text": "SELECT 2" })), ("failedSync", Value::Null)]
    {
        let error = tab.call(command, argument).await;
        assert!(error.as_str().is_some_and(|error| error.contains(cause)), "{command}: {error}");
    }
    tab.get("close").await;
    tab.call("open", world.settings("studio")).await;
    assert_eq!(tab.get("texts").await, json!([]));
    tab.call("logIn", json!("ada")).await;
    write(&tab, "q", "SELECT 3").await;
    assert_complete(&tab.get("sync").await);
}

async fn write(tab: &Tab<'_>, id: &str, text: &str) {
    tab.call("write", json!({ "ids": [id], "text": text })).await;
}
