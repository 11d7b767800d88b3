//! Results of the changes of an upload.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::clock::Clock;
use tests::{Request, Service, TestUser, connection, error_fields, history, pluck, query_update, saved_query};

use crate::helpers::{DAY, query_deletion};

/// Creates a valid change, which tests invalidate.
fn change(id: &str) -> Value {
    json!({ "id": id, "item_type": "connection", "item_id": "c", "action": "create", "data": connection("shop"),
        "updated_at": "2026-01-01T00:00:00Z", "sync_version": 0 })
}

/// Sets the field at the path `field` to `value`.
fn with(mut change: Value, field: &str, value: Value) -> Value {
    let target = field.split('.').fold(&mut change, |value, name| &mut value[name]);
    *target = value;
    change
}

fn without(mut change: Value, field: &str) -> Value {
    change.as_object_mut().expect("an object").remove(field);
    change
}

#[tokio::test]
async fn every_change_is_in_exactly_one_list() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.upload("laptop", &[query_update(&service, "base", "met", "select 1", 0)]).await;
    service.clock.advance(60);
    let changes = [
        query_update(&service, "new", "q", "select 1", 0),
        with(change("spoiled"), "data.port", json!(0)),
        query_update(&service, "older", "met", "select 2", 0),
        query_update(&service, "again", "q", "select 2", 0),
        query_deletion(&service, "gone", "nothing", 0),
    ];
    let response = ada.upload("phone", &changes).await;
    assert_eq!(pluck(&response["applied"], "change_id"), ["new", "again", "gone"]);
    assert_eq!(pluck(&response["conflicts"], "change_id"), ["older"]);
    assert_eq!(response["rejected"].as_array().unwrap().len(), 1);
    assert_eq!(response["rejected"][0]["change"]["id"], "spoiled");
    assert_eq!(response["message"], "Synced 3 items, 1 conflicts, 1 rejected");
    assert_eq!(response["success"], false);
    let versions: Vec<_> = response["applied"].as_array().unwrap().iter().map(|one| &one["sync_version"]).collect();
    assert_eq!(versions, [&json!(1), &json!(2), &json!(0)]);

    let spoiled = ada.upload("phone", &changes[1..2]).await;
    assert_eq!(spoiled["synced_at"], response["synced_at"]);
    assert_eq!(spoiled["message"], "Synced 0 items, 0 conflicts, 1 rejected");
    for list in ["applied", "conflicts"] {
        assert_eq!(spoiled[list], json!([]));
    }
}

#[tokio::test]
async fn invalid_change_is_rejected_with_its_field() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let long = "x".repeat(129);
    for (spoiled, field) in [
        (with(change("a"), "data.port", json!(70_000)), "data.port"),
        (with(change("b"), "data.port", json!("5432")), "data.port"),
        (with(change("c"), "data.type", json!("oracle")), "data.type"),
        (with(change("v"), "data.type", json!({ "postgres": null })), "data.type"),
        (with(change("d"), "data.name", json!("")), "data.name"),
        (with(change("e"), "data.metadata.n", json!(7)), "data.metadata.n"),
        (with(change("f"), "data.host", json!("a\0b")), "data.host"),
        (with(change("g"), "data.id", json!("other")), "data.id"),
        (with(change("h"), "data", json!("none")), "data"),
        (without(change("i"), "data"), "data"),
        (with(change("j"), "item_type", json!("user")), "item_type"),
        (without(change("k"), "item_type"), "item_type"),
        (with(change("l"), "item_id", json!("")), "item_id"),
        (with(change("m"), "item_id", json!(long)), "item_id"),
        (with(change("n"), "action", json!("merge")), "action"),
        (without(change("o"), "updated_at"), "updated_at"),
        (with(change("p"), "updated_at", json!("yesterday")), "updated_at"),
        (with(change("q"), "sync_version", json!(-1)), "sync_version"),
        (with(change("r"), "data.created_at", json!("once")), "data.created_at"),
        (with(change("s"), "id", json!(7)), "id"),
        (with(change("t"), "id", json!("")), "id"),
        (with(change("u"), "item_id", json!("c\0")), "item_id"),
    ] {
        let response = ada.upload("laptop", &[change("fine"), spoiled.clone()]).await;
        let rejected = &response["rejected"][0];
        assert_eq!(rejected["code"], "INVALID_CHANGE", "{spoiled}");
        assert_eq!(error_fields(rejected), [format!("changes[1].{field}")], "{rejected}");
        assert!(rejected["reason"].as_str().unwrap().contains(field), "{rejected}");
        assert_eq!(rejected["change"]["index"], 1);
        assert_eq!(response["applied"].as_array().unwrap().len(), 1, "the other change is applied");
    }
    for non_object in [json!(null), json!(7), json!([])] {
        let response = ada.upload("laptop", &[non_object]).await;
        assert_eq!(error_fields(&response["rejected"][0]), ["changes[0]"]);
    }
}

#[tokio::test]
async fn rejection_names_all_invalid_fields() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let spoiled = with(with(change("a"), "data.port", json!(0)), "data.name", json!("x".repeat(256)));
    let response = ada.upload("laptop", &[spoiled]).await;
    assert_eq!(error_fields(&response["rejected"][0]), ["changes[0].data.name", "changes[0].data.port"]);
}

#[tokio::test]
async fn wrong_checksum_is_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    // RFC 8785 by hand: sorted keys, 1.0 as 1, minimal escapes.
    let data = json!({ "query": "select 'é'", "name": "q", "metadata": {}, "favorite": false, "tags": [], "x": 1.0 });
    let canonical = r#"{"favorite":false,"metadata":{},"name":"q","query":"select 'é'","tags":[],"x":1}"#;
    let right = hex::encode(Sha256::digest(canonical));
    let query = |checksum: &str| {
        let change = with(query_update(&service, &checksum[..8], "q", "", 0), "data", data.clone());
        with(change, "checksum", json!(checksum))
    };
    let response = ada.upload("laptop", &[query(&right), query(&right.to_uppercase()), query(&"0".repeat(64))]).await;
    assert_eq!(response["applied"].as_array().unwrap().len(), 2);
    assert_eq!(response["rejected"][0]["code"], "CHECKSUM_MISMATCH");
    assert_eq!(error_fields(&response["rejected"][0]), ["changes[2].checksum"]);
}

#[tokio::test]
async fn change_with_credential_is_rejected_without_repeating_it() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (field, value) in [
        ("password", json!("hunter2")),
        ("data.password", json!("hunter2")),
        ("data.extra", json!({ "ssh_key": "hunter2" })),
        ("data.metadata.api_token", json!("hunter2")),
        ("data.database", json!("postgres://ada:hunter2@db.example.com/shop")),
        ("data.metadata.note", json!("-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----")),
    ] {
        let response = ada.upload("laptop", &[with(change(field), field, value)]).await;
        let rejected = &response["rejected"][0];
        assert_eq!(rejected["code"], "CREDENTIALS_PRESENT", "{field}");
        assert!(error_fields(rejected)[0].starts_with(&format!("changes[0].{field}")), "{rejected}");
        assert!(!response.to_string().contains("hunter2"), "{response}");
    }
    let statement = query_update(&service, "1", "q", "CREATE USER ada WITH PASSWORD 'hunter2'", 0);
    let response = ada.upload("laptop", &[statement]).await;
    let details = json!([{
        "field": "changes[0].data.query",
        "message": "holds a statement that sets or gives a password; use a parameter instead of the literal",
        "rule": "password-clause", "start": 31, "end": 38
    }]);
    assert_eq!(response["rejected"][0]["details"], details);
    let harmless = query_update(&service, "2", "q", "SELECT password FROM users", 0);
    assert_eq!(ada.upload("laptop", &[harmless]).await["success"], true);
    assert_eq!(ada.download("").await["connections"], json!([]));
}

#[tokio::test]
async fn item_larger_than_a_page_is_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let of = |length: usize| query_update(&service, &length.to_string(), "q", &"\"".repeat(length), 0);
    let response = ada.upload("laptop", &[of(500_000), of(600_000), of(1_000_001)]).await;
    assert_eq!(pluck(&response["applied"], "change_id"), ["500000"]);
    let codes: Vec<_> = pluck(&response["rejected"], "code");
    assert_eq!(codes, ["ITEM_TOO_LARGE", "ITEM_TOO_LARGE"]);
    let characters = query_update(&service, "long", "q", &"x".repeat(1_000_001), 0);
    assert_eq!(error_fields(&ada.upload("laptop", &[characters]).await["rejected"][0]), ["changes[0].data.query"]);
}

#[tokio::test]
async fn response_with_large_conflicts_omits_their_data() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let large = |device: &str| -> Vec<Value> {
        (0..8).map(|n| query_update(&service, &format!("{n}"), &format!("q{n}"), &device.repeat(190_000), 0)).collect()
    };
    ada.upload("laptop", &large("lap")).await;
    let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": large("phone") });
    let response = ada.post("/api/sync/upload", &body).await;
    assert!(response.body.len() < 4_100_000, "{} bytes", response.body.len());
    let response = response.expect(200);
    let conflicts = response["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 8);
    let with_data = conflicts.iter().filter(|conflict| conflict["local_version"].get("data").is_some()).count();
    assert!((1..8).contains(&with_data));
    assert!(conflicts.iter().all(|conflict| conflict["local_version"]["deleted"] == false));
}

#[tokio::test]
async fn device_id_or_version_with_credential_is_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let secret = "postgres://ada:hunter2@db/orders";
    let escaped = "postgres%3A%2F%2Fada%3Ahunter2%40db%2Forders";
    let body = json!({ "device_id": "laptop", "changes": [change("a")] });
    let upload = || Request::post("/api/sync/upload", &body);
    let rejected_responses = [
        (ada.get(&format!("/api/sync/download?device_id={escaped}")).await, "device_id"),
        (ada.send(upload().header("x-client-version", secret)).await, "x-client-version"),
    ];
    for (response, field) in rejected_responses {
        let error = response.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), [field]);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    ada.send(upload().header("user-agent", secret)).await.expect(200);
    let status = ada.get("/api/sync/status").await.expect(200);
    assert_eq!(
        status["devices"][0]["version"], "",
        "a credential in the user agent is dropped, because clients may not control it"
    );
}

#[tokio::test]
async fn invalid_envelope_rejects_the_whole_upload() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let right = json!({ "device_id": "laptop", "changes": [change("a")] });
    for (field, value) in [
        ("device_id", json!("")),
        ("device_id", json!("x".repeat(129))),
        ("device_id", json!(7)),
        ("device_id", json!("lap\0top")),
        ("device_id", json!("postgres://ada:hunter2@db/orders")),
        ("last_sync_at", json!("yesterday")),
        ("conflict_strategy", json!("mine")),
        ("changes", json!("none")),
    ] {
        let wrong = with(right.clone(), field, value.clone());
        let error = ada.post("/api/sync/upload", &wrong).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), [field], "{value}");
    }
    for missing in ["device_id", "changes"] {
        let wrong = without(right.clone(), missing);
        let error = ada.post("/api/sync/upload", &wrong).await.expect_error(400, "INVALID_REQUEST");
        assert!(error.to_string().contains(missing), "{error}");
    }
    let page = ada.download("").await;
    assert_eq!((&page["connections"], &page["sync_timestamp"]), (&json!([]), &json!("1970-01-01T00:00:00.000000Z")));
}

#[tokio::test]
async fn unknown_fields_are_kept_and_missing_fields_omitted() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let newer = with(with(change("a"), "data.colour_of_the_sky", json!("blue")), "mood", json!("good"));
    let sparse = json!({ "name": "least", "type": "sqlite", "database": "/tmp/a.db" });
    let sparse = with(with(change("b"), "data", sparse), "item_id", json!("least"));
    let response = ada.upload("laptop", &[newer, sparse]).await;
    assert_eq!(response["success"], true, "{response}");
    let page = ada.download("").await;
    assert_eq!(page["connections"][0]["colour_of_the_sky"], "blue");
    assert!(page["connections"][0].get("mood").is_none(), "a field of the change, not of the item");
    let least = json!({ "id": "least", "name": "least", "type": "sqlite", "database": "/tmp/a.db", "use_ssh": false,
        "metadata": {}, "created_at": "2026-01-01T00:00:00.000000Z", "updated_at": "2026-01-01T00:00:00.000000Z",
        "sync_version": 1 });
    assert_eq!(page["connections"][1], least);
}

#[tokio::test]
async fn device_does_not_conflict_with_itself() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let changes = [
        query_update(&service, "1", "q", "select 1", 0),
        query_update(&service, "2", "q", "select 2", 0),
        query_deletion(&service, "3", "q", 0),
        query_update(&service, "4", "q", "select 4", 0),
    ];
    let response = ada.upload("laptop", &changes).await;
    let versions: Vec<_> = response["applied"].as_array().unwrap().iter().map(|one| &one["sync_version"]).collect();
    assert_eq!(versions, [&json!(1), &json!(2), &json!(3), &json!(4)]);
    let next = ada.upload("laptop", &[query_update(&service, "5", "q", "select 5", 0)]).await;
    assert_eq!(next["applied"][0]["sync_version"], 5);
    assert_eq!(ada.query_text("q").await.unwrap(), "select 5");
}

#[tokio::test]
async fn equal_edits_on_two_devices_do_not_conflict() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for strategy in ["last_write_wins", "keep_both", "user_choice"] {
        let mut laptop = ada.device("laptop").with_strategy(strategy);
        let mut phone = ada.device("phone").with_strategy(strategy);
        laptop.write("saved_query", strategy, saved_query("same", "select 1"), service.clock.now());
        laptop.sync().await;
        service.clock.advance(60);
        phone.write("saved_query", strategy, saved_query("same", "select 1"), service.clock.now());
        let response = phone.sync().await;
        assert_eq!((&response["conflicts"], &response["applied"][0]["sync_version"]), (&json!([]), &json!(1)));
        assert_eq!(laptop.download().await["saved_queries"], json!([]), "nothing changed");
    }
    ada.upload("laptop", &[query_deletion(&service, "gone", "keep_both", 1)]).await;
    let also = ada.upload("phone", &[query_deletion(&service, "gone too", "keep_both", 1)]).await;
    assert_eq!((&also["conflicts"], &also["applied"][0]["sync_version"]), (&json!([]), &json!(2)));
}

#[tokio::test]
async fn history_entries_are_immutable_but_can_be_deleted() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let entry = |id: &str, query: &str| json!({ "id": id, "item_type": "query_history", "item_id": "h", "action": "create", "data": history(query) });
    let remove = |id: &str| json!({ "id": id, "item_type": "query_history", "item_id": "h", "action": "delete" });
    for (device, change) in [("laptop", entry("1", "select 1")), ("phone", entry("2", "select 2"))] {
        let response = ada.upload(device, &[change]).await;
        assert_eq!(response["applied"][0]["sync_version"], 1);
    }
    let entries = ada.download("").await["query_history"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["query"]), (1, &json!("select 1")));

    assert_eq!(ada.upload("phone", &[remove("3")]).await["applied"][0]["item_id"], "h");
    assert_eq!(ada.upload("laptop", &[entry("4", "select 4")]).await["success"], true);
    assert_eq!(ada.download("").await["query_history"], json!([]), "a deleted entry must not be restored");
}

#[tokio::test]
async fn update_of_a_purged_item_requires_a_resync() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let (mut laptop, mut phone) = (ada.device("laptop"), ada.device("phone"));
    laptop.write("saved_query", "q", saved_query("orders", "select 1"), service.clock.now());
    laptop.sync().await;
    phone.sync().await;
    service.clock.advance(DAY / 2);
    laptop.delete("saved_query", "q", service.clock.now());
    laptop.sync().await;
    service.clock.advance(31 * DAY);
    service.purge().await;

    let ada = ada.log_in().await;
    phone.set_token(&ada.token);
    phone.write("saved_query", "q", saved_query("orders", "select 'phone'"), service.clock.now());
    let response = phone.upload().await;
    assert_eq!(response["rejected"][0]["code"], "RESYNC_REQUIRED");
    assert_eq!(error_fields(&response["rejected"][0]), ["changes[0].item_id"]);
    assert_eq!(ada.query_text("q").await, None);

    phone.download().await;
    assert_eq!(phone.pending.len(), 1, "the edit is still pending");
    assert_eq!(phone.upload().await["applied"][0]["item_id"], "q");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'phone'");
}

#[tokio::test]
async fn default_strategy_is_configurable() {
    for strategy in ["last_write_wins", "keep_both", "user_choice"] {
        let service = Service::with_settings(&[("RATE_LIMITS", "off"), ("CONFLICT_STRATEGY", strategy)]).await;
        let ada = TestUser::sign_up(&service.api, "ada").await;
        ada.upload("laptop", &[query_update(&service, "1", "q", "select 1", 0)]).await;
        let conflict = &ada.upload("phone", &[query_update(&service, "1", "q", "select 2", 0)]).await["conflicts"][0];
        let resolution = if strategy == "user_choice" { json!(null) } else { json!(strategy) };
        assert_eq!(conflict["resolution"], resolution);
        assert_eq!(ada.get("/api/sync/limits").await.expect(200)["default_strategy"], strategy);
    }
}

#[tokio::test]
async fn item_ids_are_scoped_to_the_user() {
    let service = Service::start().await;
    let (ada, bob) = (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "bob").await);
    for (user, text) in [(&ada, "select 'ada'"), (&bob, "select 'bob'")] {
        let response = user.upload("laptop", &[query_update(&service, "1", "q", text, 0)]).await;
        assert_eq!(response["applied"][0]["sync_version"], 1);
    }
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'ada'");
    assert_eq!(bob.query_text("q").await.unwrap(), "select 'bob'");
    bob.upload("laptop", &[query_deletion(&service, "2", "q", 1)]).await;
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'ada'");
}
