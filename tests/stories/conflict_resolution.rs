//! Users settle their conflicts.

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::models::ConflictId;
use shared::sync::resolution_copy_id;
use tests::{Device, Request, Service, TestUser, error_fields, pluck, query_update, saved_query};

use crate::conflicts::{saves, text, two_devices};
use crate::verbs::{DAY, choose};

/// The phone's edit waits in an open conflict with the laptop's.
async fn open_conflict(service: &Service) -> (TestUser, Device, Device, Value) {
    let (ada, mut laptop, mut phone) = two_devices(service, "user_choice").await;
    saves(service, &mut laptop, "select 'laptop'").await;
    let conflict = saves(service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    phone.download().await;
    (ada, laptop, phone, conflict)
}

fn merge(data: Value) -> Value {
    json!({ "strategy": "user_choice", "merged_data": data })
}

#[tokio::test]
async fn the_chosen_version_reaches_every_device() {
    for (chosen, expected) in [("local", "select 'phone'"), ("remote", "select 'laptop'")] {
        let service = Service::start().await;
        let (ada, mut laptop, mut phone, conflict) = open_conflict(&service).await;
        let settled = ada.resolve(&conflict, &choose(chosen)).await.expect(200);
        assert_eq!((&settled["success"], &settled["item"]["sync_version"]), (&json!(true), &json!(3)));
        assert_eq!((&settled["item"]["id"], &settled["item"]["query"]), (&json!("q"), &json!(expected)));
        for device in [&mut laptop, &mut phone] {
            let page = device.download().await;
            assert_eq!(page["conflicts"], json!([]));
            assert_eq!(text(device).unwrap(), expected);
            assert_eq!(device.known[&("saved_query".to_owned(), "q".to_owned())].version, 3, "a new version");
        }
        let resolved = &ada.conflicts("resolved").await[0];
        assert_eq!((&resolved["winner"], &resolved["resolution"]), (&json!(chosen), &json!("user_choice")));
        assert_eq!(resolved["resolved_at"], settled["resolved_at"]);
    }
}

#[tokio::test]
async fn the_later_version_is_taken_on_request() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let settled = ada.resolve(&conflict, &json!({ "strategy": "last_write_wins" })).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 'phone'");
    laptop.download().await;
    assert_eq!(text(&laptop).unwrap(), "select 'phone'");
}

#[tokio::test]
async fn both_versions_are_kept_on_request() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let settled = ada.resolve(&conflict, &json!({ "strategy": "keep_both" })).await.expect(200);
    assert_eq!(settled["item"]["name"], "orders (conflicted copy, phone, 2026-01-01)");
    let resolved = &ada.conflicts("resolved").await[0];
    assert_eq!(resolved["copy_id"], settled["item"]["id"]);
    laptop.download().await;
    assert_eq!(text(&laptop).unwrap(), "select 'laptop'");
    let copy = laptop.visible_data("saved_query", resolved["copy_id"].as_str().unwrap()).unwrap();
    assert_eq!(copy["query"], "select 'phone'");
}

/// A device may know a copy of which a server that was restored from a backup knows nothing.
#[tokio::test]
async fn a_copy_takes_no_other_items_place() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let id = resolution_copy_id(&ConflictId::trusted(conflict["id"].as_str().unwrap()));
    laptop.write("saved_query", id.as_str(), saved_query("mine", "select 'mine'"), service.clock.now());
    laptop.upload().await;
    let keep_both = json!({ "strategy": "keep_both" });
    let settled = ada.resolve(&conflict, &keep_both).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 'phone'");
    assert_ne!(settled["item"]["id"], id.as_str());
    assert_eq!(ada.query_text(id.as_str()).await.unwrap(), "select 'mine'");
    assert_eq!(ada.resolve(&conflict, &keep_both).await.expect(200), settled, "a repeat makes no other copy");
}

#[tokio::test]
async fn a_merge_becomes_the_item() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    let merged = merge(saved_query("orders", "select 'both'"));
    let settled = ada.resolve(&conflict, &merged).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 'both'");
    assert_eq!(ada.conflicts("resolved").await[0]["winner"], "merged");
    laptop.download().await;
    assert_eq!(text(&laptop).unwrap(), "select 'both'");
    assert_eq!(ada.resolve(&conflict, &merged).await.expect(200), settled);
    let other = merge(saved_query("orders", "select 'neither'"));
    ada.resolve(&conflict, &other).await.expect_error(409, "CONFLICT");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'both'");
}

#[tokio::test]
async fn a_merge_is_checked_like_an_upload() {
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
async fn a_merge_brings_no_credential_in() {
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
async fn a_choice_that_says_too_little_or_too_much_is_refused() {
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
async fn an_item_that_moved_on_is_looked_at_again_before_it_is_settled() {
    let service = Service::start().await;
    let (ada, mut laptop, _, conflict) = open_conflict(&service).await;
    saves(&service, &mut laptop, "select 'laptop, gone on'").await;
    let error = ada.resolve(&conflict, &choose("local")).await.expect_error(409, "CONFLICT");
    let renewed = &error["conflict"];
    assert_eq!(renewed["id"], conflict["id"]);
    assert_eq!(renewed["local_version"]["data"]["query"], "select 'phone'");
    assert_eq!(renewed["remote_version"]["data"]["query"], "select 'laptop, gone on'");
    assert_eq!(renewed["remote_version"]["sync_version"], 3);
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'laptop, gone on'");
    assert_eq!(ada.conflicts("open").await, std::slice::from_ref(renewed));

    let settled = ada.resolve(&conflict, &choose("local")).await.expect(200);
    assert_eq!((&settled["item"]["query"], &settled["item"]["sync_version"]), (&json!("select 'phone'"), &json!(4)));
}

#[tokio::test]
async fn settling_twice_answers_alike_and_settling_otherwise_is_refused() {
    let ways = [choose("local"), choose("remote"), json!({ "strategy": "keep_both" })];
    let by_time = json!({ "strategy": "last_write_wins" });
    for way in &ways {
        let service = Service::start().await;
        let (ada, _, _, conflict) = open_conflict(&service).await;
        let settled = ada.resolve(&conflict, way).await.expect(200);
        service.clock.advance(60);
        assert_eq!(ada.resolve(&conflict, way).await.expect(200), settled, "{way}");
        let state = ada.download("").await;
        for other in ways.iter().chain([&by_time]).filter(|other| *other != way) {
            ada.resolve(&conflict, other).await.expect_error(409, "CONFLICT");
        }
        assert_eq!(ada.download("").await, state, "{way}");
    }
}

#[tokio::test]
async fn only_what_was_settled_by_time_alone_is_settled_anew() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    saves(&service, &mut laptop, "select 'laptop'").await;
    let conflict = saves(&service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    assert_eq!(conflict["winner"], "local");
    ada.resolve(&conflict, &json!({ "strategy": "keep_both" })).await.expect_error(409, "CONFLICT");

    let settled = ada.resolve(&conflict, &choose("remote")).await.expect(200);
    assert_eq!((&settled["item"]["query"], &settled["item"]["sync_version"]), (&json!("select 'laptop'"), &json!(4)));
    phone.download().await;
    assert_eq!(text(&phone).unwrap(), "select 'laptop'");
    assert_eq!(ada.resolve(&conflict, &choose("remote")).await.expect(200), settled);
    ada.resolve(&conflict, &choose("local")).await.expect_error(409, "CONFLICT");
}

#[tokio::test]
async fn a_choice_that_was_settled_anew_is_no_repeat_any_more() {
    let service = Service::start().await;
    let (ada, _, _, conflict) = open_conflict(&service).await;
    let by_time = json!({ "strategy": "last_write_wins" });
    let settled = ada.resolve(&conflict, &by_time).await.expect(200);
    assert_eq!(ada.resolve(&conflict, &by_time).await.expect(200), settled);
    ada.resolve(&conflict, &choose("remote")).await.expect(200);
    let error = ada.resolve(&conflict, &by_time).await.expect_error(409, "CONFLICT");
    assert_eq!(error["conflict"]["resolution"], "user_choice");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'laptop'");
}

#[tokio::test]
async fn a_revision_may_be_written_as_any_whole_number() {
    let service = Service::start().await;
    let (ada, _, _, conflict) = open_conflict(&service).await;
    let mut choice = choose("local");
    choice["revision"] = json!(conflict["revision"].as_i64().unwrap() as f64);
    ada.resolve(&conflict, &choice).await.expect(200);
}

#[tokio::test]
async fn an_overwritten_version_does_not_come_back_over_a_newer_one_unseen() {
    let service = Service::start().await;
    let (ada, mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    saves(&service, &mut laptop, "select 'laptop'").await;
    let conflict = saves(&service, &mut phone, "select 'phone'").await["conflicts"][0].clone();
    phone.download().await;
    saves(&service, &mut phone, "select 'phone, gone on'").await;
    let error = ada.resolve(&conflict, &choose("remote")).await.expect_error(409, "CONFLICT");
    assert_eq!(error["conflict"]["local_version"]["data"]["query"], "select 'phone, gone on'");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'phone, gone on'");
    let settled = ada.resolve(&conflict, &choose("remote")).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 'laptop'");
}

#[tokio::test]
async fn an_open_conflict_outlives_its_item() {
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
        let settled = ada.resolve(&conflict, &choose(chosen)).await.expect(200);
        assert_eq!(settled["item"]["query"].as_str(), expected);
        assert_eq!(ada.query_text("q").await.as_deref(), expected);
    }
}

#[tokio::test]
async fn a_foreign_conflict_is_no_conflict_at_all() {
    let service = Service::start().await;
    let (_, _, _, conflict) = open_conflict(&service).await;
    let eve = TestUser::sign_up(&service.api, "eve").await;
    assert_eq!(eve.conflicts("all").await, Vec::<Value>::new());
    eve.resolve(&conflict, &choose("local")).await.expect_error(404, "NOT_FOUND");
    for id in ["nonsense", "%00", "a%2Fb", "%F0%9F%98%80"] {
        eve.resolve(&json!({ "id": id }), &choose("local")).await.expect_error(404, "NOT_FOUND");
    }
    let id = conflict["id"].as_str().unwrap();
    let unasked = Request::post(format!("/api/sync/conflicts/{id}/resolve"), &choose("local"));
    service.api.send(unasked).await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn many_conflicts_come_in_pages_the_newest_first() {
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
