//! Injection of SQL and Redis commands in every text that reaches a store.

use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{PASSWORD, Request, Service, TestUser, connection, history, pluck, query_update, try_login};

use crate::helpers::{percent_encode, session_id, try_sign_up};

/// Texts that end literals, statements or comments in various dialects, or select rows of other users.
const PAYLOADS: [&str; 14] = [
    "'; DROP TABLE users; --",
    "'); DELETE FROM saved_queries; --",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "x' UNION SELECT username, email FROM users --",
    "1; UPDATE users SET email = 'eve'",
    "ada' --",
    "ada'/*",
    "\\'; SELECT 1; --",
    "$1 ?1 :id %s {0}",
    "%",
    "_",
    "*",
    "${7*7}{{7*7}}",
];

/// User with data in every store that an attack must not change: the user, and the data.
struct Bystander(TestUser, Value);

impl Bystander {
    async fn set_up(service: &Service) -> Self {
        let bob = TestUser::sign_up(&service.api, "bob").await;
        bob.create_conflict(service, "orders", ["select 1", "select 2"]).await;
        let before = bob.full_download().await;
        assert_eq!(before["conflicts"].as_array().map(Vec::len), Some(1));
        Self(bob, before)
    }

    async fn assert_unchanged(&self) {
        assert_eq!(self.0.full_download().await, self.1);
        assert_eq!(self.0.profile().await["email"], "bob@example.com");
        self.0.log_in().await;
    }
}

#[tokio::test]
async fn sql_in_names_is_stored_as_text() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    for (n, text) in PAYLOADS.into_iter().enumerate() {
        let signed_up = try_sign_up(&service.api, text, &format!("user{n}@example.com")).await.expect(201);
        assert_eq!(signed_up["user"]["username"], text);
        let logged_in = try_login(&service.api, text, PASSWORD).await.expect(200);
        assert_eq!(logged_in["user"], signed_up["user"]);
        let error = try_sign_up(&service.api, text, "another@example.com").await.expect_error(409, "CONFLICT");
        assert_eq!(error["details"][0]["field"], "username");
    }
    bystander.assert_unchanged().await;
}

#[tokio::test]
async fn sql_in_addresses_is_stored_as_text_or_rejected() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    for text in PAYLOADS {
        let error = try_sign_up(&service.api, "ada", text).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error["details"][0]["field"], "email");
    }
    for (n, email) in [
        "'or'1'='1'--@example.com",
        "ada'||'@example.com",
        "%@example.com",
        "_@example.com",
        "*@example.com",
        "\"';DROP_TABLE_users;--\"@example.com",
    ]
    .into_iter()
    .enumerate()
    {
        let signed_up = try_sign_up(&service.api, &format!("user{n}"), email).await.expect(201);
        assert_eq!(signed_up["user"]["email"], email);
        let logged_in = try_login(&service.api, email, PASSWORD).await.expect(200);
        assert_eq!(logged_in["user"], signed_up["user"], "the login must be for the same account");
    }
    bystander.assert_unchanged().await;
}

#[tokio::test]
async fn sql_in_logins_is_rejected() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    for text in PAYLOADS {
        for name in [text.to_owned(), format!("bob{text}"), format!("{text}@example.com"), "bob".to_owned()] {
            try_login(&service.api, &name, text).await.expect_error(401, "INVALID_CREDENTIALS");
        }
        try_login(&service.api, text, PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    }
    // Operators of document stores.
    for operator in [json!({ "$ne": null }), json!({ "$gt": "" }), json!(["bob"]), json!(true), json!(null)] {
        for body in
            [json!({ "username": operator, "password": PASSWORD }), json!({ "username": "bob", "password": operator })]
        {
            service.api.send(Request::post("/api/auth/login", &body)).await.expect_error(400, "INVALID_REQUEST");
        }
    }
    bystander.assert_unchanged().await;
}

#[tokio::test]
async fn sql_in_items_is_stored_as_text() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    for text in PAYLOADS {
        let query = json!({ "name": text, "description": text, "query": text, "connection_id": text, "tags": [text],
            "favorite": false, "metadata": { text: text } });
        let mut place = connection(text);
        place["database"] = json!(text);
        let mut entry = history(text);
        entry["connection_id"] = json!(text);
        let change = |kind: &str, data: &Value| {
            json!({ "id": format!("{kind} {text}"), "item_type": kind, "item_id": text, "action": "create",
                "data": data, "updated_at": at, "sync_version": 0 })
        };
        let changes = [change("saved_query", &query), change("connection", &place), change("query_history", &entry)];
        let response = ada.upload(text, &changes).await;
        assert_eq!((&response["success"], &response["conflicts"]), (&json!(true), &json!([])), "{response}");
        let page = ada.full_download().await;
        for (list, sent) in [("saved_queries", &query), ("connections", &place), ("query_history", &entry)] {
            let items = page[list].as_array().expect("a list");
            let item = items.iter().find(|item| item["id"] == text).unwrap_or_else(|| panic!("{text} in {list}"));
            let (payload, fields) = (json!(text).to_string(), sent.as_object().expect("an object"));
            for (name, value) in fields.iter().filter(|(_, value)| value.to_string().contains(&payload)) {
                assert_eq!(item[name], *value, "{name}: {item}");
            }
        }
    }
    let page = ada.full_download().await;
    for list in ["saved_queries", "connections", "query_history"] {
        assert_eq!(page[list].as_array().map(Vec::len), Some(PAYLOADS.len()), "{list}");
    }
    let status = ada.get("/api/sync/status").await.expect(200);
    assert_eq!(status["devices"].as_array().map(Vec::len), Some(PAYLOADS.len()));
    bystander.assert_unchanged().await;
}

/// An id that is a pattern in other contexts deletes only the item with that id.
#[tokio::test]
async fn patterns_in_ids_match_literally() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let all = ["%", "_", "*", "a", "' OR '1'='1"];
    let updates: Vec<Value> =
        all.iter().map(|id| query_update(&service, &format!("w{id}"), id, "select 1", 0)).collect();
    ada.upload("laptop", &updates).await;
    for id in ["%", "_", "*", "' OR '1'='1"] {
        let delete = json!({ "id": format!("d{id}"), "item_type": "saved_query", "item_id": id, "action": "delete",
            "updated_at": service.clock.now().to_string(), "sync_version": 1 });
        assert_eq!(ada.upload("laptop", &[delete]).await["applied"][0]["sync_version"], 2);
        let page = ada.full_download().await;
        let left = pluck(&page["saved_queries"], "id");
        assert!(!left.contains(&id) && left.contains(&"a"), "{id}: {left:?}");
    }
    assert_eq!(pluck(&ada.full_download().await["saved_queries"], "id"), ["a"]);
    bystander.assert_unchanged().await;
}

#[tokio::test]
async fn sql_in_query_parameters_is_rejected_or_text() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for text in PAYLOADS {
        let text = percent_encode(text);
        for path in [
            format!("/api/sync/download?device_id=laptop&since={text}"),
            format!("/api/sync/download?device_id=laptop&since=2026-01-01T00:00:00Z{text}"),
            format!("/api/sync/download?device_id=laptop&limit={text}"),
            format!("/api/sync/download?device_id=laptop&item_type=connection{text}"),
            format!("/api/sync/download?device_id=laptop&limit=1{text}"),
            format!("/api/sync/conflicts?limit=1{text}"),
            format!("/api/sync/conflicts?cursor=1{text}"),
            format!("/api/sync/conflicts?status=open{text}"),
        ] {
            ada.get(&path).await.expect_error(400, "INVALID_REQUEST");
        }
        let page = ada.get(&format!("/api/sync/download?device_id={text}")).await.expect(200);
        assert_eq!((&page["saved_queries"], &page["conflicts"]), (&json!([]), &json!([])));
    }
    ada.get("/api/sync/download?device_id=laptop&since=2026-01-01T00:00:00Z&limit=1").await.expect(200);
    bystander.assert_unchanged().await;
}

#[tokio::test]
async fn sql_in_paths_matches_nothing() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let resolution = json!({ "strategy": "keep_both" });
    for text in PAYLOADS {
        let text = percent_encode(text);
        ada.delete(&format!("/api/auth/sessions/{text}")).await.expect_error(404, "NOT_FOUND");
        ada.post(&format!("/api/sync/conflicts/{text}/resolve"), &resolution).await.expect_error(404, "NOT_FOUND");
    }
    assert_eq!(ada.sessions().await.len(), 1);
    bystander.assert_unchanged().await;
}

/// The Redis protocol is line-based, and sessions are stored as space-separated words.
#[tokio::test]
async fn redis_commands_in_device_names_are_stored_as_text() {
    let service = Service::start().await;
    let bystander = Bystander::set_up(&service).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let lines = ["\r\nFLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "9 9 9 {}", "\",\"ip\":\"evil", "' OR '1'='1"];
    for device in lines.into_iter().chain(PAYLOADS) {
        let body = json!({ "username": "ada", "password": PASSWORD, "device": device });
        let response = service.api.send(Request::post("/api/auth/login", &body)).await.expect(200);
        let phone = TestUser::from_tokens(&service.api, "ada", &response);
        let own = session_id(&phone.token);
        let sessions = phone.sessions().await;
        let listed = sessions.iter().find(|session| session["id"] == own.as_str()).expect("the session is listed");
        assert_eq!(listed["device"], device.chars().filter(|c| !c.is_control()).collect::<String>());
        assert_ne!(listed["ip"], "evil");
        phone.send(Request::new(Method::POST, "/api/auth/logout")).await.expect(200);
    }
    assert_eq!(ada.sessions().await.len(), 1);
    bystander.assert_unchanged().await;
}
