//! The links in mails: each is good once, for a while, and until a newer one comes.

use axum::http::Method;
use serde_json::json;
use shared::storage::MailKind::{PasswordChanged, ResetPassword, VerifyEmail, Welcome};
use tests::{PASSWORD, Request, Response, Service, TestUser, error_fields, refresh, try_login};

use crate::verbs::DAY;

const ADDRESS: &str = "ada@example.com";
const MINUTE: i64 = 60;

/// Presses the button of the page that the link in a mail opens.
async fn confirms(service: &Service, token: &str) -> Response {
    service.api.send(Request::post("/api/auth/verify-email", &json!({ "token": token }))).await
}

async fn forgets_password(service: &Service, email: &str) -> Response {
    service.api.send(Request::post("/api/auth/request-password-reset", &json!({ "email": email }))).await
}

async fn resets(service: &Service, token: &str, password: &str) -> Response {
    let body = json!({ "token": token, "new_password": password });
    service.api.send(Request::post("/api/auth/reset-password", &body)).await
}

async fn asks_for_another_link(person: &TestUser) {
    person.send(Request::new(Method::POST, "/api/auth/resend-verification")).await.expect(200);
}

async fn is_verified(person: &TestUser) -> bool {
    person.get("/api/auth/profile").await.expect(200)["user"]["email_verified"] == true
}

#[tokio::test]
async fn confirming_an_address_takes_one_press_and_brings_a_welcome() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    assert!(!is_verified(&ada).await);
    assert!(service.newest_email(Welcome, ADDRESS).await.is_none());

    assert_eq!(confirms(&service, &token).await.expect(200)["success"], true);
    assert!(is_verified(&ada).await);
    assert!(service.newest_email(Welcome, ADDRESS).await.is_some());
    confirms(&service, &token).await.expect_error(410, "TOKEN_SPENT");

    service.clock.advance(MINUTE);
    asks_for_another_link(&ada).await;
    assert_eq!(service.newest_token(VerifyEmail, ADDRESS).await, token, "there is nothing to confirm");
}

#[tokio::test]
async fn a_newer_link_ends_the_older() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let older = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(MINUTE);
    asks_for_another_link(&ada).await;
    let newer = service.newest_token(VerifyEmail, ADDRESS).await;
    confirms(&service, &older).await.expect_error(410, "TOKEN_SPENT");
    confirms(&service, &newer).await.expect(200);

    forgets_password(&service, ADDRESS).await.expect(200);
    let older = service.newest_token(ResetPassword, ADDRESS).await;
    service.clock.advance(MINUTE);
    forgets_password(&service, ADDRESS).await.expect(200);
    let newer = service.newest_token(ResetPassword, ADDRESS).await;
    resets(&service, &older, "Barley77").await.expect_error(410, "TOKEN_SPENT");
    resets(&service, &newer, "Barley77").await.expect(200);
}

#[tokio::test]
async fn one_link_a_minute_is_sent_to_an_account() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    service.deliver_due_emails().await;
    for seconds in [1, MINUTE - 2] {
        service.clock.advance(seconds);
        asks_for_another_link(&ada).await;
        for address in [ADDRESS, "ADA@example.com", "nobody@example.com"] {
            forgets_password(&service, address).await.expect(200);
        }
        service.deliver_due_emails().await;
    }
    assert_eq!(service.mailer.count(), 2, "one link of each kind");
    service.clock.advance(MINUTE);
    asks_for_another_link(&ada).await;
    forgets_password(&service, ADDRESS).await.expect(200);
    assert_eq!(service.deliver_due_emails().await.sent, 2);
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_not_sent() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(MINUTE);
    asks_for_another_link(&ada).await;
    confirms(&service, &token).await.expect(200);
    let delivery = service.deliver_due_emails().await;
    assert_eq!((delivery.sent, delivery.dropped), (1, 0), "a welcome, and no further link");
    assert!(service.newest_email(Welcome, ADDRESS).await.is_some());
}

#[tokio::test]
async fn whoever_resets_a_password_has_confirmed_the_address() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    let to_confirm = service.newest_token(VerifyEmail, ADDRESS).await;
    forgets_password(&service, ADDRESS).await.expect(200);
    let to_reset = service.newest_token(ResetPassword, ADDRESS).await;
    resets(&service, &to_reset, "Barley77").await.expect(200);
    let session = try_login(&service.api, "ada", "Barley77").await.expect(200);
    assert_eq!(session["user"]["email_verified"], true);
    assert!(service.newest_email(Welcome, ADDRESS).await.is_some());
    confirms(&service, &to_confirm).await.expect_error(410, "TOKEN_SPENT");
}

#[tokio::test]
async fn a_link_to_confirm_lasts_a_day() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let late = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(DAY - 1);
    asks_for_another_link(&ada).await;
    let expired = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(DAY);
    let error = confirms(&service, &late).await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "was used or replaced" }]));
    let error = confirms(&service, &expired).await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "has expired" }]));

    let ada = ada.log_in().await;
    asks_for_another_link(&ada).await;
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(DAY - 1);
    confirms(&service, &token).await.expect(200);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_and_every_session_ends() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    forgets_password(&service, "ADA@example.com").await.expect(200);
    let token = service.newest_token(ResetPassword, ADDRESS).await;
    let error = resets(&service, &token, "weak").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["new_password"]);

    resets(&service, &token, "Barley77").await.expect(200);
    ada.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(refresh(&service.api, &ada.refresh_token).await.status, 401);
    try_login(&service.api, "ada", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    try_login(&service.api, "ada", "Barley77").await.expect(200);
    assert!(service.newest_email(PasswordChanged, ADDRESS).await.is_some());
    let error = resets(&service, &token, "Millet88").await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "was used or replaced" }]));
    try_login(&service.api, "ada", "Barley77").await.expect(200);
}

#[tokio::test]
async fn a_link_to_a_new_password_lasts_an_hour() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    forgets_password(&service, ADDRESS).await.expect(200);
    let token = service.newest_token(ResetPassword, ADDRESS).await;
    service.clock.advance(3_600);
    let error = resets(&service, &token, "Barley77").await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "has expired" }]));
    forgets_password(&service, ADDRESS).await.expect(200);
    let token = service.newest_token(ResetPassword, ADDRESS).await;
    service.clock.advance(3_599);
    resets(&service, &token, "Barley77").await.expect(200);
}

#[tokio::test]
async fn whether_an_address_is_known_is_not_told() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    let known = forgets_password(&service, ADDRESS).await;
    let unknown = forgets_password(&service, "bob@example.com").await;
    assert_eq!(known.expect(200), unknown.expect(200));
    assert!(service.newest_email(ResetPassword, ADDRESS).await.is_some());
    assert!(service.newest_email(ResetPassword, "bob@example.com").await.is_none());
    let error = forgets_password(&service, "nowhere").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["email"]);
}

#[tokio::test]
async fn a_link_does_only_what_its_mail_said() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let to_confirm = service.newest_token(VerifyEmail, ADDRESS).await;
    resets(&service, &to_confirm, "Barley77").await.expect_error(410, "TOKEN_SPENT");
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
    forgets_password(&service, ADDRESS).await.expect(200);
    let to_reset = service.newest_token(ResetPassword, ADDRESS).await;
    confirms(&service, &to_reset).await.expect_error(410, "TOKEN_SPENT");
    assert!(!is_verified(&ada).await);
    confirms(&service, &to_confirm).await.expect(200);
    let error = confirms(&service, "half a tok").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["token"]);
}

#[tokio::test]
async fn links_lead_where_the_service_is_set_to_live_whatever_a_request_claims() {
    let service =
        Service::with_settings(&[("RATE_LIMITS", "off"), ("PUBLIC_URL", "https://sync.sqlstudio.app/")]).await;
    let body = json!({ "username": "ada", "email": ADDRESS, "password": PASSWORD });
    let request = Request::post("/api/auth/signup", &body)
        .header("host", "evil.example")
        .header("origin", "https://evil.example")
        .header("x-forwarded-host", "evil.example");
    service.api.send(request).await.expect(201);
    let mail = service.newest_email(VerifyEmail, ADDRESS).await.unwrap();
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    let link = format!("https://sync.sqlstudio.app/verify-email?token={token}");
    assert!(mail.text.contains(&link) && mail.html.contains(&link), "{}", mail.text);
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"));
}

#[tokio::test]
async fn a_page_never_spends_its_token() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    forgets_password(&service, ADDRESS).await.expect(200);
    let to_confirm = service.newest_token(VerifyEmail, ADDRESS).await;
    let to_reset = service.newest_token(ResetPassword, ADDRESS).await;
    for (path, token) in [("/verify-email", &to_confirm), ("/reset-password", &to_reset)] {
        let link = format!("{path}?token={token}");
        for method in [Method::GET, Method::HEAD, Method::GET] {
            let page = service.api.send(Request::new(method, link.as_str())).await;
            assert_eq!(page.status, 200);
            assert!(page.header("content-type").unwrap().starts_with("text/html"));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
            assert!(!String::from_utf8_lossy(&page.body).contains(token), "the token stays in the address");
        }
    }
    confirms(&service, &to_confirm).await.expect(200);
    resets(&service, &to_reset, "Barley77").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_under_way_does_not_outlive_a_reset() {
    let service = Service::start().await;
    for round in 0..5 {
        let name = format!("user{round}");
        service.api.sign_up(&name).await;
        let address = format!("{name}@example.com");
        forgets_password(&service, &address).await.expect(200);
        let token = service.newest_token(ResetPassword, &address).await;
        let logins = (0..3).map(|_| try_login(&service.api, &name, PASSWORD));
        let (reset, logins) =
            tokio::join!(resets(&service, &token, "Newpass77"), futures_util::future::join_all(logins));
        reset.expect(200);
        for login in logins.into_iter().filter(|login| login.status == 200) {
            let token = login.json()["token"].as_str().expect("a token").to_owned();
            let profile = service.api.send(Request::get("/api/auth/profile").bearer(&token)).await;
            profile.expect_error(401, "UNAUTHORIZED");
        }
    }
}
