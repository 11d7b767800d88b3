//! Sync between a laptop and a phone through the functions.

use serde_json::json;
use shared::clock::{Clock, SystemClock};
use tests::{Call, Device, saved_query};

use crate::cloud::Cloud;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_sync_and_resolve_a_conflict() {
    let cloud = Cloud::start().await;
    let session = cloud.api.sign_up("ada").await;
    let token = session["token"].as_str().expect("a token");
    let [mut laptop, mut phone] =
        ["laptop", "phone"].map(|name| Device::new(&cloud.api, token, name).settling_by("user_choice"));
    laptop.writes("saved_query", "orders", saved_query("Orders", "select 1"), SystemClock.now());
    laptop.syncs().await;
    phone.syncs().await;
    let query = |device: &Device| device.sees("saved_query", "orders").map(|item| item["query"].clone());
    assert_eq!(query(&phone), Some(json!("select 1")));

    laptop.writes("saved_query", "orders", saved_query("Orders", "select 'laptop'"), SystemClock.now());
    laptop.syncs().await;
    phone.writes("saved_query", "orders", saved_query("Orders", "select 'phone'"), SystemClock.now());
    phone.syncs().await;
    let call = |call: Call| cloud.api.send(call.bearer(token));
    let open = call(Call::get("/api/sync/conflicts")).await.expect(200);
    let id = open["conflicts"][0]["id"].as_str().expect("a conflict").to_owned();
    let choice = json!({ "strategy": "user_choice", "merged_data": saved_query("Orders", "select 'both'") });
    call(Call::post(format!("/api/sync/conflicts/{id}/resolve"), &choice)).await.expect(200);
    for device in [&mut laptop, &mut phone] {
        device.syncs().await;
        assert_eq!(query(device), Some(json!("select 'both'")));
    }
    let status = call(Call::get("/api/sync/status")).await.expect(200);
    assert_eq!((&status["open_conflicts"], &status["counts"]["saved_query"]), (&json!(0), &json!(1)));
    assert_eq!(call(Call::get("/ready")).await.expect(200)["status"], "ready");
}
