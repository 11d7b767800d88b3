//! Downloads: full syncs, deltas, pages and status.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Device, Service, TestUser, connection, error_fields, history, pluck, query_update, saved_query};

use crate::helpers::{DAY, query_deletion};

async fn status(user: &TestUser) -> Value {
    user.get("/api/sync/status").await.expect(200)
}

/// Counts the items and tombstones of a page.
fn count_entries(page: &Value) -> usize {
    ["connections", "saved_queries", "query_history", "deleted"]
        .iter()
        .map(|list| page[list].as_array().expect("a list").len())
        .sum()
}

/// Creates a user with `count` queries, uploaded from a laptop one per minute.
async fn user_with_queries(service: &Service, count: usize) -> (TestUser, Device) {
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
async fn empty_account_downloads_an_empty_page() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let page = ada.download("").await;
    let empty = json!({ "connections": [], "saved_queries": [], "query_history": [], "deleted": [], "conflicts": [],
        "sync_timestamp": "1970-01-01T00:00:00.000000Z", "has_more": false, "reset": true, "digest": {
            "connections": { "count": 0, "hash": "0000000000000000" },
            "saved_queries": { "count": 0, "hash": "0000000000000000" }, "query_history": { "count": 0 } } });
    assert_eq!(page, empty);
    let delta = ada.download("&since=1970-01-01T00:00:00Z").await;
    assert_eq!((&delta["reset"], &delta["sync_timestamp"]), (&json!(false), &empty["sync_timestamp"]));
}

#[tokio::test]
async fn uploaded_items_reach_other_devices() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let (mut laptop, mut phone) = (ada.device("laptop"), ada.device("phone"));
    let now = service.clock.now();
    laptop.write("connection", "same", connection("shop"), now);
    laptop.write("saved_query", "same", saved_query("orders", "select 'é'"), now);
    laptop.write("query_history", "same", history("select 1"), now);
    laptop.upload().await;
    phone.download().await;

    let check_item = |kind: &str, uploaded: Value| {
        let seen = phone.visible_data(kind, "same").unwrap();
        for (field, value) in uploaded.as_object().unwrap() {
            match field.as_str() {
                "executed_at" => assert_eq!(seen[field], "2026-01-01T00:00:00.000000Z"),
                _ => assert_eq!(seen[field], *value, "{field}"),
            }
        }
        assert_eq!((&seen["id"], &seen["sync_version"]), (&json!("same"), &json!(1)));
        seen
    };
    let shop = check_item("connection", connection("shop"));
    assert_eq!((&shop["created_at"], &shop["updated_at"]), (&json!(now.to_string()), &json!(now.to_string())));
    assert!(shop.get("ssh_host").is_none() && shop.get("color").is_none(), "missing fields are omitted");
    check_item("saved_query", saved_query("orders", "select 'é'"));
    check_item("query_history", history("select 1"));
}

#[tokio::test]
async fn delta_contains_only_new_changes_and_deletions() {
    let service = Service::start().await;
    let (_, mut laptop) = user_with_queries(&service, 3).await;
    let mut phone = laptop.clone();
    phone.id = "phone".to_owned();
    let first = phone.download().await;
    assert_eq!((count_entries(&first), &first["reset"]), (3, &json!(true)));
    let empty = phone.download().await;
    assert_eq!((count_entries(&empty), &empty["reset"]), (0, &json!(false)));
    assert_eq!(empty["sync_timestamp"], first["sync_timestamp"]);

    laptop.write("saved_query", "q0", saved_query("orders", "select 2"), service.clock.now());
    laptop.delete("saved_query", "q1", service.clock.now());
    laptop.upload().await;
    let delta = phone.download().await;
    assert_eq!(pluck(&delta["saved_queries"], "id"), ["q0"]);
    let tombstone = &delta["deleted"][0];
    assert_eq!((&tombstone["item_type"], &tombstone["item_id"]), (&json!("saved_query"), &json!("q1")));
    assert_eq!((&tombstone["sync_version"], count_entries(&delta)), (&json!(2), 2));
    assert!(tombstone["deleted_at"].as_str().unwrap().starts_with("2026-01-01T00:03:00."));
}

#[tokio::test]
async fn full_sync_has_no_tombstones_but_a_delta_has() {
    let service = Service::start().await;
    let (ada, _) = user_with_queries(&service, 2).await;
    ada.upload("laptop", &[query_deletion(&service, "gone", "q0", 1)]).await;
    let full = ada.download("").await;
    assert_eq!((&full["reset"], &full["deleted"]), (&json!(true), &json!([])));
    assert_eq!(pluck(&full["saved_queries"], "id"), ["q1"]);
    let delta = ada.download("&since=1970-01-01T00:00:00Z").await;
    assert_eq!((&delta["reset"], pluck(&delta["deleted"], "item_id")), (&json!(false), vec!["q0"]));
    assert_eq!(pluck(&delta["saved_queries"], "id"), ["q1"]);
}

#[tokio::test]
async fn pages_contain_each_item_once_in_order() {
    let service = Service::start().await;
    let (ada, _) = user_with_queries(&service, 7).await;
    let (mut since, mut seen) = (String::new(), Vec::new());
    loop {
        let page = ada.download(&format!("&limit=3{since}")).await;
        assert_eq!(page["reset"], since.is_empty());
        seen.extend(pluck(&page["saved_queries"], "id").into_iter().map(str::to_owned));
        assert_eq!(page["has_more"], seen.len() < 7);
        assert_eq!(count_entries(&page), 3.min(7 - seen.len() + count_entries(&page)));
        since = format!("&since={}", page["sync_timestamp"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, ["q0", "q1", "q2", "q3", "q4", "q5", "q6"]);
    assert_eq!(ada.download("&limit=7").await["has_more"], false, "a full last page must not promise more");
}

#[tokio::test]
async fn millisecond_timestamps_work_with_single_item_pages() {
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
async fn page_has_at_most_four_megabytes() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    // Each quote takes two bytes in JSON.
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
    assert_eq!(pages, 3, "pages are filled up to the limit");
}

#[tokio::test]
async fn large_conflicts_are_limited_by_page_size() {
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
    assert_eq!(pluck(&last["conflicts"], "item_id"), ["q3"], "as many conflicts as fit");
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
async fn server_clock_moving_back_loses_no_change() {
    let service = Service::start().await;
    let (ada, mut laptop) = user_with_queries(&service, 1).await;
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
async fn purge_forces_a_full_sync_of_an_inactive_device() {
    let service = Service::start().await;
    let (ada, mut laptop) = user_with_queries(&service, 3).await;
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
    assert_eq!(
        phone.download_page().await["reset"],
        false,
        "the full sync continues, although its cursor is before the purge"
    );
    phone.download().await;
    assert!(phone.visible_data("saved_query", "q1").is_none());
    assert_eq!(phone.known.len(), 2);

    let mut tablet = ada.device("tablet");
    tablet.page_size = 1;
    tablet.download().await;
    assert_eq!(tablet.known, phone.known);
}

#[tokio::test]
async fn purge_does_not_affect_a_device_that_saw_the_deletion() {
    let service = Service::start().await;
    let (ada, mut laptop) = user_with_queries(&service, 2).await;
    laptop.delete("saved_query", "q0", service.clock.now());
    laptop.sync().await;
    service.clock.advance(31 * DAY);
    service.purge().await;
    laptop.set_token(&ada.log_in().await.token);
    assert_eq!(laptop.download().await["reset"], false);
}

#[tokio::test]
async fn timestamp_newer_than_the_server_forces_a_full_sync() {
    let service = Service::start().await;
    let (ada, _) = user_with_queries(&service, 2).await;
    let newest = status(&ada).await["sync_timestamp"].as_str().unwrap().to_owned();
    assert_eq!(ada.download(&format!("&since={newest}")).await["reset"], false);
    for since in ["2026-02-01T00:00:00Z", "9999-01-01T00:00:00Z", &newest.replace("000Z", "001Z")] {
        let page = ada.download(&format!("&since={since}")).await;
        assert_eq!((&page["reset"], count_entries(&page)), (&json!(true), 2), "{since}");
    }
}

#[tokio::test]
async fn since_accepts_utc_offsets() {
    let service = Service::start().await;
    let (ada, _) = user_with_queries(&service, 2).await;
    let first = ada.download("&limit=1").await["sync_timestamp"].clone();
    assert_eq!(first, "2026-01-01T00:00:00.001000Z");
    for since in [
        "2026-01-01T02:00:00.001%2B02:00",
        "2026-01-01T02:00:00.001+02:00",
        "2025-12-31T22:00:00.001-02:00",
        "2026-01-01T00:00:00.001000Z",
    ] {
        let page = ada.download(&format!("&since={since}")).await;
        assert_eq!((&page["reset"], pluck(&page["saved_queries"], "id")), (&json!(false), vec!["q1"]), "{since}");
    }
}

#[tokio::test]
async fn invalid_query_parameters_are_named() {
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
        ("device_id=d&item_type=", "item_type"),
        (
            "device_id=d&item_type=connection&item_type=connection&item_type=connection&item_type=connection",
            "item_type",
        ),
        ("device_id=d&item_type=saved_query&item_type=saved_queries", "item_type"),
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
async fn status_counts_items_conflicts_and_devices() {
    let service = Service::start().await;
    let (ada, mut laptop) = user_with_queries(&service, 2).await;
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
async fn limits_are_public() {
    let service = Service::start().await;
    let limits = service.api.send(tests::Request::get("/api/sync/limits")).await.expect(200);
    for (name, value) in [
        ("request_bytes", json!(10_485_760)),
        ("changes_per_upload", json!(5_000)),
        ("page_items", json!(1_000)),
        ("page_bytes", json!(4_000_000)),
        ("page_conflicts", json!(100)),
        ("retention_days", json!(30)),
        ("rates_per_minute", json!({ "upload": 10, "download": 20, "poll": 120, "conflicts": 10, "auth": 20 })),
        ("versions_per_item", json!(100)),
        ("user_bytes", json!(268_435_456)),
        ("user_items", json!(200_000)),
        ("history_bytes", json!(134_217_728)),
        ("history_items", json!(100_000)),
        ("strategies", json!(["last_write_wins", "keep_both", "user_choice", "merge", "refuse"])),
        ("item_types", json!(["connection", "saved_query", "query_history"])),
    ] {
        assert_eq!(limits[name], value, "{name}");
    }
    assert_eq!(limits["fields"]["id"], 128);
    assert!(limits["fields"].as_object().unwrap().values().all(Value::is_u64));
}
