//! What a device gets to know, and when.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Device, Service, TestUser, connection, error_fields, history, pluck, query_update, saved_query};

use crate::verbs::{DAY, delete};

async fn status(person: &TestUser) -> Value {
    person.get("/api/sync/status").await.expect(200)
}

fn entries(page: &Value) -> usize {
    ["connections", "saved_queries", "query_history", "deleted"]
        .iter()
        .map(|list| page[list].as_array().expect("a list").len())
        .sum()
}

/// Ada with `count` queries, written one a minute from her laptop.
async fn ada_with_queries(service: &Service, count: usize) -> (TestUser, Device) {
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let mut laptop = ada.device("laptop");
    for n in 0..count {
        laptop.write("saved_query", &format!("q{n}"), saved_query("orders", "select 1"), service.clock.now());
        laptop.upload().await;
        service.clock.advance(60);
    }
    (ada, laptop)
}

#[tokio::test]
async fn whoever_has_written_nothing_gets_nothing() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let page = ada.download("").await;
    let empty = json!({ "connections": [], "saved_queries": [], "query_history": [], "deleted": [], "conflicts": [],
        "sync_timestamp": "1970-01-01T00:00:00.000000Z", "has_more": false, "reset": true });
    assert_eq!(page, empty);
    let delta = ada.download("&since=1970-01-01T00:00:00Z").await;
    assert_eq!((&delta["reset"], &delta["sync_timestamp"]), (&json!(false), &empty["sync_timestamp"]));
}

#[tokio::test]
async fn what_one_device_writes_another_reads() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let (mut laptop, mut phone) = (ada.device("laptop"), ada.device("phone"));
    let now = service.clock.now();
    laptop.write("connection", "same", connection("shop"), now);
    laptop.write("saved_query", "same", saved_query("orders", "select 'é'"), now);
    laptop.write("query_history", "same", history("select 1"), now);
    laptop.upload().await;
    phone.download().await;

    let seen = |kind: &str, written: Value| {
        let seen = phone.visible_data(kind, "same").unwrap();
        for (field, value) in written.as_object().unwrap() {
            match field.as_str() {
                "executed_at" => assert_eq!(seen[field], "2026-01-01T00:00:00.000000Z"),
                _ => assert_eq!(seen[field], *value, "{field}"),
            }
        }
        assert_eq!((&seen["id"], &seen["sync_version"]), (&json!("same"), &json!(1)));
        seen
    };
    let shop = seen("connection", connection("shop"));
    assert_eq!((&shop["created_at"], &shop["updated_at"]), (&json!(now.to_string()), &json!(now.to_string())));
    assert!(shop.get("ssh_host").is_none() && shop.get("color").is_none(), "what is missing is left out");
    seen("saved_query", saved_query("orders", "select 'é'"));
    seen("query_history", history("select 1"));
}

#[tokio::test]
async fn a_device_that_goes_on_gets_only_what_is_new_its_deletions_included() {
    let service = Service::start().await;
    let (_, mut laptop) = ada_with_queries(&service, 3).await;
    let mut phone = laptop.clone();
    phone.id = "phone".to_owned();
    let first = phone.download().await;
    assert_eq!((entries(&first), &first["reset"]), (3, &json!(true)));
    let nothing = phone.download().await;
    assert_eq!((entries(&nothing), &nothing["reset"]), (0, &json!(false)));
    assert_eq!(nothing["sync_timestamp"], first["sync_timestamp"]);

    laptop.write("saved_query", "q0", saved_query("orders", "select 2"), service.clock.now());
    laptop.delete("saved_query", "q1", service.clock.now());
    laptop.upload().await;
    let delta = phone.download().await;
    assert_eq!(pluck(&delta["saved_queries"], "id"), ["q0"]);
    let tombstone = &delta["deleted"][0];
    assert_eq!((&tombstone["item_type"], &tombstone["item_id"]), (&json!("saved_query"), &json!("q1")));
    assert_eq!((&tombstone["sync_version"], entries(&delta)), (&json!(2), 2));
    assert!(tombstone["deleted_at"].as_str().unwrap().starts_with("2026-01-01T00:03:00."));
}

#[tokio::test]
async fn the_whole_state_holds_no_tombstones_and_a_delta_from_the_beginning_does() {
    let service = Service::start().await;
    let (ada, _) = ada_with_queries(&service, 2).await;
    ada.upload("laptop", &[delete(&service, "gone", "q0", 1)]).await;
    let whole = ada.download("").await;
    assert_eq!((&whole["reset"], &whole["deleted"]), (&json!(true), &json!([])));
    assert_eq!(pluck(&whole["saved_queries"], "id"), ["q1"]);
    let delta = ada.download("&since=1970-01-01T00:00:00Z").await;
    assert_eq!((&delta["reset"], pluck(&delta["deleted"], "item_id")), (&json!(false), vec!["q0"]));
    assert_eq!(pluck(&delta["saved_queries"], "id"), ["q1"]);
}

#[tokio::test]
async fn small_pages_bring_everything_once_and_in_order() {
    let service = Service::start().await;
    let (ada, _) = ada_with_queries(&service, 7).await;
    let (mut since, mut seen) = (String::new(), Vec::new());
    loop {
        let page = ada.download(&format!("&limit=3{since}")).await;
        assert_eq!(page["reset"], since.is_empty());
        seen.extend(pluck(&page["saved_queries"], "id").into_iter().map(str::to_owned));
        assert_eq!(page["has_more"], seen.len() < 7);
        assert_eq!(entries(&page), 3.min(7 - seen.len() + entries(&page)));
        since = format!("&since={}", page["sync_timestamp"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, ["q0", "q1", "q2", "q3", "q4", "q5", "q6"]);
    assert_eq!(ada.download("&limit=7").await["has_more"], false, "a full page is not a promise of more");
}

#[tokio::test]
async fn a_client_that_keeps_milliseconds_gets_through_the_smallest_pages() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let changes: Vec<Value> =
        (0..5).map(|n| query_update(&service, &n.to_string(), &format!("q{n}"), "select 1", 0)).collect();
    ada.upload("laptop", &changes).await;
    let mut phone = ada.device("phone");
    (phone.truncates_to_milliseconds, phone.page_size) = (true, 1);
    phone.download().await;
    assert_eq!(phone.known.len(), 5);
}

#[tokio::test]
async fn a_page_of_large_items_has_at_most_four_megabytes() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    // Each quote takes two bytes on the wire.
    let text = "\"".repeat(480_000);
    for n in 0..10 {
        let item = format!("q{n}");
        assert_eq!(ada.upload("laptop", &[query_update(&service, &item, &item, &text, 0)]).await["success"], true);
    }
    let (mut query, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let response = ada.get(&format!("/api/sync/download?device_id=viewer{query}")).await;
        assert!(response.body.len() <= 4_000_000, "{} bytes", response.body.len());
        let page = response.expect(200);
        seen.extend(pluck(&page["saved_queries"], "id").into_iter().map(str::to_owned));
        query = format!("&since={}", page["sync_timestamp"].as_str().unwrap());
        pages += 1;
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, (0..10).map(|n| format!("q{n}")).collect::<Vec<_>>());
    assert_eq!(pages, 3, "as full as they may be");
}

#[tokio::test]
async fn large_conflicts_leave_room_for_one_another_and_for_the_items() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for n in 0..4 {
        let item = format!("q{n}");
        ada.upload("laptop", &[query_update(&service, &item, &item, &"'".repeat(1_000_000), 0)]).await;
        let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice",
            "changes": [query_update(&service, &item, &item, &"x".repeat(1_000_000), 0)] });
        ada.post("/api/sync/upload", &body).await.expect(200);
    }
    let mut phone = ada.device("phone");
    let last = phone.download().await;
    assert!(last.to_string().len() <= 4_000_000);
    assert_eq!(pluck(&last["conflicts"], "item_id"), ["q3"], "as many as fit");
    assert_eq!(phone.known.len(), 4);

    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = ada.get(&format!("/api/sync/conflicts?status=open{cursor}")).await.expect(200);
        assert!(page.to_string().len() <= 4_100_000);
        seen.extend(pluck(&page["conflicts"], "item_id").into_iter().map(str::to_owned));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["q3", "q2", "q1", "q0"]);
}

#[tokio::test]
async fn a_server_whose_clock_jumps_back_loses_nothing() {
    let service = Service::start().await;
    let (ada, mut laptop) = ada_with_queries(&service, 1).await;
    let mut phone = ada.device("phone");
    phone.download().await;
    service.clock.advance(-30);
    let before = phone.since.clone();
    laptop.write("saved_query", "later", saved_query("later", "select 1"), service.clock.now());
    laptop.upload().await;
    let page = phone.download().await;
    assert_eq!(pluck(&page["saved_queries"], "id"), ["later"]);
    assert!(phone.since > before);
}

#[tokio::test]
async fn after_a_purge_a_device_that_slept_starts_over() {
    let service = Service::start().await;
    let (ada, mut laptop) = ada_with_queries(&service, 3).await;
    let mut phone = ada.device("phone");
    phone.download().await;
    laptop.delete("saved_query", "q1", service.clock.now());
    laptop.upload().await;
    service.clock.advance(31 * DAY);
    service.purge().await;

    let ada = ada.log_in().await;
    phone.set_token(&ada.token);
    phone.page_size = 1;
    assert_eq!(phone.download_page().await["reset"], true);
    assert_eq!(phone.download_page().await["reset"], false, "the walk goes on, even before the horizon");
    phone.download().await;
    assert!(phone.visible_data("saved_query", "q1").is_none());
    assert_eq!(phone.known.len(), 2);

    let mut tablet = ada.device("tablet");
    tablet.page_size = 1;
    tablet.download().await;
    assert_eq!(tablet.known, phone.known);
}

#[tokio::test]
async fn a_device_that_had_seen_the_purged_deletion_goes_on_as_before() {
    let service = Service::start().await;
    let (ada, mut laptop) = ada_with_queries(&service, 2).await;
    laptop.delete("saved_query", "q0", service.clock.now());
    laptop.sync().await;
    service.clock.advance(31 * DAY);
    service.purge().await;
    laptop.set_token(&ada.log_in().await.token);
    assert_eq!(laptop.download().await["reset"], false);
}

#[tokio::test]
async fn a_device_that_knows_more_than_the_server_starts_over() {
    let service = Service::start().await;
    let (ada, _) = ada_with_queries(&service, 2).await;
    let newest = status(&ada).await["sync_timestamp"].as_str().unwrap().to_owned();
    assert_eq!(ada.download(&format!("&since={newest}")).await["reset"], false);
    for since in ["2026-02-01T00:00:00Z", "9999-01-01T00:00:00Z", &newest.replace("000Z", "001Z")] {
        let page = ada.download(&format!("&since={since}")).await;
        assert_eq!((&page["reset"], entries(&page)), (&json!(true), 2), "{since}");
    }
}

#[tokio::test]
async fn a_time_may_carry_an_offset_escaped_or_not() {
    let service = Service::start().await;
    let (ada, _) = ada_with_queries(&service, 2).await;
    for since in [
        "2026-01-01T02:00:30%2B02:00",
        "2026-01-01T02:00:30+02:00",
        "2025-12-31T22:00:30-02:00",
        "2026-01-01T00:00:30Z",
    ] {
        let page = ada.download(&format!("&since={since}")).await;
        assert_eq!(pluck(&page["saved_queries"], "id"), ["q1"], "{since}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_named() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let long = format!("device_id={}", "x".repeat(129));
    for (query, field) in [
        ("device_id=d&since=yesterday", "since"),
        ("device_id=d&since=", "since"),
        ("device_id=d&since=2026-01-01", "since"),
        ("device_id=d&limit=0", "limit"),
        ("device_id=d&limit=1001", "limit"),
        ("device_id=d&limit=-1", "limit"),
        ("device_id=d&limit=ten", "limit"),
        ("", "device_id"),
        ("device_id=", "device_id"),
        ("device_id=a%00b", "device_id"),
        (&long, "device_id"),
    ] {
        let response = ada.get(&format!("/api/sync/download?{query}")).await;
        assert_eq!(error_fields(&response.expect_error(400, "INVALID_REQUEST")), [field], "{query}");
    }
    let error = ada.get("/api/sync/download?since=x&limit=x").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["device_id", "since", "limit"]);
}

#[tokio::test]
async fn open_conflicts_come_with_the_last_page() {
    let service = Service::start().await;
    let (ada, _) = ada_with_queries(&service, 3).await;
    let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice",
        "changes": [query_update(&service, "1", "q0", "select 'phone'", 0), query_update(&service, "2", "q1", "select 'phone'", 0)] });
    ada.post("/api/sync/upload", &body).await.expect(200);
    let first = ada.download("&limit=2").await;
    assert_eq!((&first["has_more"], &first["conflicts"]), (&json!(true), &json!([])));
    let since = first["sync_timestamp"].as_str().unwrap();
    let last = ada.download(&format!("&limit=2&since={since}")).await;
    assert_eq!((&last["has_more"], pluck(&last["conflicts"], "item_id")), (&json!(false), vec!["q1", "q0"]));
    assert_eq!(last["conflicts"], json!(ada.conflicts("open").await));
    let nothing_new = ada.download(&format!("&since={}", last["sync_timestamp"].as_str().unwrap())).await;
    assert_eq!(nothing_new["conflicts"], last["conflicts"]);
}

#[tokio::test]
async fn the_status_counts_what_there_is() {
    let service = Service::start().await;
    let (ada, mut laptop) = ada_with_queries(&service, 2).await;
    laptop.write("connection", "c", connection("shop"), service.clock.now());
    laptop.write("query_history", "h", history("select 1"), service.clock.now());
    laptop.delete("saved_query", "q1", service.clock.now());
    laptop.upload().await;
    service.clock.advance(60);
    let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice",
        "changes": [query_update(&service, "1", "q0", "select 'phone'", 0), query_update(&service, "2", "q5", "select 1", 0)] });
    let request = tests::Request::post("/api/sync/upload", &body).header("x-client-version", "Studio 3.1");
    let synced_at = ada.send(request).await.expect(200)["synced_at"].clone();

    let status = status(&ada).await;
    assert_eq!(status["counts"], json!({ "connection": 1, "saved_query": 2, "query_history": 1 }));
    assert_eq!((&status["open_conflicts"], &status["sync_timestamp"]), (&json!(1), &synced_at));
    let phone = json!({ "device_id": "phone", "last_sync_at": "2026-01-01T00:03:00.000000Z", "total_synced": 1,
        "conflicts_count": 1, "version": "Studio 3.1" });
    assert_eq!(status["devices"][0], phone);
    assert_eq!(
        (&status["devices"][1]["device_id"], &status["devices"][1]["total_synced"]),
        (&json!("laptop"), &json!(5))
    );
}

#[tokio::test]
async fn every_limit_can_be_asked_for_without_logging_in() {
    let service = Service::start().await;
    let limits = service.api.send(tests::Request::get("/api/sync/limits")).await.expect(200);
    for (name, value) in [
        ("request_bytes", json!(10_485_760)),
        ("changes_per_upload", json!(5_000)),
        ("page_items", json!(1_000)),
        ("page_bytes", json!(4_000_000)),
        ("page_conflicts", json!(100)),
        ("retention_days", json!(30)),
        ("rates_per_minute", json!({ "upload": 10, "download": 20, "conflicts": 10, "auth": 20 })),
        ("strategies", json!(["last_write_wins", "keep_both", "user_choice"])),
        ("item_types", json!(["connection", "saved_query", "query_history"])),
    ] {
        assert_eq!(limits[name], value, "{name}");
    }
    assert_eq!(limits["fields"]["id"], 128);
    assert!(limits["fields"].as_object().unwrap().values().all(Value::is_u64));
}
