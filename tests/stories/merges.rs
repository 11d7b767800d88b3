//! The strategy `merge`, and fields that the server does not know.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Service, TestUser, error_fields, saved_query};

/// Returns the change `id` of the saved query `q` to `data`.
fn change(service: &Service, id: &str, base: i64, data: &Value) -> Value {
    let action = if base == 0 { "create" } else { "update" };
    json!({ "id": id, "item_type": "saved_query", "item_id": "q", "action": action, "data": data,
        "updated_at": service.clock.now().to_string(), "sync_version": base })
}

async fn merge(ada: &TestUser, device: &str, changes: &[Value]) -> Value {
    let body = json!({ "device_id": device, "conflict_strategy": "merge", "changes": changes });
    ada.post("/api/sync/upload", &body).await.expect(200)
}

fn with(mut data: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().expect("an object") {
        data[name] = value.clone();
    }
    data
}

/// Signs up a user with the saved query `q` in version 1.
async fn user_with_query(service: &Service) -> (TestUser, Value) {
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let data = saved_query("orders", "select 1");
    ada.upload("desk", &[change(service, "created", 0, &data)]).await;
    (ada, data)
}

#[tokio::test]
async fn edits_of_different_fields_are_merged() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    let renamed = with(data.clone(), &json!({ "name": "paid orders", "tags": ["report", "sales"] }));
    let plain = merge(&ada, "laptop", &[change(&service, "l", 1, &renamed)]).await;
    assert_eq!(
        plain["applied"][0],
        json!({ "change_id": "l", "item_type": "saved_query", "item_id": "q", "sync_version": 2 })
    );

    let rewritten = with(data, &json!({ "query": "select 2", "tags": ["report", "daily"] }));
    let merged = merge(&ada, "phone", &[change(&service, "p", 1, &rewritten)]).await;
    assert_eq!((&merged["success"], &merged["conflicts"]), (&json!(true), &json!([])));
    let applied = &merged["applied"][0];
    assert_eq!((&applied["merged"], &applied["sync_version"]), (&json!(true), &json!(3)));
    let current = &applied["current"];
    assert_eq!((&current["sync_version"], &current["deleted"]), (&json!(3), &json!(false)));
    for (field, value) in [
        ("name", json!("paid orders")),
        ("query", json!("select 2")),
        ("tags", json!(["report", "daily", "sales"])),
        ("sync_version", json!(3)),
    ] {
        assert_eq!(current["data"][field], value, "{field}");
    }
    assert_eq!(*ada.saved_query("q").await.as_ref().unwrap(), current["data"]);
    assert_eq!(
        merge(&ada, "phone", &[change(&service, "p", 1, &rewritten)]).await["applied"],
        merged["applied"],
        "a repeat"
    );
}

#[tokio::test]
async fn the_same_field_on_both_sides_waits_for_the_user() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    merge(&ada, "laptop", &[change(&service, "l", 1, &with(data.clone(), &json!({ "query": "laptop" })))]).await;
    let response = merge(&ada, "phone", &[change(&service, "p", 1, &with(data, &json!({ "query": "phone" })))]).await;
    assert!(response["conflicts"][0].get("resolved_at").is_none(), "{response}");
    assert_eq!(ada.query_text("q").await.unwrap(), "laptop");
    assert_eq!(ada.conflicts("open").await.len(), 1);
}

#[tokio::test]
async fn a_base_that_is_not_kept_waits_for_the_user() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    merge(&ada, "laptop", &[change(&service, "l", 1, &with(data.clone(), &json!({ "name": "n" })))]).await;
    service.clock.advance(31 * 86_400);
    service.purge().await;
    let ada = ada.log_in().await;
    let response =
        merge(&ada, "phone", &[change(&service, "p", 1, &with(data, &json!({ "query": "select 2" })))]).await;
    assert_eq!(response["conflicts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn successive_edits_of_an_offline_device_are_merged_one_after_the_other() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    merge(&ada, "laptop", &[change(&service, "l", 1, &with(data.clone(), &json!({ "name": "n" })))]).await;
    let edits = ["a", "b", "c"].map(|text| change(&service, text, 1, &with(data.clone(), &json!({ "query": text }))));
    // The response to the first upload is lost, so the first change is repeated with the others.
    merge(&ada, "phone", &edits[..1]).await;
    let response = merge(&ada, "phone", &edits).await;
    assert_eq!((&response["conflicts"], response["applied"].as_array().unwrap().len()), (&json!([]), 3));
    let stored = ada.saved_query("q").await.unwrap();
    assert_eq!((&stored["name"], &stored["query"]), (&json!("n"), &json!("c")));
}

#[tokio::test]
async fn a_change_may_name_the_version_that_an_earlier_one_of_its_upload_replaces() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    merge(&ada, "laptop", &[change(&service, "l", 1, &with(data.clone(), &json!({ "favorite": true })))]).await;
    let renamed = change(&service, "1", 1, &with(data.clone(), &json!({ "name": "n" })));
    let rewritten = change(&service, "2", 2, &with(data, &json!({ "favorite": true, "query": "select 2" })));
    let response = merge(&ada, "phone", &[renamed, rewritten]).await;
    assert_eq!(response["conflicts"], json!([]), "{response}");
    let stored = ada.saved_query("q").await.unwrap();
    assert_eq!(
        (&stored["name"], &stored["query"], &stored["favorite"]),
        (&json!("n"), &json!("select 2"), &json!(true))
    );
}

#[tokio::test]
async fn an_older_client_erases_no_field_of_a_newer_one() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let newer = json!({ "name": "shop", "type": "postgres", "database": "shop", "ssl_mode": "verify-full", "folder": "work",
        "limits": { "rows": 1000, "hosts": ["a", { "b": null }] } });
    let of = |id: &str, base: i64, data: &Value| {
        let change = change(&service, id, base, data);
        with(change, &json!({ "item_type": "connection", "item_id": "shop" }))
    };
    let connection = async || ada.full_download().await["connections"][0].clone();
    ada.upload("next year's laptop", &[of("1", 0, &newer)]).await;
    let renamed = json!({ "name": "Shop", "type": "postgres", "database": "shop" });
    ada.upload("today's phone", &[of("2", 1, &renamed)]).await;
    let stored = connection().await;
    assert_eq!(stored["name"], "Shop");
    for field in ["ssl_mode", "folder", "limits"] {
        assert_eq!(stored[field], newer[field], "{field}");
    }
    // Only `null` removes a field, also in a conflict that the older client causes and the user settles for it.
    ada.upload("next year's laptop", &[of("3", 2, &with(newer.clone(), &json!({ "name": "Shop", "folder": null })))])
        .await;
    assert!(connection().await.get("folder").is_none());
    let conflicting = json!({ "device_id": "today's phone", "conflict_strategy": "user_choice",
        "changes": [of("4", 2, &with(renamed, &json!({ "name": "Phone" })))] });
    let response = ada.post("/api/sync/upload", &conflicting).await.expect(200);
    ada.resolve(&response["conflicts"][0], &crate::helpers::choose("local")).await.expect(200);
    let stored = connection().await;
    assert_eq!((&stored["name"], &stored["limits"], stored.get("folder")), (&json!("Phone"), &newer["limits"], None));
    let listed = ada.get("/api/sync/versions?item_type=connection&item_id=shop").await.expect(200);
    assert_eq!(listed["versions"][2]["data"]["folder"], "work", "versions have unknown fields, too");
}

#[tokio::test]
async fn an_edit_of_an_unknown_field_alone_is_an_edit() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    let response =
        ada.upload("laptop", &[change(&service, "1", 1, &with(data.clone(), &json!({ "folder": "a" })))]).await;
    assert_eq!(response["applied"][0]["sync_version"], 2);
    let merged = merge(&ada, "phone", &[change(&service, "2", 1, &with(data, &json!({ "shared": true })))]).await;
    let merged = &merged["applied"][0]["current"]["data"];
    assert_eq!((&merged["folder"], &merged["shared"]), (&json!("a"), &json!(true)));
}

#[tokio::test]
async fn unknown_fields_are_limited_and_hold_no_credential() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    let many: Value =
        (0..65).map(|number| (format!("field {number}"), json!(number))).collect::<serde_json::Map<_, _>>().into();
    for (fields, code, field) in [
        (json!({ "notes": "x".repeat(17_000) }), "INVALID_CHANGE", "changes[0].data"),
        (many, "INVALID_CHANGE", "changes[0].data"),
        (json!({ "folder": { "password": "sesame42" } }), "CREDENTIALS_PRESENT", "changes[0].data.folder.password"),
        (json!({ "a": { "b": "x\u{0}y" } }), "INVALID_CHANGE", "changes[0].data.a.b"),
    ] {
        let response = ada.upload("laptop", &[change(&service, "c", 1, &with(data.clone(), &fields))]).await;
        assert_eq!(
            (&response["rejected"][0]["code"], error_fields(&response["rejected"][0])),
            (&json!(code), vec![field])
        );
    }
    // Fields that several updates add are limited together.
    let half = |name: &str| with(data.clone(), &json!({ name: "x".repeat(10_000) }));
    assert_eq!(ada.upload("laptop", &[change(&service, "a", 1, &half("a"))]).await["success"], true);
    let response = ada.upload("laptop", &[change(&service, "b", 2, &half("b"))]).await;
    assert_eq!(error_fields(&response["rejected"][0]), ["changes[0].data"]);
    assert_eq!(
        ada.upload("laptop", &[change(&service, "b", 2, &with(half("b"), &json!({ "a": null })))]).await["success"],
        true
    );
}

#[tokio::test]
async fn merged_data_keeps_the_unknown_fields_of_both_sides() {
    let service = Service::start().await;
    let (ada, data) = user_with_query(&service).await;
    let edit = |id: &str, fields: &Value| change(&service, id, 1, &with(data.clone(), fields));
    ada.upload("laptop", &[edit("l", &json!({ "query": "laptop", "folder": "work" }))]).await;
    let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice",
        "changes": [edit("p", &json!({ "query": "phone", "pinned": true }))] });
    let conflict = ada.post("/api/sync/upload", &body).await.expect(200)["conflicts"][0].clone();
    let merged = json!({ "strategy": "user_choice", "merged_data": with(data, &json!({ "query": "both" })) });
    let item = ada.resolve(&conflict, &merged).await.expect(200)["item"].clone();
    assert_eq!((&item["query"], &item["folder"], &item["pinned"]), (&json!("both"), &json!("work"), &json!(true)));
}
