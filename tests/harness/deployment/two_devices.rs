use serde_json::json;
use shared::clock::{Clock, SystemClock};

use crate::{Device, Request, TestUser, saved_query};

/// Syncs a laptop and a phone of `user`, a new account, until both have the result of a conflict.
///
/// # Panics
/// If they do not.
pub(super) async fn two_devices_resolve_a_conflict(user: &TestUser) {
    let [mut laptop, mut phone] = ["laptop", "phone"].map(|name| user.device(name).with_strategy("user_choice"));
    laptop.write("saved_query", "orders", saved_query("Orders", "select 1"), SystemClock.now());
    laptop.sync().await;
    phone.sync().await;
    let query = |device: &Device| device.visible_data("saved_query", "orders").map(|item| item["query"].clone());
    assert_eq!(query(&phone), Some(json!("select 1")));

    laptop.write("saved_query", "orders", saved_query("Orders", "select 'laptop'"), SystemClock.now());
    laptop.sync().await;
    phone.write("saved_query", "orders", saved_query("Orders", "select 'phone'"), SystemClock.now());
    phone.sync().await;
    let open = user.conflicts("open").await;
    assert_eq!(open.len(), 1, "{open:?}");
    let choice = json!({ "strategy": "user_choice", "merged_data": saved_query("Orders", "select 'both'") });
    user.resolve(&open[0], &choice).await.expect(200);
    for device in [&mut laptop, &mut phone] {
        device.sync().await;
        assert_eq!(query(device), Some(json!("select 'both'")));
    }
    let status = user.send(Request::get("/api/sync/status")).await.expect(200);
    assert_eq!((&status["open_conflicts"], &status["counts"]["saved_query"]), (&json!(0), &json!(1)));
}
