//! Resolution of conflicts by users.

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::models::ConflictId;
use shared::sync::resolution_copy_id;
use tests::{Device, Request, Service, TestUser, error_fields, pluck, query_update, saved_query};

use crate::conflicts::{edit_and_upload, query_text, two_devices};
use crate::helpers::{DAY, choose};

/// Creates an open conflict between edits of the laptop and the phone.
async fn open_conflict(service: &Service) -> (TestUser, Device, Device, Value) {
    let (ada, mut laptop, mut phone) = two_devices(service, "user_choice").await;
    edit_and_upload(service, &mut laptop, "select 'laptop'").await;
    let conflict = edit_and_upload(service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    phone.download().await;
    (ada, laptop, phone, conflict)
}

fn merge(data: Value) -> Value {
    json!({ "strategy": "user_choice", "merged_data": data })
}

#[tokio::test]
async fn chosen_version_reaches_all_devices() {
    for (chosen, expected) in [("local", "select 'phone'"), ("remote", "select 'laptop'")] {
        let service = Service::start().await;
        let (ada, mut laptop, mut phone, conflict) = open_conflict(&service).await;
        let response = ada.resolve(&conflict, &choose(chosen)).await.expect(200);
        assert_eq!((&response["success"], &response["item"]["sync_version"]), (&json!(true), &json!(3)));
        assert_eq!((&response["item"]["id"], &response["item"]["query"]), (&json!("q"), &json!(expected)));
        for device in [&mut laptop, &mut phone] {
            let page = device.download().await;
            assert_eq!(pluck(&page["conflicts"], "winner"), [chosen], "the conflict, as it is resolved");
            assert_eq!(query_text(device).unwrap(), expected);
            assert_eq!(device.known[&("saved_query".to_owned(), "q".to_owned())].version, 3, "a new version");
        }
        let resolved = &ada.conflicts("resolved").await[0];
        assert_eq!((&resolved["winner"], &resolved["resolution"]), (&json!(chosen), &json!("user_choice")));
        assert_eq!(resolved["resolved_at"], response["resolved_at"]);
    }
}

#[tokio::test]
async fn resolution_by_last_write_wins_takes_the_later_version() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let resolved = ada.resolve(&conflict, &json!({ "strategy": "last_write_wins" })).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 'phone'");
    laptop.download().await;
    assert_eq!(query_text(&laptop).unwrap(), "select 'phone'");
}

#[tokio::test]
async fn resolution_by_keep_both_creates_a_copy() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let response = ada.resolve(&conflict, &json!({ "strategy": "keep_both" })).await.expect(200);
    assert_eq!(response["item"]["name"], "orders (conflicted copy, phone, 2026-01-01)");
    let resolved = &ada.conflicts("resolved").await[0];
    assert_eq!(resolved["copy_id"], response["item"]["id"]);
    laptop.download().await;
    assert_eq!(query_text(&laptop).unwrap(), "select 'laptop'");
    let copy = laptop.visible_data("saved_query", resolved["copy_id"].as_str().unwrap()).unwrap();
    assert_eq!(copy["query"], "select 'phone'");
}

/// After the server is restored from a backup, a device may have a copy that is missing on the server.
#[tokio::test]
async fn copy_does_not_replace_an_existing_item() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let id = resolution_copy_id(&ConflictId::new_unchecked(conflict["id"].as_str().unwrap()));
    laptop.write("saved_query", id.as_str(), saved_query("mine", "select 'mine'"), service.clock.now());
    laptop.upload().await;
    let keep_both = json!({ "strategy": "keep_both" });
    let resolved = ada.resolve(&conflict, &keep_both).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 'phone'");
    assert_ne!(resolved["item"]["id"], id.as_str());
    assert_eq!(ada.query_text(id.as_str()).await.unwrap(), "select 'mine'");
    assert_eq!(ada.resolve(&conflict, &keep_both).await.expect(200), resolved, "a repeat creates no second copy");
}

#[tokio::test]
async fn merged_data_becomes_the_item() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let merged = merge(saved_query("orders", "select 'both'"));
    let resolved = ada.resolve(&conflict, &merged).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 'both'");
    assert_eq!(ada.conflicts("resolved").await[0]["winner"], "merged");
    laptop.download().await;
    assert_eq!(query_text(&laptop).unwrap(), "select 'both'");
    assert_eq!(ada.resolve(&conflict, &merged).await.expect(200), resolved);
    let other = merge(saved_query("orders", "select 'neither'"));
    ada.resolve(&conflict, &other).await.expect_error(409, "CONFLICT");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'both'");
}

#[tokio::test]
async fn merged_data_is_validated_like_an_upload() {
    let service = Service::start().await;
    let (ada, _, _, conflict) = open_conflict(&service).await;
    let without = |field: &str| {
        let mut data = saved_query("orders", "select 1");
        data.as_object_mut().unwrap().remove(field);
        data
    };
    let with = |field: &str, value: Value| {
        let mut data = saved_query("orders", "select 1");
        data[field] = value;
        data
    };
    for (data, field) in [
        (without("name"), "merged_data.name"),
        (with("name", json!("")), "merged_data.name"),
        (with("tags", json!(["ok", 7])), "merged_data.tags[1]"),
        (with("query", json!("select '\0'")), "merged_data.query"),
        (with("id", json!("other")), "merged_data.id"),
        (with("created_at", json!("yesterday")), "merged_data.created_at"),
        (with("created_at", json!(5)), "merged_data.created_at"),
        (json!("select 1"), "merged_data"),
    ] {
        let error = ada.resolve(&conflict, &merge(data)).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), [field]);
    }
    assert_eq!(ada.conflicts("open").await.len(), 1);
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'laptop'");
}

#[tokio::test]
async fn merged_data_with_credential_is_rejected() {
    let service = Service::start().await;
    let (ada, _, _, conflict) = open_conflict(&service).await;
    let mut data = saved_query("orders", "select 1");
    data["metadata"] = json!({ "password": "hunter2" });
    let error = ada.resolve(&conflict, &merge(data)).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["merged_data.metadata.password"]);
    assert!(!error.to_string().contains("hunter2"));
    let harmless = merge(saved_query("orders", "select password from users"));
    ada.resolve(&conflict, &harmless).await.expect(200);
}

#[tokio::test]
async fn incomplete_or_contradictory_choice_is_rejected() {
    let service = Service::start().await;
    let (ada, _, _, conflict) = open_conflict(&service).await;
    let mut both = choose("local");
    both["merged_data"] = saved_query("orders", "select 1");
    for (choice, field) in [
        (json!({ "strategy": "mine" }), "strategy"),
        (json!({ "strategy": "user_choice" }), "chosen_version"),
        (json!({ "strategy": "user_choice", "chosen_version": "mine" }), "chosen_version"),
        (both, "merged_data"),
        (json!({ "strategy": 7 }), "strategy"),
        (json!({ "strategy": "keep_both", "chosen_version": "mine" }), "chosen_version"),
        (json!({ "strategy": "user_choice", "chosen_version": 1 }), "chosen_version"),
        (json!({ "strategy": "user_choice", "chosen_version": { "local": null } }), "chosen_version"),
        (json!({ "strategy": "user_choice", "chosen_version": "local", "revision": "1" }), "revision"),
        (json!({ "strategy": "user_choice", "chosen_version": "local", "revision": 1.5 }), "revision"),
    ] {
        let error = ada.resolve(&conflict, &choice).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), [field], "{choice}");
        assert!(!error.to_string().contains("at line"), "{error}");
    }
    ada.resolve(&conflict, &json!({})).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(ada.conflicts("open").await.len(), 1);
}

#[tokio::test]
async fn outdated_conflict_is_renewed_before_resolution() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    edit_and_upload(&service, &mut laptop, "select 'laptop, gone on'").await;
    let error = ada.resolve(&conflict, &choose("local")).await.expect_error(409, "CONFLICT");
    let renewed = &error["conflict"];
    assert_eq!(renewed["id"], conflict["id"]);
    assert_eq!(renewed["local_version"]["data"]["query"], "select 'phone'");
    assert_eq!(renewed["remote_version"]["data"]["query"], "select 'laptop, gone on'");
    assert_eq!(renewed["remote_version"]["sync_version"], 3);
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'laptop, gone on'");
    assert_eq!(ada.conflicts("open").await, std::slice::from_ref(renewed));

    let resolved = ada.resolve(&conflict, &choose("local")).await.expect(200);
    assert_eq!((&resolved["item"]["query"], &resolved["item"]["sync_version"]), (&json!("select 'phone'"), &json!(4)));
}

#[tokio::test]
async fn equal_resolution_is_idempotent_and_another_is_rejected() {
    let resolutions = [choose("local"), choose("remote"), json!({ "strategy": "keep_both" })];
    let by_time = json!({ "strategy": "last_write_wins" });
    for resolution in &resolutions {
        let service = Service::start().await;
        let (ada, _, _, conflict) = open_conflict(&service).await;
        let resolved = ada.resolve(&conflict, resolution).await.expect(200);
        service.clock.advance(60);
        assert_eq!(ada.resolve(&conflict, resolution).await.expect(200), resolved, "{resolution}");
        let state = ada.download("").await;
        for other in resolutions.iter().chain([&by_time]).filter(|other| *other != resolution) {
            ada.resolve(&conflict, other).await.expect_error(409, "CONFLICT");
        }
        assert_eq!(ada.download("").await, state, "{resolution}");
    }
}

#[tokio::test]
async fn only_last_write_wins_resolution_can_be_changed() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    edit_and_upload(&service, &mut laptop, "select 'laptop'").await;
    let conflict = edit_and_upload(&service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    assert_eq!(conflict["winner"], "local");
    ada.resolve(&conflict, &json!({ "strategy": "keep_both" })).await.expect_error(409, "CONFLICT");

    let resolved = ada.resolve(&conflict, &choose("remote")).await.expect(200);
    assert_eq!((&resolved["item"]["query"], &resolved["item"]["sync_version"]), (&json!("select 'laptop'"), &json!(4)));
    phone.download().await;
    assert_eq!(query_text(&phone).unwrap(), "select 'laptop'");
    assert_eq!(ada.resolve(&conflict, &choose("remote")).await.expect(200), resolved);
    ada.resolve(&conflict, &choose("local")).await.expect_error(409, "CONFLICT");
}

#[tokio::test]
async fn replaced_resolution_cannot_be_repeated() {
    let service = Service::start().await;
    let (ada, _, _, conflict) = open_conflict(&service).await;
    let by_time = json!({ "strategy": "last_write_wins" });
    let resolved = ada.resolve(&conflict, &by_time).await.expect(200);
    assert_eq!(ada.resolve(&conflict, &by_time).await.expect(200), resolved);
    ada.resolve(&conflict, &choose("remote")).await.expect(200);
    let error = ada.resolve(&conflict, &by_time).await.expect_error(409, "CONFLICT");
    assert_eq!(error["conflict"]["resolution"], "user_choice");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'laptop'");
}

#[tokio::test]
async fn revision_accepts_whole_floats() {
    let service = Service::start().await;
    let (ada, _, _, conflict) = open_conflict(&service).await;
    let mut choice = choose("local");
    choice["revision"] = json!(conflict["revision"].as_i64().unwrap() as f64);
    ada.resolve(&conflict, &choice).await.expect(200);
}

#[tokio::test]
async fn overwritten_version_does_not_replace_an_unseen_newer_one() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    edit_and_upload(&service, &mut laptop, "select 'laptop'").await;
    let conflict = edit_and_upload(&service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    phone.download().await;
    edit_and_upload(&service, &mut phone, "select 'phone, gone on'").await;
    let error = ada.resolve(&conflict, &choose("remote")).await.expect_error(409, "CONFLICT");
    assert_eq!(error["conflict"]["local_version"]["data"]["query"], "select 'phone, gone on'");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'phone, gone on'");
    let resolved = ada.resolve(&conflict, &choose("remote")).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 'laptop'");
}

#[tokio::test]
async fn open_conflict_survives_purge_of_its_item() {
    for (chosen, expected) in [("local", Some("select 'phone'")), ("remote", None)] {
        let service = Service::start().await;
        let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
        laptop.delete("saved_query", "q", service.clock.now());
        laptop.upload().await;
        service.clock.advance(31 * DAY);
        assert_eq!(service.purge().await.tombstones, 1);
        let ada = ada.log_in().await;
        let error = ada.resolve(&conflict, &choose(chosen)).await.expect_error(409, "CONFLICT");
        assert_eq!(error["conflict"]["remote_version"]["deleted"], true);
        let resolved = ada.resolve(&conflict, &choose(chosen)).await.expect(200);
        assert_eq!(resolved["item"]["query"].as_str(), expected);
        assert_eq!(ada.query_text("q").await.as_deref(), expected);
    }
}

#[tokio::test]
async fn conflict_of_another_user_is_not_found() {
    let service = Service::start().await;
    let (_, _, _, conflict) = open_conflict(&service).await;
    let eve = TestUser::sign_up(&service.api, "eve").await;
    assert_eq!(eve.conflicts("all").await, Vec::<Value>::new());
    eve.resolve(&conflict, &choose("local")).await.expect_error(404, "NOT_FOUND");
    for id in ["nonsense", "%00", "a%2Fb", "%F0%9F%98%80"] {
        eve.resolve(&json!({ "id": id }), &choose("local")).await.expect_error(404, "NOT_FOUND");
    }
    let id = conflict["id"].as_str().unwrap();
    let unauthenticated = Request::post(format!("/api/sync/conflicts/{id}/resolve"), &choose("local"));
    service.api.send(unauthenticated).await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn conflicts_are_paged_newest_first() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let all = |device: &str| -> Vec<Value> {
        let change = |n| query_update(&service, &format!("{device} {n}"), &format!("q{n}"), device, 0);
        (1..=5).map(change).collect()
    };
    ada.upload("laptop", &all("laptop")).await;
    let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": all("phone") });
    ada.post("/api/sync/upload", &body).await.expect(200);
    let newest = &ada.conflicts("open").await[0];
    assert_eq!(newest["item_id"], "q5");
    ada.resolve(newest, &choose("local")).await.expect(200);

    for (status, expected) in
        [("open", &["q4", "q3", "q2", "q1"][..]), ("resolved", &["q5"]), ("all", &["q5", "q4", "q3", "q2", "q1"])]
    {
        let mut seen = Vec::new();
        let mut path = format!("/api/sync/conflicts?limit=2&status={status}");
        loop {
            let page = ada.get(&path).await.expect(200);
            assert_eq!(page["count"], expected.len(), "{status}");
            assert!(page["conflicts"].as_array().unwrap().len() <= 2);
            seen.extend(pluck(&page["conflicts"], "item_id").into_iter().map(str::to_owned));
            assert!(seen.len() <= 5, "{seen:?}");
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/api/sync/conflicts?limit=2&status={status}&cursor={cursor}");
        }
        assert_eq!(seen, expected, "{status}");
    }
    for (query, field) in [
        ("status=some", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("cursor=there", "cursor"),
    ] {
        let error = ada.get(&format!("/api/sync/conflicts?{query}")).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), [field]);
    }
}
