//! Everything oversized is refused, and what is just small enough is not.

use axum::http::Method;
use serde_json::{Map, Value, json};
use shared::clock::Clock;
use shared::models::limits;
use tests::{Call, PASSWORD, Person, Service, fields, saved_query, small_upload, try_login};

use crate::people::session_of;

/// `count` characters.
fn x(count: usize) -> String {
    "x".repeat(count)
}

/// An object with `count` entries, or with one whose key and value are this long.
fn entries(count: usize, key: usize, value: usize) -> Value {
    let entry = |n: usize| (format!("{}{n:03}", x(key - 3)), json!(x(value)));
    Value::Object((0..count).map(entry).collect::<Map<_, _>>())
}

#[tokio::test]
async fn a_text_of_an_account_that_is_too_long_is_refused() {
    let service = Service::start().await;
    let sign_up = |username: String, email: String, password: String| {
        let body = json!({ "username": username, "email": email, "password": password });
        service.api.send(Call::post("/api/auth/signup", &body))
    };
    // 64 before the @, 63 in each label after it.
    let domain = format!("{}.{}.{}", x(63), x(63), x(61));
    let (name, email) = (x(limits::USERNAME_CHARS), format!("{}@{domain}", x(64)));
    assert_eq!(email.len(), limits::EMAIL_BYTES);
    let password = format!("aA1{}", x(limits::PASSWORD_MAX_CHARS - 3));
    for huge in [1, 100, 100_000, 1_000_000] {
        for (field, answer) in [
            ("username", sign_up(name.clone() + &x(huge), email.clone(), password.clone()).await),
            ("email", sign_up(name.clone(), email.clone() + &x(huge), password.clone()).await),
            ("password", sign_up(name.clone(), email.clone(), password.clone() + &x(huge)).await),
        ] {
            let error = answer.refused(400, "INVALID_REQUEST");
            assert_eq!(fields(&error), [field], "{huge} too many");
        }
    }
    sign_up(name.clone(), email, password.clone()).await.expect(201);
    try_login(&service.api, &name, &password).await.expect(200);
    // Hashing must not be made to cost more; the longest password with something after it is another one.
    try_login(&service.api, &name, &(password + &x(1_000_000))).await.refused(401, "INVALID_CREDENTIALS");
    try_login(&service.api, &x(1_000_000), PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_field_of_an_item_that_is_too_long_is_rejected() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    for (field, longest, too_long) in [
        ("name", json!(x(limits::NAME_CHARS)), json!(x(limits::NAME_CHARS + 1))),
        ("description", json!(x(limits::DESCRIPTION_CHARS)), json!(x(limits::DESCRIPTION_CHARS + 1))),
        ("query", json!(x(limits::QUERY_CHARS)), json!(x(limits::QUERY_CHARS + 1))),
        ("connection_id", json!(x(limits::ID_CHARS)), json!(x(limits::ID_CHARS + 1))),
        ("tags", json!([x(limits::TAG_CHARS)]), json!([x(limits::TAG_CHARS + 1)])),
        ("tags", json!(vec!["t"; limits::TAGS]), json!(vec!["t"; limits::TAGS + 1])),
        ("metadata", entries(limits::METADATA_ENTRIES, 8, 1), entries(limits::METADATA_ENTRIES + 1, 8, 1)),
        ("metadata", entries(1, limits::METADATA_KEY_CHARS, 1), entries(1, limits::METADATA_KEY_CHARS + 1, 1)),
        ("metadata", entries(1, 8, limits::METADATA_VALUE_CHARS), entries(1, 8, limits::METADATA_VALUE_CHARS + 1)),
    ] {
        let item = |id: &str, value: &Value| {
            let mut data = saved_query("q", "select 1");
            data[field] = value.clone();
            json!({ "item_type": "saved_query", "item_id": id, "action": "create", "data": data, "sync_version": 0,
                "updated_at": service.clock.now().to_string() })
        };
        let answer = ada.uploads("laptop", &[item("too long", &too_long), item(field, &longest)]).await;
        assert_eq!(answer["rejected"][0]["code"], "INVALID_CHANGE", "{field}: {answer}");
        let named = answer["rejected"][0]["details"][0]["field"].as_str().expect("a field is named");
        assert!(named.starts_with(&format!("changes[0].data.{field}")), "{named}");
        assert_eq!(answer["applied"].as_array().map(Vec::len), Some(1), "{field}: {answer}");
        assert_eq!(ada.saved("too long").await, None);
    }
}

#[tokio::test]
async fn an_id_that_is_too_long_is_refused() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let change = |name: &str, id: String| {
        let mut change = json!({ "id": "c", "item_type": "saved_query", "item_id": "i", "action": "create",
            "data": saved_query("q", "select 1"), "updated_at": service.clock.now().to_string(), "sync_version": 0 });
        change[name] = json!(id);
        change
    };
    let longest = x(limits::ID_CHARS);
    for name in ["id", "item_id"] {
        for count in [limits::ID_CHARS + 1, 100_000] {
            let answer = ada.uploads("laptop", &[change(name, x(count))]).await;
            assert_eq!(answer["rejected"][0]["code"], "INVALID_CHANGE", "{name}: {answer}");
            // What is told of it is cut.
            assert!(answer.to_string().len() < 2_000, "{name}");
        }
        let answer = ada.uploads("laptop", &[change(name, longest.clone())]).await;
        assert_eq!(answer["success"], true, "{name}: {answer}");
    }
    for count in [limits::ID_CHARS + 1, 30_000] {
        let body = small_upload(&x(count));
        let error = ada.posts("/api/sync/upload", &body).await.refused(400, "INVALID_REQUEST");
        assert_eq!(fields(&error), ["device_id"]);
        let path = format!("/api/sync/download?device_id={}", x(count));
        ada.gets(&path).await.refused(400, "INVALID_REQUEST");
    }
    ada.posts("/api/sync/upload", &small_upload(&longest)).await.expect(200);
    ada.gets(&format!("/api/sync/download?device_id={longest}")).await.expect(200);
}

#[tokio::test]
async fn a_path_or_a_header_that_is_too_long_does_no_harm() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let long = x(60_000);
    let how = json!({ "strategy": "keep_both" });
    service.api.send(Call::get(format!("/{long}"))).await.refused(404, "NOT_FOUND");
    service.api.send(Call::get(format!("/{}", "a/".repeat(30_000)))).await.refused(404, "NOT_FOUND");
    ada.deletes(&format!("/api/auth/sessions/{long}")).await.refused(404, "NOT_FOUND");
    ada.posts(&format!("/api/sync/conflicts/{long}/resolve"), &how).await.refused(404, "NOT_FOUND");
    service.api.send(Call::get("/api/auth/profile").bearer(&long)).await.refused(401, "UNAUTHORIZED");
    let many = (0..1_000).fold(Call::get("/health"), |call, n| call.header(&format!("x-{n}"), "y"));
    service.api.send(many).await.expect(200);

    // What is kept of a header, or of a name that a client gives itself, is cut.
    let login = |body: Value| Call::post("/api/auth/login", &body).header("user-agent", &long);
    for body in [
        json!({ "username": "ada", "password": PASSWORD }),
        json!({ "username": "ada", "password": PASSWORD, "device": x(1_000_000) }),
    ] {
        let answer = service.api.send(login(body)).await.expect(200);
        let phone = Person::holding(&service.api, "ada", &answer);
        let (own, sessions) = (session_of(&phone.token), phone.sessions().await);
        let session = sessions.iter().find(|session| session["id"] == own.as_str()).expect("it is listed");
        assert_eq!(session["device"].as_str().map(str::len), Some(limits::DEVICE_CHARS));
    }
    let upload = Call::post("/api/sync/upload", &small_upload("laptop"));
    ada.sends(upload.header("x-client-version", &long)).await.expect(200);
    let status = ada.gets("/api/sync/status").await.expect(200);
    assert!(status.to_string().len() < 2_000, "{status}");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_read_as_json() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let padded = |body: Value, bytes: usize| {
        let mut body = body.to_string().into_bytes();
        body.resize(bytes, b' ');
        body
    };
    let login = json!({ "username": "ada", "password": PASSWORD });
    let upload = small_upload("laptop");
    for (path, body, most) in
        [("/api/auth/login", login, limits::BODY_BYTES), ("/api/sync/upload", upload, limits::UPLOAD_BYTES)]
    {
        let call = |bytes: usize| Call::new(Method::POST, path).body("application/json", padded(body.clone(), bytes));
        ada.sends(call(most + 1)).await.refused(413, "PAYLOAD_TOO_LARGE");
        ada.sends(call(most)).await.expect(200);
    }
}
