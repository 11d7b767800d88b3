//! Links in emails: each is valid once, for a limited time, and until a newer one is sent.

use axum::http::Method;
use serde_json::json;
use shared::storage::EmailKind::{PasswordChanged, ResetPassword, VerifyEmail, Welcome};
use tests::{PASSWORD, Request, Response, Service, TestUser, error_fields, refresh, try_login};

use crate::helpers::DAY;

const ADDRESS: &str = "ada@example.com";
const MINUTE: i64 = 60;

/// Confirms the email address with the token of a link.
async fn verify_email(service: &Service, token: &str) -> Response {
    service.api.send(Request::post("/api/auth/verify-email", &json!({ "token": token }))).await
}

async fn request_password_reset(service: &Service, email: &str) -> Response {
    service.api.send(Request::post("/api/auth/request-password-reset", &json!({ "email": email }))).await
}

async fn reset_password(service: &Service, token: &str, password: &str) -> Response {
    let body = json!({ "token": token, "new_password": password });
    service.api.send(Request::post("/api/auth/reset-password", &body)).await
}

async fn resend_verification(user: &TestUser) {
    user.send(Request::new(Method::POST, "/api/auth/resend-verification")).await.expect(200);
}

async fn is_verified(user: &TestUser) -> bool {
    user.get("/api/auth/profile").await.expect(200)["user"]["email_verified"] == true
}

#[tokio::test]
async fn verification_succeeds_once_and_sends_a_welcome() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    assert!(!is_verified(&ada).await);
    assert!(service.newest_email(Welcome, ADDRESS).await.is_none());

    assert_eq!(verify_email(&service, &token).await.expect(200)["success"], true);
    assert!(is_verified(&ada).await);
    assert!(service.newest_email(Welcome, ADDRESS).await.is_some());
    verify_email(&service, &token).await.expect_error(410, "TOKEN_SPENT");

    service.clock.advance(MINUTE);
    resend_verification(&ada).await;
    assert_eq!(service.newest_token(VerifyEmail, ADDRESS).await, token, "a verified address gets no further link");
}

#[tokio::test]
async fn newer_link_invalidates_the_older() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let older = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(MINUTE);
    resend_verification(&ada).await;
    let newer = service.newest_token(VerifyEmail, ADDRESS).await;
    verify_email(&service, &older).await.expect_error(410, "TOKEN_SPENT");
    verify_email(&service, &newer).await.expect(200);

    request_password_reset(&service, ADDRESS).await.expect(200);
    let older = service.newest_token(ResetPassword, ADDRESS).await;
    service.clock.advance(MINUTE);
    request_password_reset(&service, ADDRESS).await.expect(200);
    let newer = service.newest_token(ResetPassword, ADDRESS).await;
    reset_password(&service, &older, "Barley77").await.expect_error(410, "TOKEN_SPENT");
    reset_password(&service, &newer, "Barley77").await.expect(200);
}

#[tokio::test]
async fn at_most_one_link_per_minute_is_sent() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    service.deliver_due_emails().await;
    for seconds in [1, MINUTE - 2] {
        service.clock.advance(seconds);
        resend_verification(&ada).await;
        for address in [ADDRESS, "ADA@example.com", "nobody@example.com"] {
            request_password_reset(&service, address).await.expect(200);
        }
        service.deliver_due_emails().await;
    }
    assert_eq!(service.mailer.count(), 2, "one link of each kind");
    service.clock.advance(MINUTE);
    resend_verification(&ada).await;
    request_password_reset(&service, ADDRESS).await.expect(200);
    assert_eq!(service.deliver_due_emails().await.sent, 2);
}

#[tokio::test]
async fn obsolete_verification_email_is_dropped() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(MINUTE);
    resend_verification(&ada).await;
    verify_email(&service, &token).await.expect(200);
    let delivery = service.deliver_due_emails().await;
    assert_eq!((delivery.sent, delivery.dropped), (1, 0), "a welcome, but no further link");
    assert!(service.newest_email(Welcome, ADDRESS).await.is_some());
}

#[tokio::test]
async fn password_reset_verifies_the_address() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    let verification_token = service.newest_token(VerifyEmail, ADDRESS).await;
    request_password_reset(&service, ADDRESS).await.expect(200);
    let reset_token = service.newest_token(ResetPassword, ADDRESS).await;
    reset_password(&service, &reset_token, "Barley77").await.expect(200);
    let session = try_login(&service.api, "ada", "Barley77").await.expect(200);
    assert_eq!(session["user"]["email_verified"], true);
    assert!(service.newest_email(Welcome, ADDRESS).await.is_some());
    verify_email(&service, &verification_token).await.expect_error(410, "TOKEN_SPENT");
}

#[tokio::test]
async fn verification_link_expires_after_a_day() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let late = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(DAY - 1);
    resend_verification(&ada).await;
    let expired = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(DAY);
    let error = verify_email(&service, &late).await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "was used or replaced" }]));
    let error = verify_email(&service, &expired).await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "has expired" }]));

    let ada = ada.log_in().await;
    resend_verification(&ada).await;
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    service.clock.advance(DAY - 1);
    verify_email(&service, &token).await.expect(200);
}

#[tokio::test]
async fn password_reset_ends_all_sessions() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    request_password_reset(&service, "ADA@example.com").await.expect(200);
    let token = service.newest_token(ResetPassword, ADDRESS).await;
    let error = reset_password(&service, &token, "weak").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["new_password"]);

    reset_password(&service, &token, "Barley77").await.expect(200);
    ada.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(refresh(&service.api, &ada.refresh_token).await.status, 401);
    try_login(&service.api, "ada", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    try_login(&service.api, "ada", "Barley77").await.expect(200);
    assert!(service.newest_email(PasswordChanged, ADDRESS).await.is_some());
    let error = reset_password(&service, &token, "Millet88").await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "was used or replaced" }]));
    try_login(&service.api, "ada", "Barley77").await.expect(200);
}

#[tokio::test]
async fn reset_link_expires_after_an_hour() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    request_password_reset(&service, ADDRESS).await.expect(200);
    let token = service.newest_token(ResetPassword, ADDRESS).await;
    service.clock.advance(3_600);
    let error = reset_password(&service, &token, "Barley77").await.expect_error(410, "TOKEN_SPENT");
    assert_eq!(error["details"], json!([{ "field": "token", "message": "has expired" }]));
    request_password_reset(&service, ADDRESS).await.expect(200);
    let token = service.newest_token(ResetPassword, ADDRESS).await;
    service.clock.advance(3_599);
    reset_password(&service, &token, "Barley77").await.expect(200);
}

#[tokio::test]
async fn reset_request_does_not_reveal_whether_the_address_is_known() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    let known = request_password_reset(&service, ADDRESS).await;
    let unknown = request_password_reset(&service, "bob@example.com").await;
    assert_eq!(known.expect(200), unknown.expect(200));
    assert!(service.newest_email(ResetPassword, ADDRESS).await.is_some());
    assert!(service.newest_email(ResetPassword, "bob@example.com").await.is_none());
    let error = request_password_reset(&service, "nowhere").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["email"]);
}

#[tokio::test]
async fn link_tokens_are_accepted_only_for_their_purpose() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let verification_token = service.newest_token(VerifyEmail, ADDRESS).await;
    reset_password(&service, &verification_token, "Barley77").await.expect_error(410, "TOKEN_SPENT");
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
    request_password_reset(&service, ADDRESS).await.expect(200);
    let reset_token = service.newest_token(ResetPassword, ADDRESS).await;
    verify_email(&service, &reset_token).await.expect_error(410, "TOKEN_SPENT");
    assert!(!is_verified(&ada).await);
    verify_email(&service, &verification_token).await.expect(200);
    let error = verify_email(&service, "half a tok").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["token"]);
}

#[tokio::test]
async fn links_use_the_configured_public_url() {
    let service =
        Service::with_settings(&[("RATE_LIMITS", "off"), ("PUBLIC_URL", "https://sync.sqlstudio.app/")]).await;
    let body = json!({ "username": "ada", "email": ADDRESS, "password": PASSWORD });
    let request = Request::post("/api/auth/signup", &body)
        .header("host", "evil.example")
        .header("origin", "https://evil.example")
        .header("x-forwarded-host", "evil.example");
    service.api.send(request).await.expect(201);
    let email = service.newest_email(VerifyEmail, ADDRESS).await.unwrap();
    let token = service.newest_token(VerifyEmail, ADDRESS).await;
    let link = format!("https://sync.sqlstudio.app/verify-email#token={token}");
    assert!(email.text.contains(&link) && email.html.contains(&link), "{}", email.text);
    assert!(!email.text.contains("evil") && !email.html.contains("evil"));
}

#[tokio::test]
async fn loading_a_page_does_not_consume_its_token() {
    let service = Service::start().await;
    TestUser::sign_up(&service.api, "ada").await;
    request_password_reset(&service, ADDRESS).await.expect(200);
    let verification_token = service.newest_token(VerifyEmail, ADDRESS).await;
    let reset_token = service.newest_token(ResetPassword, ADDRESS).await;
    for (path, token) in [("/verify-email", &verification_token), ("/reset-password", &reset_token)] {
        let link = format!("{path}?token={token}");
        for method in [Method::GET, Method::HEAD, Method::GET] {
            let page = service.api.send(Request::new(method, link.as_str())).await;
            assert_eq!(page.status, 200);
            assert!(page.header("content-type").unwrap().starts_with("text/html"));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
            assert!(!String::from_utf8_lossy(&page.body).contains(token), "the page must not contain the token");
        }
    }
    verify_email(&service, &verification_token).await.expect(200);
    reset_password(&service, &reset_token, "Barley77").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_login_does_not_survive_a_reset() {
    let service = Service::start().await;
    for round in 0..5 {
        let name = format!("user{round}");
        service.api.sign_up(&name).await;
        let address = format!("{name}@example.com");
        request_password_reset(&service, &address).await.expect(200);
        let token = service.newest_token(ResetPassword, &address).await;
        let logins = (0..3).map(|_| try_login(&service.api, &name, PASSWORD));
        let (reset, logins) =
            tokio::join!(reset_password(&service, &token, "Newpass77"), futures_util::future::join_all(logins));
        reset.expect(200);
        for login in logins.into_iter().filter(|login| login.status == 200) {
            let token = login.json()["token"].as_str().expect("a token").to_owned();
            let profile = service.api.send(Request::get("/api/auth/profile").bearer(&token)).await;
            profile.expect_error(401, "UNAUTHORIZED");
        }
    }
}
