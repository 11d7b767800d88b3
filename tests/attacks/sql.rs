//! SQL, and what Redis would take for commands, in every text that reaches a store: it stays a text.

use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Call, PASSWORD, Person, Service, connection, history, ids, try_login, write};

use crate::people::{encoded, session_of, try_sign_up};

/// What ends a text, a statement or a comment in one dialect or another, and what asks for another user's rows.
const TEXTS: [&str; 14] = [
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

/// What stands in every store before an attack, and must stand there after it.
struct Bystander(Person, Value);

impl Bystander {
    async fn of(service: &Service) -> Self {
        let bob = Person::joins(&service.api, "bob").await;
        bob.disagrees(service, "orders", ["select 1", "select 2"]).await;
        let before = bob.everything().await;
        assert_eq!(before["conflicts"].as_array().map(Vec::len), Some(1));
        Self(bob, before)
    }

    async fn is_unharmed(&self) {
        assert_eq!(self.0.everything().await, self.1);
        assert_eq!(self.0.account().await["email"], "bob@example.com");
        self.0.logs_in().await;
    }
}

#[tokio::test]
async fn sql_in_a_name_is_a_name() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    for (n, text) in TEXTS.into_iter().enumerate() {
        let signed_up = try_sign_up(&service.api, text, &format!("user{n}@example.com")).await.expect(201);
        assert_eq!(signed_up["user"]["username"], text);
        let logged_in = try_login(&service.api, text, PASSWORD).await.expect(200);
        assert_eq!(logged_in["user"], signed_up["user"]);
        let error = try_sign_up(&service.api, text, "another@example.com").await.refused(409, "CONFLICT");
        assert_eq!(error["details"][0]["field"], "username");
    }
    bystander.is_unharmed().await;
}

#[tokio::test]
async fn sql_in_an_address_is_an_address_or_refused() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    for text in TEXTS {
        let error = try_sign_up(&service.api, "ada", text).await.refused(400, "INVALID_REQUEST");
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
        assert_eq!(logged_in["user"], signed_up["user"], "it is nobody else");
    }
    bystander.is_unharmed().await;
}

#[tokio::test]
async fn sql_in_a_login_opens_nothing() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    for text in TEXTS {
        for name in [text.to_owned(), format!("bob{text}"), format!("{text}@example.com"), "bob".to_owned()] {
            try_login(&service.api, &name, text).await.refused(401, "INVALID_CREDENTIALS");
        }
        try_login(&service.api, text, PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
    }
    // Operators, as they are put into document stores.
    for operator in [json!({ "$ne": null }), json!({ "$gt": "" }), json!(["bob"]), json!(true), json!(null)] {
        for body in
            [json!({ "username": operator, "password": PASSWORD }), json!({ "username": "bob", "password": operator })]
        {
            service.api.send(Call::post("/api/auth/login", &body)).await.refused(400, "INVALID_REQUEST");
        }
    }
    bystander.is_unharmed().await;
}

#[tokio::test]
async fn sql_in_an_item_comes_back_as_it_was() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    let ada = Person::joins(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    for text in TEXTS {
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
        let answer = ada.uploads(text, &changes).await;
        assert_eq!((&answer["success"], &answer["conflicts"]), (&json!(true), &json!([])), "{answer}");
        let page = ada.everything().await;
        for (list, sent) in [("saved_queries", &query), ("connections", &place), ("query_history", &entry)] {
            let items = page[list].as_array().expect("a list");
            let item = items.iter().find(|item| item["id"] == text).unwrap_or_else(|| panic!("{text} in {list}"));
            let (written, fields) = (json!(text).to_string(), sent.as_object().expect("an object"));
            for (name, value) in fields.iter().filter(|(_, value)| value.to_string().contains(&written)) {
                assert_eq!(item[name], *value, "{name}: {item}");
            }
        }
    }
    let page = ada.everything().await;
    for list in ["saved_queries", "connections", "query_history"] {
        assert_eq!(page[list].as_array().map(Vec::len), Some(TEXTS.len()), "{list}");
    }
    let status = ada.gets("/api/sync/status").await.expect(200);
    assert_eq!(status["devices"].as_array().map(Vec::len), Some(TEXTS.len()));
    bystander.is_unharmed().await;
}

/// What is a pattern elsewhere deletes the item that is called so, and no other.
#[tokio::test]
async fn a_pattern_for_an_id_means_itself_alone() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    let ada = Person::joins(&service.api, "ada").await;
    let all = ["%", "_", "*", "a", "' OR '1'='1"];
    let writes: Vec<Value> = all.iter().map(|id| write(&service, &format!("w{id}"), id, "select 1", 0)).collect();
    ada.uploads("laptop", &writes).await;
    for id in ["%", "_", "*", "' OR '1'='1"] {
        let delete = json!({ "id": format!("d{id}"), "item_type": "saved_query", "item_id": id, "action": "delete",
            "updated_at": service.clock.now().to_string(), "sync_version": 1 });
        assert_eq!(ada.uploads("laptop", &[delete]).await["applied"][0]["sync_version"], 2);
        let page = ada.everything().await;
        let left = ids(&page["saved_queries"], "id");
        assert!(!left.contains(&id) && left.contains(&"a"), "{id}: {left:?}");
    }
    assert_eq!(ids(&ada.everything().await["saved_queries"], "id"), ["a"]);
    bystander.is_unharmed().await;
}

#[tokio::test]
async fn sql_in_a_query_parameter_is_refused_or_a_text() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    let ada = Person::joins(&service.api, "ada").await;
    for text in TEXTS {
        let text = encoded(text);
        for path in [
            format!("/api/sync/download?device_id=laptop&since={text}"),
            format!("/api/sync/download?device_id=laptop&since=2026-01-01T00:00:00Z{text}"),
            format!("/api/sync/download?device_id=laptop&limit={text}"),
            format!("/api/sync/download?device_id=laptop&limit=1{text}"),
            format!("/api/sync/conflicts?limit=1{text}"),
            format!("/api/sync/conflicts?cursor=1{text}"),
            format!("/api/sync/conflicts?status=open{text}"),
        ] {
            ada.gets(&path).await.refused(400, "INVALID_REQUEST");
        }
        let page = ada.gets(&format!("/api/sync/download?device_id={text}")).await.expect(200);
        assert_eq!((&page["saved_queries"], &page["conflicts"]), (&json!([]), &json!([])));
    }
    ada.gets("/api/sync/download?device_id=laptop&since=2026-01-01T00:00:00Z&limit=1").await.expect(200);
    bystander.is_unharmed().await;
}

#[tokio::test]
async fn sql_in_a_path_names_nothing() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    let ada = Person::joins(&service.api, "ada").await;
    let how = json!({ "strategy": "keep_both" });
    for text in TEXTS {
        let text = encoded(text);
        ada.deletes(&format!("/api/auth/sessions/{text}")).await.refused(404, "NOT_FOUND");
        ada.posts(&format!("/api/sync/conflicts/{text}/resolve"), &how).await.refused(404, "NOT_FOUND");
    }
    assert_eq!(ada.sessions().await.len(), 1);
    bystander.is_unharmed().await;
}

/// Redis is spoken to in lines, and keeps sessions as lines of words.
#[tokio::test]
async fn commands_in_the_name_of_a_device_are_a_name() {
    let service = Service::start().await;
    let bystander = Bystander::of(&service).await;
    let ada = Person::joins(&service.api, "ada").await;
    let lines = ["\r\nFLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "9 9 9 {}", "\",\"ip\":\"evil", "' OR '1'='1"];
    for device in lines.into_iter().chain(TEXTS) {
        let body = json!({ "username": "ada", "password": PASSWORD, "device": device });
        let answer = service.api.send(Call::post("/api/auth/login", &body)).await.expect(200);
        let phone = Person::holding(&service.api, "ada", &answer);
        let own = session_of(&phone.token);
        let sessions = phone.sessions().await;
        let listed = sessions.iter().find(|session| session["id"] == own.as_str()).expect("it is listed");
        assert_eq!(listed["device"], device);
        assert_ne!(listed["ip"], "evil");
        phone.sends(Call::new(Method::POST, "/api/auth/logout")).await.expect(200);
    }
    assert_eq!(ada.sessions().await.len(), 1);
    bystander.is_unharmed().await;
}
