//! Conflicts of two devices, with each strategy.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Device, Service, TestUser, saved_query};

use crate::helpers::choose;

/// Creates a user with two devices that both have version 1 of a query, and advances the clock by a minute.
pub(crate) async fn two_devices(service: &Service, strategy: &str) -> (TestUser, Device, Device) {
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let device = |id| ada.device(id).with_strategy(strategy);
    let (mut laptop, mut phone) = (device("laptop"), device("phone"));
    edit_query(service, &mut laptop, "select 1");
    laptop.sync().await;
    phone.sync().await;
    service.clock.advance(60);
    (ada, laptop, phone)
}

/// Sets the text of the query on `device` at the current time.
pub(crate) fn edit_query(service: &Service, device: &mut Device, text: &str) {
    device.write("saved_query", "q", saved_query("orders", text), service.clock.now());
}

/// Sets the text of the query, uploads it, and advances the clock by a minute.
pub(crate) async fn edit_and_upload(service: &Service, device: &mut Device, text: &str) -> Value {
    edit_query(service, device, text);
    let response = device.upload().await;
    service.clock.advance(60);
    response
}

/// Returns the text of the query that is visible on `device`.
pub(crate) fn query_text(device: &Device) -> Option<String> {
    Some(device.visible_data("saved_query", "q")?["query"].as_str()?.to_owned())
}

/// Returns names and texts of all saved queries but the original.
async fn copies(ada: &TestUser) -> Vec<(String, String)> {
    let page = ada.download("").await;
    let copies = page["saved_queries"].as_array().expect("a list").iter().filter(|query| query["id"] != "q");
    let field = |query: &Value, name: &str| query[name].as_str().expect("a text").to_owned();
    copies.map(|query| (field(query, "name"), field(query, "query"))).collect()
}

#[tokio::test]
async fn later_edit_wins_in_either_upload_order() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    edit_query(&service, &mut phone, "select 'phone'");
    service.clock.advance(60);
    edit_and_upload(&service, &mut laptop, "select 'laptop'").await;

    let response = phone.sync().await;
    assert_eq!((&response["success"], &response["applied"]), (&json!(true), &json!([])));
    let lost = &response["conflicts"][0];
    assert_eq!((&lost["winner"], &lost["resolution"]), (&json!("remote"), &json!("last_write_wins")));
    assert_eq!(lost["local_version"]["data"]["query"], "select 'phone'");
    assert_eq!(lost["local_version"]["device_id"], "phone");
    assert_eq!(lost["remote_version"]["data"]["query"], "select 'laptop'");
    assert_eq!(lost["remote_version"]["sync_version"], 2);
    assert!(lost["resolved_at"].is_string());
    assert_eq!(query_text(&phone).unwrap(), "select 'laptop'");

    edit_and_upload(&service, &mut laptop, "select 3").await;
    let won = &edit_and_upload(&service, &mut phone, "select 4").await["conflicts"][0];
    assert_eq!(won["winner"], "local");
    assert_eq!(won["remote_version"]["data"]["query"], "select 3", "the conflict contains the overwritten version");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 4");
    laptop.download().await;
    assert_eq!(query_text(&laptop).unwrap(), "select 4");
    assert_eq!(ada.conflicts("open").await, Vec::<Value>::new());
}

#[tokio::test]
async fn stored_version_wins_a_tie() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    edit_query(&service, &mut laptop, "select 'first'");
    edit_query(&service, &mut phone, "select 'second'");
    laptop.upload().await;
    assert_eq!(phone.upload().await["conflicts"][0]["winner"], "remote");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'first'");
}

#[tokio::test]
async fn fast_clock_does_not_win_later_conflicts() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    phone.clock_skew_seconds = 365 * 24 * 3_600;
    edit_and_upload(&service, &mut phone, "select 'next year'").await;
    let won = &edit_and_upload(&service, &mut laptop, "select 'today'").await["conflicts"][0];
    assert_eq!(won["winner"], "local");
    assert_eq!(won["remote_version"]["updated_at"], "2026-01-01T00:01:00.000000Z");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'today'");
}

#[tokio::test]
async fn winning_deletion_can_be_reverted() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    edit_and_upload(&service, &mut laptop, "select 2").await;
    phone.delete("saved_query", "q", service.clock.now());
    let conflict = phone.sync().await["conflicts"][0].clone();
    assert_eq!((&conflict["winner"], &conflict["local_version"]["deleted"]), (&json!("local"), &json!(true)));
    assert!(conflict["local_version"].get("data").is_none());
    laptop.download().await;
    assert_eq!(query_text(&laptop), None);

    let resolved = ada.resolve(&conflict, &choose("remote")).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 2");
    for device in [&mut laptop, &mut phone] {
        device.download().await;
        assert_eq!(query_text(device).unwrap(), "select 2");
    }
}

#[tokio::test]
async fn losing_deletion_can_be_chosen() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    phone.delete("saved_query", "q", service.clock.now());
    service.clock.advance(60);
    edit_and_upload(&service, &mut laptop, "select 2").await;
    let conflict = phone.sync().await["conflicts"][0].clone();
    assert_eq!(conflict["winner"], "remote");
    assert_eq!(query_text(&phone).unwrap(), "select 2");

    let resolved = ada.resolve(&conflict, &choose("local")).await.expect(200);
    assert!(resolved.get("item").is_none());
    laptop.download().await;
    assert_eq!(query_text(&laptop), None);
}

#[tokio::test]
async fn edit_older_than_the_deletion_loses_and_can_be_chosen() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    edit_query(&service, &mut phone, "select 'phone'");
    service.clock.advance(60);
    laptop.delete("saved_query", "q", service.clock.now());
    laptop.sync().await;
    let conflict = phone.sync().await["conflicts"][0].clone();
    assert_eq!((&conflict["winner"], &conflict["remote_version"]["deleted"]), (&json!("remote"), &json!(true)));
    assert_eq!(query_text(&phone), None);

    ada.resolve(&conflict, &choose("local")).await.expect(200);
    laptop.download().await;
    assert_eq!(query_text(&laptop).unwrap(), "select 'phone'");
}

#[tokio::test]
async fn edit_newer_than_the_deletion_wins() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    laptop.delete("saved_query", "q", service.clock.now());
    laptop.sync().await;
    service.clock.advance(60);
    let conflict = &edit_and_upload(&service, &mut phone, "select 'phone'").await["conflicts"][0];
    assert_eq!(conflict["winner"], "local");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'phone'");
}

#[tokio::test]
async fn keep_both_creates_a_copy_named_after_the_device() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "keep_both").await;
    edit_and_upload(&service, &mut laptop, "select 'laptop'").await;
    let response = edit_and_upload(&service, &mut phone, "select 'phone'").await;
    let conflict = &response["conflicts"][0];
    assert_eq!((&response["applied"], &conflict["resolution"]), (&json!([]), &json!("keep_both")));
    assert!(conflict.get("winner").is_none());

    laptop.download().await;
    assert_eq!(query_text(&laptop).unwrap(), "select 'laptop'");
    let copy = laptop.visible_data("saved_query", conflict["copy_id"].as_str().unwrap()).unwrap();
    assert_eq!(copy["name"], "orders (conflicted copy, phone, 2026-01-01)");
    assert_eq!(copy["query"], "select 'phone'");
    assert_eq!(copy["tags"], json!(["report"]));
    assert_eq!(ada.conflicts("open").await.len(), 0);
}

#[tokio::test]
async fn further_edit_updates_the_copy() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "keep_both").await;
    edit_and_upload(&service, &mut laptop, "select 'laptop'").await;
    for text in ["s", "se", "sel"] {
        assert_eq!(edit_and_upload(&service, &mut phone, text).await["conflicts"].as_array().unwrap().len(), 1);
    }
    assert_eq!(copies(&ada).await, [("orders (conflicted copy, phone, 2026-01-01)".to_owned(), "sel".to_owned())]);
    let resolutions: Vec<Value> =
        ada.conflicts("all").await.iter().map(|conflict| conflict["resolution"].clone()).collect();
    assert_eq!(resolutions, ["renewed", "renewed", "keep_both"], "what the renewals replaced stays");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'laptop'");
}

#[tokio::test]
async fn edit_of_another_version_creates_another_copy() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "keep_both").await;
    edit_and_upload(&service, &mut laptop, "select 2").await;
    edit_and_upload(&service, &mut phone, "select 'on 1'").await;
    phone.download().await;
    edit_and_upload(&service, &mut laptop, "select 3").await;
    edit_and_upload(&service, &mut phone, "select 'on 2'").await;
    let texts: Vec<String> = copies(&ada).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["select 'on 1'", "select 'on 2'"]);
}

#[tokio::test]
async fn copy_edited_elsewhere_is_not_overwritten() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "keep_both").await;
    edit_and_upload(&service, &mut laptop, "select 2").await;
    let conflict = edit_and_upload(&service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    let copy = conflict["copy_id"].as_str().unwrap();
    laptop.download().await;
    laptop.write("saved_query", copy, saved_query("merged", "select 'both'"), service.clock.now());
    laptop.sync().await;
    service.clock.advance(60);

    edit_and_upload(&service, &mut phone, "select 'phone, gone on'").await;
    let texts: Vec<String> = copies(&ada).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["select 'both'", "select 'phone, gone on'"]);
}

#[tokio::test]
async fn keep_both_creates_no_copy_of_a_deletion() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "keep_both").await;
    edit_and_upload(&service, &mut laptop, "select 2").await;
    phone.delete("saved_query", "q", service.clock.now());
    let conflict = &phone.sync().await["conflicts"][0];
    assert_eq!(conflict["winner"], "remote");
    assert_eq!((copies(&ada).await, query_text(&phone).unwrap()), (vec![], "select 2".to_owned()));
}

#[tokio::test]
async fn further_edit_updates_the_open_conflict() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "user_choice").await;
    edit_and_upload(&service, &mut laptop, "select 'laptop'").await;
    let first = edit_and_upload(&service, &mut phone, "sel").await["conflicts"][0].clone();
    assert!(first.get("resolved_at").is_none() && first.get("winner").is_none());
    let second = edit_and_upload(&service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    assert_eq!((&second["id"], &second["detected_at"]), (&first["id"], &first["detected_at"]));

    let open = ada.conflicts("open").await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["local_version"]["data"]["query"], "select 'phone'");
    assert_eq!(open[0]["remote_version"]["data"]["query"], "select 'laptop'");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'laptop'");
    let delta = laptop.download().await["conflicts"].clone();
    assert_eq!(
        (&delta[0]["resolution"], &delta[1]),
        (&json!("renewed"), &open[0]),
        "the renewed edit, then the conflict"
    );
    assert_eq!(ada.get("/api/sync/status").await.expect(200)["open_conflicts"], 1);
}

#[tokio::test]
async fn edit_of_another_version_creates_another_open_conflict() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "user_choice").await;
    edit_and_upload(&service, &mut laptop, "select 2").await;
    edit_and_upload(&service, &mut phone, "select 'on 1'").await;
    phone.download().await;
    edit_and_upload(&service, &mut laptop, "select 3").await;
    edit_and_upload(&service, &mut phone, "select 'on 2'").await;
    let open = ada.conflicts("open").await;
    let texts: Vec<&str> =
        open.iter().filter_map(|conflict| conflict["local_version"]["data"]["query"].as_str()).collect();
    assert_eq!(texts, ["select 'on 2'", "select 'on 1'"], "the newest first");
}
