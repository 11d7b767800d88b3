//! Sync between a laptop and a phone through the functions.

use serde_json::json;
use shared::clock::{Clock, SystemClock};
use tests::{Device, Request, saved_query};

use crate::cloud::Cloud;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_sync_and_resolve_a_conflict() {
    let cloud = Cloud::start().await;
    let session = cloud.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token");
    let [mut laptop, mut phone] =
        ["laptop", "phone"].map(|name| Device::new(&cloud.api, token, name).with_strategy("user_choice"));
    laptop.write("saved_query", "orders", saved_query("Orders", "select 1"), SystemClock.now());
    laptop.sync().await;
    phone.sync().await;
    let query = |device: &Device| device.visible_data("saved_query", "orders").map(|item| item["query"].clone());
    assert_eq!(query(&phone), Some(json!("select 1")));

    laptop.write("saved_query", "orders", saved_query("Orders", "select 'laptop'"), SystemClock.now());
    laptop.sync().await;
    phone.write("saved_query", "orders", saved_query("Orders", "select 'phone'"), SystemClock.now());
    phone.sync().await;
    let call = |call: Request| cloud.api.send(call.bearer(token));
    let open = call(Request::get("/api/sync/conflicts")).await.expect(200);
    let id = open["conflicts"][0]["id"].as_str().expect("a conflict").to_owned();
    let choice = json!({ "strategy": "user_choice", "merged_data": saved_query("Orders", "select 'both'") });
    call(Request::post(format!("/api/sync/conflicts/{id}/resolve"), &choice)).await.expect(200);
    for device in [&mut laptop, &mut phone] {
        device.sync().await;
        assert_eq!(query(device), Some(json!("select 'both'")));
    }
    let status = call(Request::get("/api/sync/status")).await.expect(200);
    assert_eq!((&status["open_conflicts"], &status["counts"]["saved_query"]), (&json!(0), &json!(1)));
    assert_eq!(call(Request::get("/ready")).await.expect(200)["status"], "ready");
}
