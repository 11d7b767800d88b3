//! Replaced versions of an item, and restoring them.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Response, Service, TestUser, error_fields, query_update};

use crate::helpers::choose;

const DAY: i64 = 86_400;

async fn versions(ada: &TestUser, id: &str) -> Vec<Value> {
    let page = ada.get(&format!("/api/sync/versions?item_type=saved_query&item_id={id}")).await.expect(200);
    page["versions"].as_array().expect("a list").clone()
}

/// Returns number and text of each version, newest first.
async fn texts(ada: &TestUser, id: &str) -> Vec<(i64, Option<String>)> {
    let text = |version: &Value| {
        let text = version["data"]["query"].as_str().map(str::to_owned);
        assert_eq!(text.is_none(), version["deleted"] == true, "{version}");
        (version["sync_version"].as_i64().expect("a number"), text)
    };
    versions(ada, id).await.iter().map(text).collect()
}

fn pairs(versions: &[(i64, &str)]) -> Vec<(i64, Option<String>)> {
    versions.iter().map(|(number, text)| (*number, Some((*text).to_owned()).filter(|text| !text.is_empty()))).collect()
}

async fn restore(ada: &TestUser, version: i64, expected: i64) -> Response {
    let body =
        json!({ "item_type": "saved_query", "item_id": "q", "sync_version": version, "expected_version": expected });
    ada.post("/api/sync/restore", &body).await
}

/// Signs up a user whose laptop has written the texts `one` and `two` to the saved query `q`.
async fn user_with_two_versions(service: &Service) -> TestUser {
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (number, text) in ["one", "two"].into_iter().enumerate() {
        ada.upload("laptop", &[query_update(service, text, "q", text, number as i64)]).await;
        service.clock.advance(60);
    }
    ada
}

#[tokio::test]
async fn every_replaced_version_is_listed_newest_first() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    let delete = json!({ "id": "d", "item_type": "saved_query", "item_id": "q", "action": "delete", "sync_version": 2,
        "updated_at": "2026-01-01T00:03:00Z" });
    ada.upload("phone", &[delete]).await;
    assert_eq!(texts(&ada, "q").await, pairs(&[(3, ""), (2, "two"), (1, "one")]));
    let listed = versions(&ada, "q").await;
    assert_eq!((&listed[0]["device_id"], &listed[1]["device_id"]), (&json!("phone"), &json!("laptop")));
    assert!(listed[0].get("replaced_at").is_none(), "the current version");
    assert_eq!(listed[2]["replaced_at"], "2026-01-01T00:01:00.001000Z", "when the second one replaced it");
    assert_eq!(listed[2]["data"]["created_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(listed[2]["data"]["sync_version"], 1);
}

#[tokio::test]
async fn a_cloned_device_overwrites_nothing_for_good() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    // A device never conflicts with itself, so the clone, which has seen version 1 only, overwrites version 2.
    let response = ada.upload("laptop", &[query_update(&service, "clone", "q", "from the clone", 1)]).await;
    assert_eq!(response["applied"][0]["sync_version"], 3);
    assert_eq!(texts(&ada, "q").await, pairs(&[(3, "from the clone"), (2, "two"), (1, "one")]));
    let restored = restore(&ada, 2, 3).await.expect(200);
    assert_eq!((&restored["item"]["query"], &restored["item"]["sync_version"]), (&json!("two"), &json!(4)));
    assert_eq!(ada.query_text("q").await.unwrap(), "two");
}

#[tokio::test]
async fn changes_of_one_upload_leave_a_version_each() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let changes = ["a", "b", "c"].map(|text| query_update(&service, text, "q", text, 0));
    ada.upload("laptop", &changes).await;
    assert_eq!(texts(&ada, "q").await, pairs(&[(3, "c"), (2, "b"), (1, "a")]));
}

#[tokio::test]
async fn an_upload_of_many_changes_of_an_item_keeps_the_newest_hundred_versions() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let changes: Vec<Value> =
        (0..300).map(|n| query_update(&service, &format!("c{n}"), "q", &n.to_string(), 0)).collect();
    ada.upload("laptop", &changes).await;
    let listed = texts(&ada, "q").await;
    let path = "/api/sync/versions?item_type=saved_query&item_id=q&cursor=201";
    let rest = ada.get(path).await.expect(200);
    assert_eq!(
        (listed.len(), listed[0].clone(), listed[99].clone()),
        (100, (300, Some("299".into())), (201, Some("200".into())))
    );
    assert_eq!(
        (&rest["versions"][0]["sync_version"], rest.get("next_cursor")),
        (&json!(200), None),
        "100 replaced ones"
    );
    for number in 300..340 {
        ada.upload("laptop", &[query_update(&service, &format!("c{number}"), "q", &number.to_string(), 0)]).await;
    }
    assert_eq!(texts(&ada, "q").await[99], (241, Some("240".into())));
    let repeated = ada.upload("laptop", &changes[7..8]).await;
    assert_eq!(repeated["applied"][0]["sync_version"], 8, "its version is gone, its receipt is not");
    assert_eq!(ada.query_text("q").await.unwrap(), "339");
}

#[tokio::test]
async fn versions_are_paged() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    ada.upload("laptop", &[query_update(&service, "three", "q", "three", 2)]).await;
    let (mut numbers, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let path = format!("/api/sync/versions?item_type=saved_query&item_id=q&limit=1{cursor}");
        let page = ada.get(&path).await.expect(200);
        assert_eq!(page["versions"].as_array().unwrap().len(), 1);
        numbers.push(page["versions"][0]["sync_version"].as_i64().unwrap());
        cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!((numbers, cursor.as_str()), (vec![3, 2, 1], ""));
}

#[tokio::test]
async fn a_page_of_large_versions_stays_below_four_megabytes() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for number in 0..7 {
        let text = format!("{number}{}", "x".repeat(990_000));
        ada.upload("laptop", &[query_update(&service, &number.to_string(), "q", &text, number)]).await;
    }
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let response = ada.get(&format!("/api/sync/versions?item_type=saved_query&item_id=q{cursor}")).await;
        assert!(response.body.len() <= 4_000_000);
        let page = response.expect(200);
        seen += page["versions"].as_array().unwrap().len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, 7);
}

#[tokio::test]
async fn versions_of_others_and_of_nothing_are_not_found() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    let bob = TestUser::sign_up(&service.api, "bob").await;
    let path = "/api/sync/versions?item_type=saved_query&item_id=";
    bob.get(&format!("{path}q")).await.expect_error(404, "NOT_FOUND");
    ada.get(&format!("{path}other")).await.expect_error(404, "NOT_FOUND");
    restore(&bob, 1, 2).await.expect_error(404, "NOT_FOUND");
    let error =
        ada.get("/api/sync/versions?item_type=table&limit=0&cursor=x").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["item_type", "item_id", "cursor", "limit"]);
}

#[tokio::test]
async fn an_entry_of_the_history_has_its_current_version_only() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let change = json!({ "id": "h", "item_type": "query_history", "item_id": "h", "action": "create",
        "data": tests::history("select 1") });
    ada.upload("laptop", &[change]).await;
    let page = ada.get("/api/sync/versions?item_type=query_history&item_id=h").await.expect(200);
    assert_eq!(page["versions"].as_array().unwrap().len(), 1);
    assert_eq!(page["versions"][0]["data"]["query"], "select 1");
}

#[tokio::test]
async fn replaced_versions_are_purged_after_thirty_days() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    service.clock.advance(30 * DAY - 120);
    assert_eq!(service.purge().await.versions, 0);
    let ada = ada.log_in().await;
    assert_eq!(texts(&ada, "q").await.len(), 2);
    ada.upload("laptop", &[query_update(&service, "three", "q", "three", 2)]).await;
    service.clock.advance(120);
    assert_eq!(service.purge().await.versions, 1);
    assert_eq!(texts(&ada, "q").await, pairs(&[(3, "three"), (2, "two")]), "version 2 was replaced today");
    let repeated = ada.upload("laptop", &[query_update(&service, "one", "q", "one", 0)]).await;
    assert_eq!(repeated["applied"][0]["sync_version"], 1, "a repeat, although its version is gone");
}

#[tokio::test]
async fn restoring_is_refused_where_it_would_overwrite_what_the_user_has_not_seen() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    let error = restore(&ada, 1, 1).await.expect_error(409, "CONFLICT");
    assert_eq!((&error["current"]["sync_version"], &error["current"]["data"]["query"]), (&json!(2), &json!("two")));
    assert_eq!(error["current"]["deleted"], false);
    restore(&ada, 7, 2).await.expect_error(404, "NOT_FOUND");
    let restored = restore(&ada, 1, 2).await.expect(200);
    assert_eq!((&restored["success"], &restored["item"]["sync_version"]), (&json!(true), &json!(3)));
    assert_eq!(restore(&ada, 1, 2).await.expect(200), restored, "a repeat");
    ada.upload("laptop", &[query_update(&service, "later", "q", "later", 3)]).await;
    assert_eq!(restore(&ada, 1, 2).await.expect(200), restored, "a late repeat");
    assert_eq!(ada.query_text("q").await.unwrap(), "later");
}

#[tokio::test]
async fn a_deleted_item_is_restored_but_no_deletion() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    let delete = json!({ "id": "d", "item_type": "saved_query", "item_id": "q", "action": "delete", "sync_version": 2,
        "updated_at": "2026-01-01T00:03:00Z" });
    ada.upload("laptop", &[delete]).await;
    let error = restore(&ada, 3, 3).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["sync_version"]);
    assert_eq!(restore(&ada, 2, 3).await.expect(200)["item"]["query"], "two");
    assert_eq!(restore(&ada, 3, 4).await.expect_error(400, "INVALID_REQUEST")["code"], "INVALID_REQUEST");
    assert_eq!(texts(&ada, "q").await, pairs(&[(4, "two"), (3, ""), (2, "two"), (1, "one")]));
}

#[tokio::test]
async fn a_restored_version_reaches_every_device() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    let mut laptop = ada.device("laptop");
    laptop.sync().await;
    restore(&ada, 1, 2).await.expect(200);
    laptop.write("saved_query", "q", tests::saved_query("q", "made without knowing"), service.clock.now());
    let laptop_strategy = laptop.clone().with_strategy("user_choice").upload().await;
    assert_eq!(laptop_strategy["conflicts"].as_array().unwrap().len(), 1, "no device wrote the restored version");
}

#[tokio::test]
async fn restore_names_the_wrong_field() {
    let service = Service::start().await;
    let ada = user_with_two_versions(&service).await;
    for (body, fields) in [
        (
            json!({ "item_type": "query_history", "item_id": "q", "sync_version": 1, "expected_version": 2 }),
            &["item_type"][..],
        ),
        (
            json!({ "item_type": "saved_query", "item_id": "", "sync_version": -1 }),
            &["item_id", "sync_version", "expected_version"],
        ),
        (
            json!({ "item_type": "saved_query", "item_id": "q", "sync_version": 1.5, "expected_version": 2 }),
            &["sync_version"],
        ),
    ] {
        let error = ada.post("/api/sync/restore", &body).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), fields, "{body}");
    }
}

#[tokio::test]
async fn what_a_renewal_replaces_can_be_chosen() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.create_conflict(&service, "q", ["from the laptop", "first"]).await;
    let again = json!({ "device_id": "phone", "conflict_strategy": "user_choice",
        "changes": [query_update(&service, "again", "q", "second", 0)] });
    ada.post("/api/sync/upload", &again).await.expect(200);
    let [open] = &ada.conflicts("open").await[..] else { panic!("there is one open conflict") };
    let [renewed] = &ada.conflicts("resolved").await[..] else { panic!("there is one resolved conflict") };
    assert_eq!(open["local_version"]["data"]["query"], "second");
    assert_eq!(
        (&renewed["resolution"], &renewed["local_version"]["data"]["query"]),
        (&json!("renewed"), &json!("first"))
    );
    assert!(renewed.get("winner").is_none() && renewed["id"] != open["id"]);
    ada.resolve(renewed, &json!({ "strategy": "keep_both" })).await.expect_error(409, "CONFLICT");
    ada.resolve(renewed, &choose("local")).await.expect(200);
    assert_eq!(ada.query_text("q").await.unwrap(), "first");
    assert_eq!(texts(&ada, "q").await, pairs(&[(2, "first"), (1, "from the laptop")]));
}

#[tokio::test]
async fn an_item_keeps_the_newest_hundred_renewals() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.create_conflict(&service, "q", ["from the laptop", "first"]).await;
    let changes: Vec<Value> =
        (0..130).map(|number| query_update(&service, &format!("n{number}"), "q", &number.to_string(), 0)).collect();
    let upload = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": changes });
    ada.post("/api/sync/upload", &upload).await.expect(200);
    let page = ada.get("/api/sync/conflicts?status=resolved").await.expect(200);
    assert_eq!(page["count"], 100);
    let texts: Vec<&str> = page["conflicts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|conflict| conflict["local_version"]["data"]["query"].as_str())
        .collect();
    assert_eq!((texts[0], texts[99]), ("128", "29"));
}
