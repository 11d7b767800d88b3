//! Sign-up, login, sessions, passwords and account deletion.

use axum::http::Method;
use local::App;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::storage::EmailKind;
use tests::{
    Api, PASSWORD, Request, Service, TestUser, error_fields, history, query_update, refresh, saved_query, try_login,
};

use crate::helpers::DAY;

async fn sign_up(service: &Service, name: &str, email: &str, password: &str) -> tests::Response {
    let body = json!({ "username": name, "email": email, "password": password });
    service.api.send(Request::post("/api/auth/signup", &body)).await
}

#[tokio::test]
async fn sign_up_returns_profile_and_valid_tokens() {
    let service = Service::start().await;
    let response = service.api.sign_up("ada").await;
    let user = &response["user"];
    assert_eq!(user["username"], "ada");
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["role"], "user");
    assert_eq!(user["email_verified"], false);
    assert_eq!(user["created_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(response["expires_at"], "2026-01-02T00:00:00.000000Z");

    let ada = TestUser::from_tokens(&service.api, "ada", &response);
    assert_eq!(ada.get("/api/auth/profile").await.expect(200)["user"], *user);
}

#[tokio::test]
async fn login_accepts_name_or_address_in_any_case() {
    let service = Service::start().await;
    let first = service.api.sign_up("ada").await;
    for name in ["ada", "ADA", "ada@example.com", "Ada@EXAMPLE.com"] {
        let response = try_login(&service.api, name, PASSWORD).await.expect(200);
        assert_eq!(response["user"], first["user"], "{name}");
        assert!(TestUser::from_tokens(&service.api, "ada", &response).is_authenticated().await, "{name}");
    }
}

#[tokio::test]
async fn wrong_password_and_unknown_user_have_equal_errors() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let wrong = try_login(&service.api, "ada", "Sesame43").await.expect_error(401, "INVALID_CREDENTIALS");
    for name in ["bob", "bob@example.com", " "] {
        let unknown = try_login(&service.api, name, PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
        assert_eq!(unknown["message"], wrong["message"]);
    }
}

#[tokio::test]
async fn device_name_with_credential_is_rejected() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    for device in ["postgres://ada:hunter2@db/orders", "lap\0top"] {
        for (path, name) in [("/api/auth/login", "ada"), ("/api/auth/signup", "bob")] {
            let body = json!({ "username": name, "email": "bob@example.com", "password": PASSWORD, "device": device });
            let error = service.api.send(Request::post(path, &body)).await.expect_error(400, "INVALID_REQUEST");
            assert_eq!(error_fields(&error), ["device"], "{path}");
        }
    }
    try_login(&service.api, "bob", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn name_and_address_conflicts_ignore_case_and_width() {
    let service = Service::start().await;
    sign_up(&service, "Straße", "用户@例子.公司", PASSWORD).await.expect(201);
    sign_up(&service, "Ὀδυσσεύς", "Odysseus@Example.com", PASSWORD).await.expect(201);
    for name in ["STRASSE", "strasse", "ＳＴＲＡＳＳＥ", "ὈΔΥΣΣΕΎΣ"] {
        let error = sign_up(&service, name, "new@example.com", PASSWORD).await.expect_error(409, "CONFLICT");
        assert_eq!(error_fields(&error), ["username"], "{name}");
        try_login(&service.api, name, PASSWORD).await.expect(200);
    }
    for email in ["用户@例子.公司", "odysseus@EXAMPLE.com"] {
        let error = sign_up(&service, "new", email, PASSWORD).await.expect_error(409, "CONFLICT");
        assert_eq!(error_fields(&error), ["email"], "{email}");
        try_login(&service.api, email, PASSWORD).await.expect(200);
    }
    assert!(
        service.newest_email(EmailKind::VerifyEmail, "Odysseus@Example.com").await.is_some(),
        "the email goes to the address as entered"
    );
}

#[tokio::test]
async fn sign_up_reports_all_invalid_fields() {
    let service = Service::start().await;
    let error = sign_up(&service, "a@b", "nowhere", "sesame").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["username", "email", "password"]);
    for weak in ["Sesam42", "Password1", "SQL-Studio 1", "i am at example.com: ada@example.com", &"x".repeat(129)] {
        let error = sign_up(&service, "ada", "ada@example.com", weak).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["password"], "{weak}");
    }
    for name in ["", " ada", "ada ", "a\u{7}da", "a\u{200b}da", "Admin", &"x".repeat(65)] {
        let error = sign_up(&service, name, "ada@example.com", PASSWORD).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["username"], "{name:?}");
    }
    sign_up(&service, &"界".repeat(64), "ada@example.com", &"龍".repeat(128)).await.expect(201);
}

#[tokio::test]
async fn refresh_returns_new_tokens_of_the_same_session() {
    let service = Service::start().await;
    let mut ada = TestUser::sign_up(&service.api, "ada").await;
    for _ in 0..3 {
        service.clock.advance(DAY - 1);
        let response = refresh(&service.api, &ada.refresh_token).await.expect(200);
        assert_eq!(response["user"]["username"], "ada");
        let next = TestUser::from_tokens(&service.api, "ada", &response);
        assert_ne!(next.refresh_token, ada.refresh_token);
        ada = next;
        assert!(ada.is_authenticated().await);
    }
    assert_eq!(ada.sessions().await.len(), 1);
}

#[tokio::test]
async fn refresh_can_be_repeated_within_ten_seconds() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let one_tab = refresh(&service.api, &ada.refresh_token).await.expect(200);
    service.clock.advance(10);
    let other_tab = refresh(&service.api, &ada.refresh_token).await.expect(200);
    for tab in [one_tab, other_tab] {
        let tab = TestUser::from_tokens(&service.api, "ada", &tab);
        assert_eq!(tab.sessions().await.len(), 1);
        refresh(&service.api, &tab.refresh_token).await.expect(200);
    }
}

#[tokio::test]
async fn reused_refresh_token_ends_the_session() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let other_session = ada.log_in().await;
    let response = refresh(&service.api, &ada.refresh_token).await.expect(200);
    let next = TestUser::from_tokens(&service.api, "ada", &response);
    service.clock.advance(11);
    refresh(&service.api, &ada.refresh_token).await.expect_error(401, "REFRESH_TOKEN_REUSED");
    next.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    refresh(&service.api, &next.refresh_token).await.expect_error(401, "UNAUTHORIZED");
    assert!(other_session.is_authenticated().await, "other sessions continue");
}

#[tokio::test]
async fn access_and_refresh_tokens_expire() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    service.clock.advance(DAY - 1);
    assert!(ada.is_authenticated().await);
    service.clock.advance(1);
    ada.get("/api/auth/profile").await.expect_error(401, "TOKEN_EXPIRED");
    service.clock.advance(6 * DAY - 1);
    let response = refresh(&service.api, &ada.refresh_token).await.expect(200);
    service.clock.advance(7 * DAY);
    let late = refresh(&service.api, response["refresh_token"].as_str().unwrap()).await;
    assert_eq!(late.status, 401);
}

#[tokio::test]
async fn malformed_tokens_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let (signed, _) = ada.token.rsplit_once('.').unwrap();
    for token in ["", "nonsense", &ada.refresh_token, signed, &format!("{signed}."), &format!("{}x", ada.token)] {
        let response = service.api.send(Request::get("/api/auth/profile").bearer(token)).await;
        response.expect_error(401, "UNAUTHORIZED");
    }
    for token in ["", "nonsense", &ada.token, &"0".repeat(64)] {
        assert_eq!(refresh(&service.api, token).await.status, 401, "{token}");
    }
}

#[tokio::test]
async fn logout_ends_the_session_immediately() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let other_session = ada.log_in().await;
    assert_eq!(ada.send(Request::new(Method::POST, "/api/auth/logout")).await.expect(200)["success"], true);
    ada.get("/api/sync/status").await.expect_error(401, "UNAUTHORIZED");
    refresh(&service.api, &ada.refresh_token).await.expect_error(401, "UNAUTHORIZED");
    assert!(other_session.is_authenticated().await);
}

#[tokio::test]
async fn only_the_owner_can_list_and_end_sessions() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    service.clock.advance(3_600);
    let login = json!({ "username": "ada", "password": PASSWORD, "device": "Ada's phone" });
    let phone = service.api.send(Request::post("/api/auth/login", &login)).await.expect(200);
    let phone = TestUser::from_tokens(&service.api, "ada", &phone);
    let third = ada.log_in().await;
    let eve = TestUser::sign_up(&service.api, "eve").await;
    service.clock.advance(3_600);

    let listed = ada.sessions().await;
    assert_eq!(listed.len(), 3);
    let current: Vec<_> = listed.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["created_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(current[0]["last_seen_at"], "2026-01-01T02:00:00.000000Z");
    let phone_session = listed.iter().find(|session| session["device"] == "Ada's phone").unwrap();
    assert_eq!(phone_session["last_seen_at"], "2026-01-01T01:00:00.000000Z");
    assert!(phone_session["ip"].is_string());

    let path = format!("/api/auth/sessions/{}", phone_session["id"].as_str().unwrap());
    eve.delete(&path).await.expect_error(404, "NOT_FOUND");
    assert!(phone.is_authenticated().await);
    ada.delete(&path).await.expect(200);
    assert!(!phone.is_authenticated().await);
    ada.delete(&path).await.expect_error(404, "NOT_FOUND");
    for id in ["nonsense", "%00", "a%2Fb", "%F0%9F%98%80"] {
        ada.delete(&format!("/api/auth/sessions/{id}")).await.expect_error(404, "NOT_FOUND");
    }

    ada.delete("/api/auth/sessions").await.expect(200);
    assert!(!third.is_authenticated().await);
    assert!(ada.is_authenticated().await && eve.is_authenticated().await);
}

#[tokio::test]
async fn password_change_ends_all_other_sessions() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let other_session = ada.log_in().await;
    let change = |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let path = "/api/auth/change-password";
    ada.post(path, &change("Sesame43", "Barley77")).await.expect_error(401, "INVALID_CREDENTIALS");
    let error = ada.post(path, &change(PASSWORD, "barley")).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["new_password"]);
    assert!(other_session.is_authenticated().await);

    ada.post(path, &change(PASSWORD, "Barley77")).await.expect(200);
    assert!(ada.is_authenticated().await);
    assert!(!other_session.is_authenticated().await);
    assert_eq!(refresh(&service.api, &other_session.refresh_token).await.status, 401);
    refresh(&service.api, &ada.refresh_token).await.expect(200);
    try_login(&service.api, "ada", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    try_login(&service.api, "ada", "Barley77").await.expect(200);
    assert!(service.newest_email(EmailKind::PasswordChanged, "ada@example.com").await.is_some());
}

#[tokio::test]
async fn account_deletion_removes_all_data() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let phone = ada.log_in().await;
    let (mut laptop, now) = (ada.device("laptop"), service.clock.now());
    laptop.write("saved_query", "q", saved_query("orders", "select 1"), now);
    laptop.write("query_history", "h", history("select 1"), now);
    laptop.sync().await;
    let conflicting = json!({ "device_id": "phone", "conflict_strategy": "user_choice",
        "changes": [query_update(&service, "c", "q", "select 2", 0)] });
    ada.post("/api/sync/upload", &conflicting).await.expect(200);

    let delete_account =
        |password: &str| Request::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": password }));
    ada.send(delete_account("Sesame43")).await.expect_error(401, "INVALID_CREDENTIALS");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 1");
    let link = json!({ "token": service.newest_token(EmailKind::VerifyEmail, "ada@example.com").await });
    ada.send(delete_account(PASSWORD)).await.expect(200);
    for session in [&ada, &phone] {
        session.get("/api/sync/status").await.expect_error(401, "UNAUTHORIZED");
        assert_eq!(refresh(&service.api, &session.refresh_token).await.status, 401);
    }
    try_login(&service.api, "ada", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    service.api.send(Request::post("/api/auth/verify-email", &link)).await.expect_error(410, "TOKEN_SPENT");

    let newcomer = TestUser::sign_up(&service.api, "ada").await;
    let status = newcomer.get("/api/sync/status").await.expect(200);
    assert_eq!(status["counts"], json!({ "connection": 0, "saved_query": 0, "query_history": 0 }));
    assert_eq!((&status["devices"], &status["open_conflicts"]), (&json!([]), &json!(0)));
    assert_eq!(newcomer.sessions().await.len(), 1);
    ada.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
}

/// Returns a transport to the same stores with other signing keys.
fn with_signing_keys(service: &Service, current: &str, previous: Option<&str>) -> Api {
    let mut config = service.app.config.clone();
    config.auth.signing_key = SecretString::from(current);
    config.auth.previous_key = previous.map(SecretString::from);
    let app = App { config, ..service.app.clone() };
    Api::Router(app.router().expect("there are keys"))
}

#[tokio::test]
async fn signing_key_rotation_keeps_sessions_valid() {
    let service = Service::start().await;
    let (old, new) = ("the signing key of last year, long", "the signing key of this year, long");
    let before = with_signing_keys(&service, old, None);
    let during = with_signing_keys(&service, new, Some(old));
    let after = with_signing_keys(&service, new, None);
    let old_pair = before.sign_up("ada").await;
    let new_pair = try_login(&during, "ada", PASSWORD).await.expect(200);
    let status =
        async |api: &Api, pair: &Value| TestUser::from_tokens(api, "ada", pair).get("/api/sync/status").await.status;
    assert_eq!(status(&during, &old_pair).await, 200);
    assert_eq!(status(&during, &new_pair).await, 200);
    assert_eq!(status(&after, &new_pair).await, 200);
    assert_eq!(status(&after, &old_pair).await, 401);
    assert_eq!(status(&before, &new_pair).await, 401);
}
