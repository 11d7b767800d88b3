//! Isolation of users: data of other users can be neither read nor changed, even with known ids.

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::storage::EmailKind::VerifyEmail;
use tests::{Service, TestUser, connection, history, no_op_upload, pluck, query_update};

use crate::helpers::{percent_encode, session_id};

async fn ada_and_eve(service: &Service) -> (TestUser, TestUser) {
    (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "eve").await)
}

/// Asserts that a user without data downloads nothing.
async fn assert_empty(user: &TestUser) {
    let page = user.full_download().await;
    for list in ["connections", "saved_queries", "query_history", "deleted", "conflicts"] {
        assert_eq!(page[list], json!([]), "{page}");
    }
}

#[tokio::test]
async fn conflicts_of_other_users_are_inaccessible() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let conflict = ada.create_conflict(&service, "orders", ["select 1", "select 2"]).await;
    let before = ada.full_download().await;
    let path = format!("/api/sync/conflicts/{}/resolve", percent_encode(conflict["id"].as_str().expect("an id")));
    for resolution in [
        json!({ "strategy": "user_choice", "chosen_version": "local" }),
        json!({ "strategy": "user_choice", "chosen_version": "remote" }),
        json!({ "strategy": "user_choice", "merged_data": { "name": "mine", "query": "select 'eve'" } }),
        json!({ "strategy": "keep_both" }),
        json!({ "strategy": "last_write_wins" }),
    ] {
        eve.post(&path, &resolution).await.expect_error(404, "NOT_FOUND");
    }
    for status in ["open", "resolved", "all"] {
        let list = eve.get(&format!("/api/sync/conflicts?status={status}")).await.expect(200);
        assert_eq!((&list["conflicts"], &list["count"]), (&json!([]), &json!(0)));
    }
    assert_empty(&eve).await;
    assert_eq!(ada.full_download().await, before);
    let resolved = ada.post(&path, &json!({ "strategy": "user_choice", "chosen_version": "local" })).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 2");
    // A resolved conflict is equally inaccessible.
    eve.post(&path, &json!({ "strategy": "keep_both" })).await.expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn sessions_of_other_users_are_inaccessible() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let phone = ada.log_in().await;
    let phone_session = session_id(&phone.token);
    for id in [
        phone_session.clone(),
        phone_session.to_uppercase(),
        phone_session.replace('-', ""),
        format!("{{{phone_session}}}"),
    ] {
        let path = format!("/api/auth/sessions/{}", percent_encode(&id));
        eve.delete(&path).await.expect_error(404, "NOT_FOUND");
        eve.get(&path).await.expect_error(405, "METHOD_NOT_ALLOWED");
    }
    eve.delete("/api/auth/sessions").await.expect(200);
    assert_eq!(pluck(&json!(eve.sessions().await), "id"), [session_id(&eve.token)]);
    assert!(ada.is_authenticated().await && phone.is_authenticated().await);
    ada.delete(&format!("/api/auth/sessions/{phone_session}")).await.expect(200);
    assert!(!phone.is_authenticated().await);
}

#[tokio::test]
async fn items_of_other_users_are_inaccessible() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let at = service.clock.now().to_string();
    let change = |kind: &str, action: &str, version: i64, data: Value| {
        json!({ "item_type": kind, "item_id": "shared", "action": action, "data": data, "updated_at": at,
            "sync_version": version })
    };
    let own = [
        change("connection", "create", 0, connection("Ada's")),
        change("saved_query", "create", 0, json!({ "name": "Ada's", "query": "select 'ada'" })),
        change("query_history", "create", 0, history("select 'ada'")),
    ];
    let response = ada.upload("laptop", &own).await;
    assert_eq!(response["success"], true, "{response}");
    let before = ada.full_download().await;
    assert_empty(&eve).await;

    // Eve uses the version of Ada's items, and other versions.
    for version in [1, 0, 2] {
        for kind in ["connection", "saved_query", "query_history"] {
            let response = eve.upload("laptop", &[change(kind, "delete", version, Value::Null)]).await;
            assert_eq!(response["applied"][0]["sync_version"], 0, "there is nothing to delete: {response}");
        }
        assert_eq!(ada.full_download().await, before);
    }
    let mut eves = connection("Eve's");
    eves["host"] = json!("evil.example");
    for data in [
        change("connection", "update", 1, eves),
        change("saved_query", "update", 1, json!({ "name": "Eve's", "query": "select 'eve'" })),
        change("query_history", "create", 0, history("select 'eve'")),
    ] {
        let response = eve.upload("laptop", &[data]).await;
        assert_eq!(response["conflicts"], json!([]), "{response}");
    }
    assert_eq!(ada.full_download().await, before);
    let text = eve.full_download().await.to_string();
    assert!(text.contains("select 'eve'") && !text.contains("Ada's") && !text.contains("select 'ada'"), "{text}");
    let status = ada.get("/api/sync/status").await.expect(200);
    assert_eq!(status["counts"], json!({ "connection": 1, "saved_query": 1, "query_history": 1 }));
}

/// Clients choose the ids of devices and changes, and the ids of conflicts depend on them.
#[tokio::test]
async fn equal_ids_of_two_users_do_not_collide() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let adas = ada.create_conflict(&service, "orders", ["select 'ada 1'", "select 'ada 2'"]).await;
    let before = ada.full_download().await;
    // If change ids were shared, Eve's change would be taken for a repeat of Ada's.
    let eves = eve.create_conflict(&service, "orders", ["select 'eve 1'", "select 'eve 2'"]).await;
    assert_eq!(eves["id"], adas["id"], "the test requires equal ids");
    assert!(!eves.to_string().contains("'ada"), "{eves}");
    let path = format!("/api/sync/conflicts/{}/resolve", percent_encode(eves["id"].as_str().expect("an id")));
    let upload_wins = json!({ "strategy": "user_choice", "chosen_version": "local" });
    let resolved = eve.post(&path, &upload_wins).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 'eve 2'");
    assert_eq!(ada.full_download().await, before, "Ada's conflict is still open, and her query unchanged");
    let resolved = ada.post(&path, &upload_wins).await.expect(200);
    assert_eq!(resolved["item"]["query"], "select 'ada 2'");
    assert_eq!(eve.query_text("orders").await.as_deref(), Some("select 'eve 2'"));
}

#[tokio::test]
async fn devices_of_other_users_are_inaccessible() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    ada.upload("ada's laptop", &[query_update(&service, "1", "orders", "select 1", 0)]).await;
    let devices = async |user: &TestUser| user.get("/api/sync/status").await.expect(200)["devices"].clone();
    let before = devices(&ada).await;
    assert_eq!(pluck(&before, "device_id"), ["ada's laptop"]);
    service.clock.advance(60);
    assert_eq!(devices(&eve).await, json!([]));
    let page = eve.get(&format!("/api/sync/download?device_id={}", percent_encode("ada's laptop"))).await.expect(200);
    assert_eq!(page["saved_queries"], json!([]));
    eve.upload("ada's laptop", &[query_update(&service, "1", "invoices", "select 2", 0)]).await;
    assert_eq!(devices(&ada).await, before);
    assert_eq!(devices(&eve).await[0]["total_synced"], 1);
}

#[tokio::test]
async fn cursors_of_other_users_reveal_nothing() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let since = ada.full_download().await["sync_timestamp"].as_str().expect("a time").to_owned();
    ada.create_conflict(&service, "orders", ["select 1", "select 2"]).await;
    ada.create_conflict(&service, "invoices", ["select 3", "select 4"]).await;
    let first = ada.get("/api/sync/conflicts?status=all&limit=1").await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is a second page").to_owned();
    let second = format!("/api/sync/conflicts?status=all&cursor={cursor}");
    assert_eq!(ada.get(&second).await.expect(200)["conflicts"].as_array().map(Vec::len), Some(1));
    let changed = format!("/api/sync/download?device_id=laptop&since={since}");
    assert_eq!(ada.get(&changed).await.expect(200)["conflicts"].as_array().map(Vec::len), Some(2));

    let list = eve.get(&second).await.expect(200);
    assert_eq!((&list["conflicts"], &list["count"]), (&json!([]), &json!(0)));
    let page = eve.get(&changed).await.expect(200);
    for name in ["connections", "saved_queries", "query_history", "deleted", "conflicts"] {
        assert_eq!(page[name], json!([]), "{page}");
    }
    let mut upload = no_op_upload("laptop");
    upload["last_sync_at"] = json!(since);
    let response = eve.post("/api/sync/upload", &upload).await.expect(200);
    assert_eq!((&response["applied"][0]["sync_version"], &response["conflicts"]), (&json!(0), &json!([])));
}

/// A connection id in a query is only a text, even if it is the id of another user's connection.
#[tokio::test]
async fn references_to_items_of_other_users_reveal_nothing() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let at = service.clock.now().to_string();
    let own = json!({ "item_type": "connection", "item_id": "c-of-ada", "action": "create", "updated_at": at,
        "data": connection("Ada's") });
    assert_eq!(ada.upload("laptop", &[own]).await["success"], true);
    let mut referencing = query_update(&service, "1", "mine", "select 1", 0);
    referencing["data"]["connection_id"] = json!("c-of-ada");
    assert_eq!(eve.upload("laptop", &[referencing]).await["success"], true);
    let page = eve.full_download().await;
    assert_eq!(page["connections"], json!([]));
    assert_eq!(page["saved_queries"][0]["connection_id"], "c-of-ada");
}

/// A link affects the account that it was sent to, even if another user opens it.
#[tokio::test]
async fn link_verifies_only_its_own_account() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let token = service.newest_token(VerifyEmail, "ada@example.com").await;
    let body = json!({ "token": token, "email": "eve@example.com", "username": "eve" });
    eve.post("/api/auth/verify-email", &body).await.expect(200);
    assert_eq!(eve.profile().await["email_verified"], false);
    assert_eq!(ada.profile().await["email_verified"], true);
}
