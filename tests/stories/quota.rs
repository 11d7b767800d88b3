//! What an account may store, and the digest of what it stores.

use serde_json::{Value, json};
use tests::{Service, TestUser, error_fields, history, query_update};

async fn service_with(bytes: &str, items: &str) -> Service {
    Service::with_settings(&[("RATE_LIMITS", "off"), ("USER_BYTES", bytes), ("USER_ITEMS", items)]).await
}

async fn storage(ada: &TestUser) -> (i64, i64) {
    let storage = ada.get("/api/sync/status").await.expect(200)["storage"].clone();
    let number = |field: &str| storage[field].as_i64().expect("a number");
    (number("bytes"), number("items"))
}

fn delete(id: &str, item: &str) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "delete", "sync_version": 1,
        "updated_at": "2026-01-01T00:00:00Z" })
}

fn entry(id: &str, text: &str) -> Value {
    json!({ "id": id, "item_type": "query_history", "item_id": id, "action": "create", "data": history(text) })
}

#[tokio::test]
async fn an_item_too_many_is_rejected_until_another_is_deleted() {
    let service = service_with("1000000", "3").await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let create = |item: &str| query_update(&service, item, item, "select 1", 0);
    let response = ada.upload("laptop", &["a", "b", "c", "d"].map(create)).await;
    assert_eq!((response["applied"].as_array().unwrap().len(), &response["success"]), (3, &json!(false)));
    let rejected = &response["rejected"][0];
    assert_eq!((&rejected["code"], error_fields(rejected)), (&json!("QUOTA_EXCEEDED"), vec!["changes[3].item_id"]));
    let edited = query_update(&service, "edit", "a", "select 2", 1);
    assert_eq!(ada.upload("laptop", &[edited, delete("gone", "b"), create("d")]).await["success"], true);
    assert_eq!(storage(&ada).await.1, 3);
    // Copies and restored items count.
    let keep_both = json!({ "device_id": "phone", "conflict_strategy": "keep_both",
        "changes": [query_update(&service, "p", "a", "select 3", 1)] });
    let response = ada.post("/api/sync/upload", &keep_both).await.expect(200);
    assert_eq!(response["rejected"][0]["code"], "QUOTA_EXCEEDED", "{response}");
    let restore = json!({ "item_type": "saved_query", "item_id": "b", "sync_version": 1, "expected_version": 2 });
    ada.post("/api/sync/restore", &restore).await.expect_error(409, "QUOTA_EXCEEDED");
}

#[tokio::test]
async fn a_full_account_can_shrink_and_delete() {
    let service = service_with("20000", "100").await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let edit = |id: &str, item: &str, size: usize, base: i64| query_update(&service, id, item, &"x".repeat(size), base);
    assert_eq!(ada.upload("laptop", &[edit("1", "a", 9_000, 0), edit("2", "b", 9_000, 0)]).await["success"], true);
    let response = ada.upload("laptop", &[edit("3", "c", 1_000, 0), edit("4", "a", 9_500, 1)]).await;
    for rejected in response["rejected"].as_array().unwrap() {
        assert_eq!(rejected["code"], "QUOTA_EXCEEDED", "{response}");
        assert!(error_fields(rejected)[0].ends_with(".data"), "{rejected}");
    }
    assert_eq!(response["rejected"].as_array().unwrap().len(), 2);
    // Up to 110 % for what becomes smaller; the replaced version is kept for a while.
    let response = ada.upload("laptop", &[edit("5", "a", 500, 1), edit("6", "b", 8_000, 1)]).await;
    assert_eq!(
        (response["applied"][0]["change_id"].as_str(), response["rejected"].as_array().unwrap().len()),
        (Some("5"), 1)
    );
    assert_eq!(ada.upload("laptop", &[delete("7", "b")]).await["success"], true, "deletions always pass");
    service.clock.advance(31 * 86_400);
    service.purge().await;
    let ada = ada.log_in().await;
    let (bytes, items) = storage(&ada).await;
    assert!(bytes < 3_000 && items == 1, "{bytes} bytes");
    let mut create = edit("8", "c", 9_000, 0);
    create["action"] = json!("create");
    assert_eq!(ada.upload("laptop", &[create]).await["success"], true);
}

#[tokio::test]
async fn the_history_cannot_displace_the_rest() {
    let service = service_with("40000", "8").await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let entries: Vec<Value> = (0..6).map(|number| entry(&format!("h{number}"), "select 1")).collect();
    let response = ada.upload("laptop", &entries).await;
    assert_eq!((response["applied"].as_array().unwrap().len(), response["rejected"].as_array().unwrap().len()), (4, 2));
    assert_eq!(ada.upload("laptop", &entries[..4]).await["success"], true, "repeats pass");
    assert_eq!(ada.upload("laptop", &[query_update(&service, "q", "q", "select 1", 0)]).await["success"], true);
    let bob = TestUser::sign_up(&service.api, "bob").await;
    let large = "x".repeat(11_000);
    assert_eq!(bob.upload("laptop", &[entry("1", &large)]).await["success"], true);
    let response = bob.upload("laptop", &[entry("2", &large)]).await;
    assert_eq!(
        (&response["rejected"][0]["code"], error_fields(&response["rejected"][0])),
        (&json!("QUOTA_EXCEEDED"), vec!["changes[0].data"])
    );
    let limits = bob.get("/api/sync/limits").await.expect(200);
    let quota =
        ["user_bytes", "user_items", "history_bytes", "history_items"].map(|name| limits[name].as_i64().unwrap());
    assert_eq!(quota, [40_000, 8, 20_000, 4]);
}

/// Each kind of row that a client can add without limit otherwise.
#[tokio::test]
async fn nothing_grows_beyond_the_quota() {
    let service = service_with("100000", "50").await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let text = "x".repeat(2_000);
    for round in 0..60 {
        let device = format!("device {round}");
        let changes = [
            query_update(&service, &format!("edit {round}"), "a", &format!("{text}{round}"), 1_000),
            query_update(&service, &format!("same {round}"), "b", "same", round),
            query_update(&service, &format!("create {round}"), &format!("item {round}"), &text, 0),
            json!({ "id": format!("nothing {round}"), "item_type": "saved_query", "item_id": format!("absent {round}"),
                "action": "delete", "updated_at": "2026-01-01T00:00:00Z" }),
            json!({ "id": format!("stale {round}"), "item_type": "saved_query", "item_id": "a", "sync_version": round,
                "action": "delete", "updated_at": "2026-01-01T00:00:00Z" }),
            entry(&format!("entry {round}"), &text),
        ];
        let strategy = ["user_choice", "keep_both", "last_write_wins", "merge"][round as usize % 4];
        let body = json!({ "device_id": device, "conflict_strategy": strategy, "changes": changes });
        let response = ada.post("/api/sync/upload", &body).await.expect(200);
        for rejected in response["rejected"].as_array().unwrap() {
            assert_eq!(rejected["code"], "QUOTA_EXCEEDED", "{rejected}");
        }
        let (bytes, items) = storage(&ada).await;
        assert!(bytes <= 110_000 && items <= 50, "round {round}: {bytes} bytes, {items} items");
    }
}

#[tokio::test]
async fn devices_beyond_the_maximum_are_forgotten() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for number in 0..1_003 {
        service.clock.advance(1);
        ada.upload(&format!("device {number}"), &[entry(&format!("h{number}"), "select 1")]).await;
    }
    let devices = ada.get("/api/sync/status").await.expect(200)["devices"].as_array().unwrap().clone();
    assert_eq!((devices.len(), &devices[0]["device_id"]), (1_000, &json!("device 1002")));
}

#[tokio::test]
async fn the_digest_is_the_documented_hash() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.upload("laptop", &[query_update(&service, "1", "orders", "select 1", 0), entry("h", "select 1")]).await;
    let digest = ada.full_download().await["digest"].clone();
    // printf 'saved_query\0orders\0001\0001767225600000' | sha256sum | cut -c 1-16
    assert_eq!(digest["saved_queries"], json!({ "count": 1, "hash": "e9bedb33b721e71c" }));
    assert_eq!(
        (&digest["connections"]["hash"], &digest["query_history"]["count"]),
        (&json!("0000000000000000"), &json!(1))
    );
    assert_eq!(ada.get("/api/sync/status").await.expect(200)["digest"], digest);
    let first_page = ada.download("&limit=1").await;
    assert_eq!((&first_page["has_more"], first_page.get("digest")), (&json!(true), None), "on the last page only");
    ada.upload("laptop", &[delete("2", "orders")]).await;
    assert_eq!(ada.full_download().await["digest"]["saved_queries"], json!({ "count": 0, "hash": "0000000000000000" }));
}
