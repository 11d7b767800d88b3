//! Valid tokens used too late, for another purpose, or in another place.

use axum::http::Method;
use serde_json::json;
use shared::storage::EmailKind::{ResetPassword, VerifyEmail};
use tests::{PASSWORD, Request, Service, TestUser, refresh};

use crate::forged_tokens::{PROTECTED_ROUTES, assert_accepted, assert_rejected};
use crate::helpers::{request_password_reset, reset_password, session_id, verify_email};

async fn setup() -> (Service, TestUser) {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    assert_accepted(&service, &ada.token).await;
    (service, ada)
}

#[tokio::test]
async fn tokens_of_ended_sessions_are_rejected() {
    let (service, ada) = setup().await;
    let (phone, tablet, lost) = (ada.log_in().await, ada.log_in().await, ada.log_in().await);
    phone.send(Request::new(Method::POST, "/api/auth/logout")).await.expect(200);
    assert_rejected(&service, &phone.token, "logged out").await;
    ada.delete(&format!("/api/auth/sessions/{}", session_id(&lost.token))).await.expect(200);
    assert_rejected(&service, &lost.token, "ended from another session").await;
    assert!(tablet.is_authenticated().await);
    let delete_account = Request::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": PASSWORD }));
    ada.send(delete_account).await.expect(200);
    for (token, reason) in [(&ada.token, "account deleted"), (&tablet.token, "account deleted from another device")] {
        assert_rejected(&service, token, reason).await;
    }
}

#[tokio::test]
async fn tokens_are_accepted_only_for_their_purpose() {
    let (service, ada) = setup().await;
    request_password_reset(&service.api, "ada@example.com").await.expect(200);
    let verification_token = service.newest_token(VerifyEmail, "ada@example.com").await;
    let reset_token = service.newest_token(ResetPassword, "ada@example.com").await;
    for token in [&ada.refresh_token, &verification_token, &reset_token] {
        assert_rejected(&service, token, "not an access token").await;
    }
    for token in [&ada.token, &verification_token, &reset_token] {
        refresh(&service.api, token).await.expect_error(401, "UNAUTHORIZED");
    }
    for token in [&ada.refresh_token, &verification_token] {
        reset_password(&service.api, token, "Barley77").await.expect_error(410, "TOKEN_SPENT");
    }
    for token in [&ada.refresh_token, &reset_token] {
        verify_email(&service.api, token).await.expect_error(410, "TOKEN_SPENT");
    }
    assert_eq!(ada.profile().await["email_verified"], false);
    // The rejected attempts did not invalidate the tokens.
    refresh(&service.api, &ada.refresh_token).await.expect(200);
    verify_email(&service.api, &verification_token).await.expect(200);
    reset_password(&service.api, &reset_token, "Barley77").await.expect(200);
}

#[tokio::test]
async fn tokens_outside_the_authorization_header_are_ignored() {
    let (service, ada) = setup().await;
    let token = &ada.token;
    for name in ["token", "access_token", "authorization", "jwt", "bearer"] {
        let path = format!("/api/sync/download?device_id=attacker&{name}={token}");
        service.api.send(Request::get(path)).await.expect_error(401, "UNAUTHORIZED");
        let body = json!({ "device_id": "attacker", "changes": [], name: token });
        service.api.send(Request::post("/api/sync/upload", &body)).await.expect_error(401, "UNAUTHORIZED");
    }
    for (name, value) in [
        ("cookie", format!("token={token}; access_token={token}; session={token}")),
        ("x-authorization", format!("Bearer {token}")),
        ("proxy-authorization", format!("Bearer {token}")),
        ("x-access-token", token.clone()),
        ("authorization", format!("Basic {token}")),
        ("authorization", token.clone()),
        ("authorization", format!("Bearer,{token}")),
    ] {
        for route in PROTECTED_ROUTES {
            service.api.send(Request::get(route).header(name, &value)).await.expect_error(401, "UNAUTHORIZED");
        }
    }
    assert_accepted(&service, token).await;
}
