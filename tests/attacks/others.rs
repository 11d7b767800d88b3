//! What is another user's is neither seen nor changed, whatever ids one knows.

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::storage::MailKind::VerifyEmail;
use tests::{Person, Service, connection, history, ids, small_upload, write};

use crate::people::{encoded, session_of};

async fn ada_and_eve(service: &Service) -> (Person, Person) {
    (Person::joins(&service.api, "ada").await, Person::joins(&service.api, "eve").await)
}

/// Whoever has nothing sees nothing.
async fn sees_nothing(person: &Person) {
    let page = person.everything().await;
    for list in ["connections", "saved_queries", "query_history", "deleted", "conflicts"] {
        assert_eq!(page[list], json!([]), "{page}");
    }
}

#[tokio::test]
async fn another_users_conflict_is_neither_seen_nor_settled() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let conflict = ada.disagrees(&service, "orders", ["select 1", "select 2"]).await;
    let before = ada.everything().await;
    let path = format!("/api/sync/conflicts/{}/resolve", encoded(conflict["id"].as_str().expect("an id")));
    for how in [
        json!({ "strategy": "user_choice", "chosen_version": "local" }),
        json!({ "strategy": "user_choice", "chosen_version": "remote" }),
        json!({ "strategy": "user_choice", "merged_data": { "name": "mine", "query": "select 'eve'" } }),
        json!({ "strategy": "keep_both" }),
        json!({ "strategy": "last_write_wins" }),
    ] {
        eve.posts(&path, &how).await.refused(404, "NOT_FOUND");
    }
    for status in ["open", "resolved", "all"] {
        let list = eve.gets(&format!("/api/sync/conflicts?status={status}")).await.expect(200);
        assert_eq!((&list["conflicts"], &list["count"]), (&json!([]), &json!(0)));
    }
    sees_nothing(&eve).await;
    assert_eq!(ada.everything().await, before);
    let settled = ada.posts(&path, &json!({ "strategy": "user_choice", "chosen_version": "local" })).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 2");
    // Once it is settled, too.
    eve.posts(&path, &json!({ "strategy": "keep_both" })).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn another_users_session_is_neither_seen_nor_ended() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let phone = ada.logs_in().await;
    let of_phone = session_of(&phone.token);
    for id in [of_phone.clone(), of_phone.to_uppercase(), of_phone.replace('-', ""), format!("{{{of_phone}}}")] {
        let path = format!("/api/auth/sessions/{}", encoded(&id));
        eve.deletes(&path).await.refused(404, "NOT_FOUND");
        eve.gets(&path).await.refused(405, "METHOD_NOT_ALLOWED");
    }
    eve.deletes("/api/auth/sessions").await.expect(200);
    assert_eq!(ids(&json!(eve.sessions().await), "id"), [session_of(&eve.token)]);
    assert!(ada.is_let_in().await && phone.is_let_in().await);
    ada.deletes(&format!("/api/auth/sessions/{of_phone}")).await.expect(200);
    assert!(!phone.is_let_in().await);
}

#[tokio::test]
async fn another_users_items_are_neither_seen_nor_changed() {
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
    let answer = ada.uploads("laptop", &own).await;
    assert_eq!(answer["success"], true, "{answer}");
    let before = ada.everything().await;
    sees_nothing(&eve).await;

    // From the version that Ada has, as if Eve had seen it, and from others.
    for version in [1, 0, 2] {
        for kind in ["connection", "saved_query", "query_history"] {
            let answer = eve.uploads("laptop", &[change(kind, "delete", version, Value::Null)]).await;
            assert_eq!(answer["applied"][0]["sync_version"], 0, "there is nothing to delete: {answer}");
        }
        assert_eq!(ada.everything().await, before);
    }
    let mut of_eve = connection("Eve's");
    of_eve["host"] = json!("evil.example");
    for data in [
        change("connection", "update", 1, of_eve),
        change("saved_query", "update", 1, json!({ "name": "Eve's", "query": "select 'eve'" })),
        change("query_history", "create", 0, history("select 'eve'")),
    ] {
        let answer = eve.uploads("laptop", &[data]).await;
        assert_eq!(answer["conflicts"], json!([]), "{answer}");
    }
    assert_eq!(ada.everything().await, before);
    let text = eve.everything().await.to_string();
    assert!(text.contains("select 'eve'") && !text.contains("Ada's") && !text.contains("select 'ada'"), "{text}");
    let status = ada.gets("/api/sync/status").await.expect(200);
    assert_eq!(status["counts"], json!({ "connection": 1, "saved_query": 1, "query_history": 1 }));
}

/// Ids of devices and changes are chosen by clients, and even those of conflicts follow from them.
#[tokio::test]
async fn the_same_ids_of_two_users_are_different_things() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let of_ada = ada.disagrees(&service, "orders", ["select 'ada 1'", "select 'ada 2'"]).await;
    let before = ada.everything().await;
    // A repeat of Ada's change would be answered as hers was.
    let of_eve = eve.disagrees(&service, "orders", ["select 'eve 1'", "select 'eve 2'"]).await;
    assert_eq!(of_eve["id"], of_ada["id"], "with different ids this would show nothing");
    assert!(!of_eve.to_string().contains("'ada"), "{of_eve}");
    let path = format!("/api/sync/conflicts/{}/resolve", encoded(of_eve["id"].as_str().expect("an id")));
    let upload_wins = json!({ "strategy": "user_choice", "chosen_version": "local" });
    let settled = eve.posts(&path, &upload_wins).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 'eve 2'");
    assert_eq!(ada.everything().await, before, "Ada's conflict is still open, and her query as it was");
    let settled = ada.posts(&path, &upload_wins).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 'ada 2'");
    assert_eq!(eve.reads("orders").await.as_deref(), Some("select 'eve 2'"));
}

#[tokio::test]
async fn another_users_device_is_not_seen() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    ada.uploads("ada's laptop", &[write(&service, "1", "orders", "select 1", 0)]).await;
    let devices = async |person: &Person| person.gets("/api/sync/status").await.expect(200)["devices"].clone();
    let before = devices(&ada).await;
    assert_eq!(ids(&before, "device_id"), ["ada's laptop"]);
    service.clock.advance(60);
    assert_eq!(devices(&eve).await, json!([]));
    let page = eve.gets(&format!("/api/sync/download?device_id={}", encoded("ada's laptop"))).await.expect(200);
    assert_eq!(page["saved_queries"], json!([]));
    eve.uploads("ada's laptop", &[write(&service, "1", "invoices", "select 2", 0)]).await;
    assert_eq!(devices(&ada).await, before);
    assert_eq!(devices(&eve).await[0]["total_synced"], 1);
}

#[tokio::test]
async fn another_users_cursor_shows_nothing() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let since = ada.everything().await["sync_timestamp"].as_str().expect("a time").to_owned();
    ada.disagrees(&service, "orders", ["select 1", "select 2"]).await;
    ada.disagrees(&service, "invoices", ["select 3", "select 4"]).await;
    let first = ada.gets("/api/sync/conflicts?status=all&limit=1").await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is a second page").to_owned();
    let second = format!("/api/sync/conflicts?status=all&cursor={cursor}");
    assert_eq!(ada.gets(&second).await.expect(200)["conflicts"].as_array().map(Vec::len), Some(1));
    let changed = format!("/api/sync/download?device_id=laptop&since={since}");
    assert_eq!(ada.gets(&changed).await.expect(200)["conflicts"].as_array().map(Vec::len), Some(2));

    let list = eve.gets(&second).await.expect(200);
    assert_eq!((&list["conflicts"], &list["count"]), (&json!([]), &json!(0)));
    let page = eve.gets(&changed).await.expect(200);
    for name in ["connections", "saved_queries", "query_history", "deleted", "conflicts"] {
        assert_eq!(page[name], json!([]), "{page}");
    }
    let mut upload = small_upload("laptop");
    upload["last_sync_at"] = json!(since);
    let answer = eve.posts("/api/sync/upload", &upload).await.expect(200);
    assert_eq!((&answer["applied"][0]["sync_version"], &answer["conflicts"]), (&json!(0), &json!([])));
}

/// A connection of another user that one's query names is a text, and opens nothing.
#[tokio::test]
async fn a_reference_to_another_users_item_brings_nothing_of_it() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let at = service.clock.now().to_string();
    let own = json!({ "item_type": "connection", "item_id": "c-of-ada", "action": "create", "updated_at": at,
        "data": connection("Ada's") });
    assert_eq!(ada.uploads("laptop", &[own]).await["success"], true);
    let mut naming = write(&service, "1", "mine", "select 1", 0);
    naming["data"]["connection_id"] = json!("c-of-ada");
    assert_eq!(eve.uploads("laptop", &[naming]).await["success"], true);
    let page = eve.everything().await;
    assert_eq!(page["connections"], json!([]));
    assert_eq!(page["saved_queries"][0]["connection_id"], "c-of-ada");
}

/// A link acts for the account that it was mailed for, whoever is logged in where it is opened.
#[tokio::test]
async fn a_link_confirms_its_own_account_alone() {
    let service = Service::start().await;
    let (ada, eve) = ada_and_eve(&service).await;
    let token = service.newest_token(VerifyEmail, "ada@example.com").await;
    let body = json!({ "token": token, "email": "eve@example.com", "username": "eve" });
    eve.posts("/api/auth/verify-email", &body).await.expect(200);
    assert_eq!(eve.account().await["email_verified"], false);
    assert_eq!(ada.account().await["email_verified"], true);
}
