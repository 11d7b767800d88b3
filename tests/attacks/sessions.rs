//! Stolen refresh tokens and session fixation.

use axum::http::Method;
use serde_json::{Value, json};
use tests::{PASSWORD, Request, Service, TestUser, refresh};

use crate::helpers::session_id;

/// Seconds after which a repeated refresh token counts as reused.
const AFTER_GRACE_PERIOD: i64 = 11;

/// Refreshes the tokens of `user`.
async fn refresh_tokens(user: &TestUser) -> TestUser {
    let response = refresh(&user.api, &user.refresh_token).await.expect(200);
    TestUser::from_tokens(&user.api, &user.name, &response)
}

async fn assert_logged_out(user: &TestUser) {
    user.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    refresh(&user.api, &user.refresh_token).await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn session_ends_when_attacker_refreshes_after_owner() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let other_session = ada.log_in().await;
    let owner = refresh_tokens(&ada).await;
    assert!(owner.is_authenticated().await);
    service.clock.advance(AFTER_GRACE_PERIOD);
    refresh(&service.api, &ada.refresh_token).await.expect_error(401, "REFRESH_TOKEN_REUSED");
    assert_logged_out(&owner).await;
    ada.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    assert!(other_session.is_authenticated().await, "other sessions continue");
}

#[tokio::test]
async fn session_ends_when_owner_refreshes_after_attacker() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let other_session = ada.log_in().await;
    let attacker = refresh_tokens(&ada).await;
    assert!(attacker.is_authenticated().await);
    service.clock.advance(AFTER_GRACE_PERIOD);
    refresh(&service.api, &ada.refresh_token).await.expect_error(401, "REFRESH_TOKEN_REUSED");
    assert_logged_out(&attacker).await;
    ada.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    assert!(other_session.is_authenticated().await, "other sessions continue");
}

/// The attacker has refreshed several times before the owner does.
#[tokio::test]
async fn reuse_is_detected_after_several_rotations() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let mut attacker = refresh_tokens(&ada).await;
    for _ in 0..3 {
        service.clock.advance(24 * 3_600);
        attacker = refresh_tokens(&attacker).await;
    }
    refresh(&service.api, &ada.refresh_token).await.expect_error(401, "REFRESH_TOKEN_REUSED");
    assert_logged_out(&attacker).await;
}

/// An attacker within the grace period is not distinguishable from a second tab, but shares the owner's session and its end.
#[tokio::test]
async fn attacker_within_grace_period_shares_the_session_end() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let (owner, attacker) = (refresh_tokens(&ada).await, refresh_tokens(&ada).await);
    assert_eq!(session_id(&owner.token), session_id(&attacker.token));
    assert_eq!(owner.sessions().await.len(), 1);
    owner.send(Request::new(Method::POST, "/api/auth/logout")).await.expect(200);
    assert_logged_out(&attacker).await;
}

/// Session fixation: Eve makes Ada's client send Eve's session, or an invented one, as Ada logs in.
#[tokio::test]
async fn login_ignores_planted_sessions() {
    let service = Service::start().await;
    let (ada, eve) = (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "eve").await);
    let invented = "11111111-1111-4111-8111-111111111111".to_owned();
    for planted in [session_id(&eve.token), session_id(&ada.token), invented] {
        let extras = json!({ "session": planted, "session_id": planted, "sid": planted, "id": planted,
            "token": eve.token, "refresh_token": eve.refresh_token });
        let with = |mut body: Value| {
            body.as_object_mut().expect("an object").extend(extras.as_object().expect("an object").clone());
            body
        };
        let login = with(json!({ "username": "ada", "password": PASSWORD }));
        let name = format!("new {}", &planted[..8]);
        let email = format!("{}@example.com", &planted[..8]);
        let sign_up = with(json!({ "username": name, "email": email, "password": PASSWORD }));
        for (path, body, status) in [("/api/auth/login", login, 200), ("/api/auth/signup", sign_up, 201)] {
            let request = Request::post(format!("{path}?sid={planted}&session_id={planted}"), &body)
                .header("cookie", &format!("session={planted}; sid={planted}; JSESSIONID={planted}"))
                .header("x-session-id", &planted)
                .bearer(&eve.token);
            let session = service.api.send(request).await.expect(status);
            let session = TestUser::from_tokens(&service.api, "ada", &session);
            assert_ne!(session_id(&session.token), planted, "{path}");
            assert_ne!(session.refresh_token, eve.refresh_token, "{path}");
            assert!(session.is_authenticated().await, "{path}");
        }
    }
    assert_eq!(eve.profile().await["username"], "eve", "Eve's session is unchanged");
    assert_eq!(eve.sessions().await.len(), 1);
    assert_eq!(ada.sessions().await.len(), 4, "one for the sign-up, and one for each login");
}

#[tokio::test]
async fn session_id_without_token_is_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let (session, account) = (session_id(&ada.token), ada.profile().await);
    for value in [session.as_str(), account["id"].as_str().expect("an id"), "ada"] {
        let request = Request::get(format!("/api/auth/profile?session={value}&sid={value}&user_id={value}"))
            .header("cookie", &format!("session={value}; sid={value}; user={value}"))
            .header("x-session-id", value)
            .header("x-user-id", value);
        service.api.send(request.clone()).await.expect_error(401, "UNAUTHORIZED");
        service.api.send(request.bearer(value)).await.expect_error(401, "UNAUTHORIZED");
    }
    assert!(ada.is_authenticated().await);
}

/// Only the token identifies the caller, not other fields of the request.
#[tokio::test]
async fn token_alone_identifies_the_caller() {
    let service = Service::start().await;
    let (ada, eve) = (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "eve").await);
    let id = ada.profile().await["id"].as_str().expect("an id").to_owned();
    let request = Request::get(format!("/api/auth/profile?user_id={id}&id={id}&username=ada"))
        .header("x-user-id", &id)
        .header("x-forwarded-user", "ada")
        .header("cookie", &format!("token={}", ada.token));
    assert_eq!(eve.send(request).await.expect(200)["user"]["username"], "eve");
}
