//! JSON that is meant to break whoever reads it, or to be read in two ways.

use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Answer, Call, PASSWORD, Person, Service, fields, saved_query, try_login};

/// So deep that a reader which calls itself for each level runs out of stack.
const DEEP: usize = 10_000;

fn arrays(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn objects(levels: usize) -> String {
    format!("{}null{}", "{\"a\":".repeat(levels), "}".repeat(levels))
}

fn json_text(path: &str, body: impl Into<Vec<u8>>) -> Call {
    Call::new(Method::POST, path).body("application/json", body)
}

async fn uploads(person: &Person, body: String) -> Answer {
    person.sends(json_text("/api/sync/upload", body)).await
}

/// An upload of one change with these further fields of its data, as JSON.
fn upload_with(at: &str, data: &str) -> String {
    format!(
        r#"{{"device_id":"laptop","changes":[{{"id":"c{}","item_type":"saved_query","item_id":"deep",
            "action":"update","updated_at":"{at}","sync_version":0,
            "data":{{"name":"q","query":"select 1",{data}}}}}]}}"#,
        data.len()
    )
}

#[tokio::test]
async fn ten_thousand_levels_break_nothing() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    for deep in [arrays(DEEP), objects(DEEP), "[".repeat(100_000), "{\"a\":".repeat(100_000)] {
        for body in [
            deep.clone(),
            format!(r#"{{"username":{deep},"password":"{PASSWORD}"}}"#),
            format!(r#"{{"username":"ada","password":{deep}}}"#),
        ] {
            service.api.send(json_text("/api/auth/login", body)).await.refused(400, "INVALID_REQUEST");
        }
        // A field that nobody asks for is skipped, which takes no level of the stack.
        let body = format!(r#"{{"extra":{deep},"username":"ada","password":"{PASSWORD}"}}"#);
        let answer = service.api.send(json_text("/api/auth/login", body)).await;
        assert!([200, 400].contains(&answer.status), "{}", answer.status);
        let merged = format!(r#"{{"strategy":"user_choice","merged_data":{deep}}}"#);
        let resolve = json_text("/api/sync/conflicts/c/resolve", merged);
        ada.sends(resolve).await.refused(400, "INVALID_REQUEST");
        uploads(&ada, deep.clone()).await.refused(400, "INVALID_REQUEST");
        uploads(&ada, format!(r#"{{"device_id":{deep},"changes":[]}}"#)).await.refused(400, "INVALID_REQUEST");
    }
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
}

/// Changes are read one by one: one that is too deep is rejected alone.
#[tokio::test]
async fn a_change_of_ten_thousand_levels_is_rejected() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    for deep in [arrays(DEEP), objects(DEEP)] {
        for body in [
            format!(r#"{{"device_id":"laptop","changes":[{deep}]}}"#),
            upload_with(&at, &format!(r#""extra":{deep}"#)),
            upload_with(&at, &format!(r#""metadata":{deep}"#)),
            upload_with(&at, &format!(r#""tags":{deep}"#)),
        ] {
            let answer = uploads(&ada, body).await.expect(200);
            assert_eq!(answer["rejected"][0]["code"], "INVALID_CHANGE", "{answer}");
            assert!(answer.to_string().len() < 2_000, "what is told of it is short");
        }
    }
    assert_eq!(ada.saved("deep").await, None);
    let shallow = upload_with(&at, &format!(r#""extra":{},"more":{}"#, arrays(50), objects(50)));
    assert_eq!(uploads(&ada, shallow).await.expect(200)["success"], true);
    assert_eq!(ada.reads("deep").await.as_deref(), Some("select 1"));
}

/// Two readers that take another of two equal keys would see two requests. Here none is taken.
#[tokio::test]
async fn a_field_that_is_there_twice_is_refused() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    Person::joins(&service.api, "eve").await;
    for (path, body, field) in [
        ("/api/auth/login", r#"{"username":"eve","password":"Sesame42","username":"ada"}"#, "username"),
        ("/api/auth/login", r#"{"username":"ada","password":"Wrong000","password":"Sesame42"}"#, "password"),
        ("/api/auth/login", r#"{"username":"ada","user\u006eame":"ada","password":"Sesame42"}"#, "username"),
        ("/api/auth/request-password-reset", r#"{"email":"ada@example.com","email":"eve@evil.example"}"#, "email"),
        ("/api/auth/refresh", r#"{"refresh_token":"a","refresh_token":"b"}"#, "refresh_token"),
        ("/api/sync/upload", r#"{"device_id":"a","device_id":"b","changes":[]}"#, "device_id"),
        ("/api/sync/upload", r#"{"device_id":"a","changes":[],"changes":[]}"#, "changes"),
        ("/api/sync/conflicts/c/resolve", r#"{"strategy":"keep_both","strategy":"user_choice"}"#, "strategy"),
    ] {
        let error = ada.sends(json_text(path, body)).await.refused(400, "INVALID_REQUEST");
        assert_eq!(fields(&error), [field], "{body}");
    }
    let honest = r#"{"username":"ada","password":"Sesame42"}"#;
    service.api.send(json_text("/api/auth/login", honest)).await.expect(200);
}

/// Within a change the last of two equal keys counts, for everything alike: for what is looked for in it, what is
/// stored, and what is told of it.
#[tokio::test]
async fn of_two_equal_keys_in_a_change_the_last_counts_for_everything() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    let change = |id: &str, fields: &str, data: &str| {
        format!(
            r#"{{"device_id":"laptop","changes":[{{"id":"{id}","item_type":"saved_query","item_id":"first",
                "action":"update","updated_at":"{at}","sync_version":0,
                "data":{{"name":"q","query":"select 1",{data}}}{fields}}}]}}"#
        )
    };
    let answer = uploads(&ada, change("1", r#","item_id":"second""#, r#""query":"select 2""#)).await.expect(200);
    assert_eq!(answer["applied"][0]["item_id"], "second", "{answer}");
    assert_eq!(ada.reads("second").await.as_deref(), Some("select 2"));
    assert_eq!(ada.saved("first").await, None);

    // A credential behind an innocent key of the same name is found, and one before it is gone.
    let (secret, innocent) = (r#"{"password":"hunter2hunter2"}"#, r#"{"color":"red"}"#);
    let hidden = format!(r#""metadata":{innocent},"metadata":{secret}"#);
    let answer = uploads(&ada, change("2", "", &hidden)).await.expect(200);
    assert_eq!(answer["rejected"][0]["code"], "CREDENTIALS_PRESENT", "{answer}");
    let dropped = format!(r#""metadata":{secret},"metadata":{innocent}"#);
    let answer = uploads(&ada, change("3", "", &dropped)).await.expect(200);
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(ada.saved("first").await.expect("it is stored")["metadata"], json!({ "color": "red" }));
    assert!(!ada.everything().await.to_string().contains("hunter2"));
}

/// Of two equal parameters of a query the last counts, whichever of them is wrong.
#[tokio::test]
async fn of_two_equal_parameters_the_last_counts() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    for (query, status) in [
        ("device_id=a&limit=0&limit=5", 200),
        ("device_id=a&limit=5&limit=0", 400),
        ("device_id=&device_id=a", 200),
        ("device_id=a&device_id=", 400),
        ("device_id=a&since=never&since=2026-01-01T00:00:00Z", 200),
        ("device_id=a&since=2026-01-01T00:00:00Z&since=never", 400),
    ] {
        assert_eq!(ada.gets(&format!("/api/sync/download?{query}")).await.status, status, "{query}");
    }
}

/// Numbers that lose their value, or all sense, in one reader or another.
#[tokio::test]
async fn a_version_that_is_no_version_is_rejected() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let at = service.clock.now().to_string();
    let upload = |version: &str| {
        let data = saved_query("q", "select 1");
        format!(
            r#"{{"device_id":"laptop","changes":[{{"id":"1","item_type":"saved_query","item_id":"q","action":"create",
                "updated_at":"{at}","data":{data},"sync_version":{version}}}]}}"#
        )
    };
    for version in ["-1", "1.5", "1e300", "9007199254740993", "9223372036854775807", "18446744073709551615", "\"0\""] {
        let answer = uploads(&ada, upload(version)).await.expect(200);
        let rejected: &Value = &answer["rejected"][0];
        assert_eq!(rejected["code"], "INVALID_CHANGE", "{version}: {answer}");
        assert_eq!(fields(rejected), ["changes[0].sync_version"], "{version}");
    }
    for version in ["1e400", "NaN", "Infinity", "01", "0x1"] {
        let answer = uploads(&ada, upload(version)).await;
        let said = answer.json();
        let is_refused = answer.status == 400 || said["rejected"][0]["code"] == "INVALID_CHANGE";
        assert!(is_refused, "{version}: {said}");
    }
    assert_eq!(ada.saved("q").await, None);
    assert_eq!(uploads(&ada, upload("0")).await.expect(200)["success"], true);
}
