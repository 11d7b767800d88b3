//! Idempotency: a repeated change has the same result and no further effect.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Service, TestUser, connection, error_fields, query_update, saved_query};

use crate::helpers::{DAY, choose, query_deletion};

async fn upload(ada: &TestUser, device: &str, strategy: &str, changes: &[Value]) -> Value {
    let body = json!({ "device_id": device, "conflict_strategy": strategy, "changes": changes });
    ada.post("/api/sync/upload", &body).await.expect(200)
}

#[tokio::test]
async fn repeated_upload_returns_the_same_result() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let mut laptop = ada.device("laptop");
    let now = service.clock.now();
    laptop.write("saved_query", "q", saved_query("orders", "select 1"), now);
    laptop.write("saved_query", "q", saved_query("orders", "select 2"), now);
    laptop.delete("saved_query", "q", now);
    laptop.write("connection", "c", connection("shop"), now);
    let lost = laptop.upload_losing_response().await;
    service.clock.advance(60);
    let response = laptop.upload().await;
    assert_eq!(response["applied"], lost["applied"]);
    assert_eq!(response["synced_at"], lost["synced_at"], "the repeat must not write");
    let status = ada.get("/api/sync/status").await.expect(200);
    assert_eq!(status["devices"][0]["total_synced"], 4, "the repeat must not be counted");
}

#[tokio::test]
async fn repeat_is_recognized_in_another_batch_with_another_strategy() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let first = [query_update(&service, "1", "q", "select 1", 0), query_update(&service, "2", "r", "select 1", 0)];
    let response = upload(&ada, "laptop", "last_write_wins", &first).await;
    service.clock.advance(60);
    upload(&ada, "phone", "last_write_wins", &[query_update(&service, "1", "q", "select 'phone'", 1)]).await;
    service.clock.advance(60);
    for strategy in ["user_choice", "keep_both", "last_write_wins"] {
        let [one, other] = &first;
        let batch = [query_update(&service, strategy, "new", strategy, 0), other.clone(), one.clone()];
        let again = upload(&ada, "laptop", strategy, &batch).await;
        assert_eq!(again["conflicts"], json!([]));
        assert_eq!(again["applied"][1], response["applied"][1]);
        let mut overtaken = again["applied"][2].clone();
        let current = overtaken.as_object_mut().unwrap().remove("current").unwrap();
        assert_eq!(overtaken, response["applied"][0]);
        assert_eq!((&current["sync_version"], &current["data"]["query"]), (&json!(2), &json!("select 'phone'")));
    }
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'phone'");
}

#[tokio::test]
async fn repeat_of_a_conflicting_change_returns_the_current_conflict() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.upload("laptop", &[query_update(&service, "1", "q", "select 'laptop'", 0)]).await;
    let change = query_update(&service, "2", "q", "select 'phone'", 0);
    let response = upload(&ada, "phone", "user_choice", std::slice::from_ref(&change)).await;
    let conflict = &response["conflicts"][0];
    let again = upload(&ada, "phone", "last_write_wins", std::slice::from_ref(&change)).await;
    assert_eq!(again["conflicts"], response["conflicts"]);

    let resolved = ada.resolve(conflict, &choose("remote")).await.expect(200);
    let again = upload(&ada, "phone", "keep_both", std::slice::from_ref(&change)).await;
    assert_eq!(again["conflicts"][0]["id"], conflict["id"]);
    assert_eq!(again["conflicts"][0]["resolved_at"], resolved["resolved_at"]);
    assert_eq!(ada.conflicts("all").await.len(), 1);
    let page = ada.download("").await;
    assert_eq!(page["saved_queries"].as_array().unwrap().len(), 1);
    assert_eq!(page["saved_queries"][0]["query"], "select 'laptop'");
}

#[tokio::test]
async fn late_repeat_does_not_restore_a_deleted_item() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let mut change = query_update(&service, "1", "q", "select 1", 0);
    change["action"] = json!("create");
    let first = ada.upload("laptop", std::slice::from_ref(&change)).await;
    ada.upload("phone", &[query_deletion(&service, "1", "q", 1)]).await;
    service.clock.advance(31 * DAY);
    assert_eq!(service.purge().await.tombstones, 1);
    let ada = ada.log_in().await;
    let mut again = ada.upload("laptop", &[change]).await["applied"].clone();
    let current = again[0].as_object_mut().unwrap().remove("current");
    assert_eq!((&again, current), (&first["applied"], Some(json!({ "sync_version": 0, "deleted": true }))));
    assert_eq!(ada.query_text("q").await, None);
}

#[tokio::test]
async fn repeat_without_id_is_recognized_by_content() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let change_without_id = |text: &str| {
        let mut change = query_update(&service, "", "q", text, 0);
        change.as_object_mut().unwrap().remove("id");
        change
    };
    let first = ada.upload("laptop", &[change_without_id("select 1")]).await;
    assert!(first["applied"][0]["change_id"].is_string());
    ada.upload("laptop", &[change_without_id("select 2")]).await;
    ada.upload("phone", &[query_update(&service, "p", "q", "select 3", 2)]).await;
    service.clock.advance(60);
    let again = ada.upload("laptop", &[change_without_id("select 1")]).await;
    assert_eq!(again["applied"], json!([]), "with another time it is another change");
    service.clock.advance(-60);
    let mut again = ada.upload("laptop", &[change_without_id("select 1")]).await["applied"].clone();
    let current = again[0].as_object_mut().unwrap().remove("current").unwrap();
    assert_eq!((&again, &current["sync_version"]), (&first["applied"], &json!(4)));
}

#[tokio::test]
async fn repeat_within_one_upload_is_applied_once() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let change = query_update(&service, "1", "q", "select 1", 0);
    let response =
        ada.upload("laptop", &[change.clone(), query_update(&service, "2", "q", "select 2", 0), change]).await;
    let mut repeated = response["applied"][2].clone();
    let current = repeated.as_object_mut().unwrap().remove("current").unwrap();
    assert_eq!((&repeated, &current["sync_version"]), (&response["applied"][0], &json!(2)));
    assert_eq!(ada.query_text("q").await.unwrap(), "select 2");
}

#[tokio::test]
async fn change_ids_are_scoped_to_the_device() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.upload("laptop", &[query_update(&service, "1", "q", "select 'laptop'", 0)]).await;
    let response = ada.upload("phone", &[query_update(&service, "1", "r", "select 'phone'", 0)]).await;
    assert_eq!(response["success"], true);
    assert_eq!(ada.query_text("r").await.unwrap(), "select 'phone'");
}

#[tokio::test]
async fn change_id_of_another_item_is_applied_or_rejected_but_never_taken_for_a_repeat() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.upload("laptop", &[query_update(&service, "1", "q", "select 1", 0)]).await;
    ada.upload("laptop", &[query_update(&service, "1", "r", "select 2", 0)]).await;
    assert_eq!(ada.query_text("r").await.unwrap(), "select 2");
    // An edit that changes nothing has a receipt of its own, of which there is one per id.
    ada.upload("laptop", &[query_update(&service, "2", "q", "select 1", 1)]).await;
    let response = ada.upload("laptop", &[query_update(&service, "2", "s", "select 3", 0)]).await;
    assert_eq!(response["rejected"][0]["code"], "CHANGE_ID_REUSED");
    assert_eq!(error_fields(&response["rejected"][0]), ["changes[0].id"]);
    assert_eq!(response["rejected"][0]["change"]["item_id"], "s");
    assert_eq!(ada.query_text("s").await, None);
}

#[tokio::test]
async fn rejected_change_can_be_corrected_under_the_same_id() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let mut change = query_update(&service, "1", "q", "select 1", 0);
    change["data"]["name"] = json!("");
    assert_eq!(ada.upload("laptop", std::slice::from_ref(&change)).await["success"], false);
    change["data"]["name"] = json!("orders");
    assert_eq!(ada.upload("laptop", &[change]).await["applied"][0]["sync_version"], 1);
}
