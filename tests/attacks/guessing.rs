//! Guessing of passwords and tokens is rate-limited, by client address and by account. `lock_out` tests that other users are not limited.

use axum::http::Method;
use serde_json::json;
use shared::storage::EmailKind::{ResetPassword, VerifyEmail};
use tests::{Api, PASSWORD, Request, Service, TestUser, refresh, try_login};

use crate::helpers::{from_address, request_password_reset, reset_password, try_sign_up, verify_email};

/// Rate limit per minute, for an address.
const LIMIT: usize = 20;

/// Failures of a name from all networks in 15 minutes.
const FAILURES: usize = 300;

/// Returns one request for each route without authentication.
fn anonymous_requests() -> Vec<Request> {
    let token = "0".repeat(43);
    [
        ("login", json!({ "username": "ada", "password": PASSWORD })),
        ("signup", json!({ "username": "zoe", "email": "zoe@example.com", "password": PASSWORD })),
        ("refresh", json!({ "refresh_token": token })),
        ("verify-email", json!({ "token": token })),
        ("request-password-reset", json!({ "email": "ada@example.com" })),
        ("reset-password", json!({ "token": token, "new_password": "Barley77" })),
    ]
    .into_iter()
    .map(|(name, body)| Request::post(format!("/api/auth/{name}"), &body))
    .collect()
}

async fn assert_rate_limited(api: &Api) {
    for request in anonymous_requests() {
        api.send(request).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    }
}

/// Credential stuffing: leaked passwords, each tried with its own account.
#[tokio::test]
async fn credential_stuffing_from_one_address_is_rate_limited() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    let here = from_address(&service.api, "192.0.2.1");
    for n in 0..LIMIT {
        try_login(&here, &format!("user{n}"), PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    }
    // Neither a right password nor another route is accepted.
    assert_rate_limited(&here).await;
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("true-client-ip", "203.0.113.7"),
        ("cf-connecting-ip", "203.0.113.7"),
        ("x-client-ip", "203.0.113.7"),
    ] {
        let body = json!({ "username": "ada", "password": PASSWORD });
        let spoofed = Request::post("/api/auth/login", &body).header(name, value);
        here.send(spoofed).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    }
    try_login(&from_address(&service.api, "192.0.2.2"), "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn password_guessing_from_many_addresses_is_rate_limited() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    service.api.sign_up("bob").await;
    let spellings = ["ada", "ADA", "ａｄａ"];
    for n in 0..FAILURES {
        let client = from_address(&service.api, &format!("2001:db8:{n:x}::1"));
        let guess = format!("Guess{n:03}");
        let response = try_login(&client, spellings[n % spellings.len()], &guess).await;
        response.expect_error(401, "INVALID_CREDENTIALS");
    }
    for (n, name) in spellings.into_iter().enumerate() {
        let fresh = from_address(&service.api, &format!("203.0.113.{n}"));
        try_login(&fresh, name, PASSWORD).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    }
    try_login(&from_address(&service.api, "203.0.113.99"), "bob", PASSWORD).await.expect(200);
    // Existing sessions are not affected.
    assert!(ada.is_authenticated().await);
    refresh(&ada.api, &ada.refresh_token).await.expect(200);
    service.clock.advance(3);
    try_login(&from_address(&service.api, "203.0.113.98"), "ada", PASSWORD).await.expect(200);
}

/// Attempts that arrive at the same time count before their passwords are compared.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_guesses_do_not_exceed_the_limit() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    let here = from_address(&service.api, "192.0.2.1");
    let guesses = (0..LIMIT).map(|n| {
        let here = here.clone();
        tokio::spawn(async move { try_login(&here, "ada", &format!("Guess{n:03}")).await.status })
    });
    let mut compared = 0;
    for guess in guesses.collect::<Vec<_>>() {
        compared += usize::from(guess.await.expect("the task does not panic") == 401);
    }
    assert_eq!(compared, 10);
}

#[tokio::test]
async fn guessing_link_and_refresh_tokens_is_rate_limited() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    let valid = service.newest_token(VerifyEmail, "ada@example.com").await;
    // Refresh tokens that exist are limited by user.
    for (n, status) in [(2, 401), (3, 410), (5, 410)] {
        let here = from_address(&service.api, &format!("192.0.2.{n}"));
        for _ in 0..LIMIT {
            assert_eq!(here.send(anonymous_requests().swap_remove(n)).await.status, status);
        }
        assert_rate_limited(&here).await;
    }
    verify_email(&service.api, &valid).await.expect(200);
}

/// A wrong access token costs a hash and no request to a store. It is not counted, so that it cannot block other clients of the address.
#[tokio::test]
async fn guessing_access_tokens_delays_nobody() {
    let service = Service::with_settings(&[]).await;
    let here = from_address(&service.api, "192.0.2.1");
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for n in 0..5 * LIMIT {
        let guess = Request::get("/api/auth/profile").bearer(&format!("guess{n}"));
        here.send(guess).await.expect_error(401, "UNAUTHORIZED");
    }
    here.send(Request::get("/api/auth/profile").bearer(&ada.token)).await.expect(200);
}

/// The attacker has a session, but not the password.
#[tokio::test]
async fn password_guessing_within_a_session_is_rate_limited() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let attacker = TestUser { api: from_address(&service.api, "192.0.2.1"), ..ada.clone() };
    let delete_account =
        |password: &str| Request::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": password }));
    let change = |current: &str| json!({ "current_password": current, "new_password": "Barley77" });
    for n in 0..5 {
        let guess = format!("Guess{n:03}");
        let client = TestUser { api: from_address(&service.api, &format!("192.0.2.{n}")), ..attacker.clone() };
        client.post("/api/auth/change-password", &change(&guess)).await.expect_error(401, "INVALID_CREDENTIALS");
        client.send(delete_account(&guess)).await.expect_error(401, "INVALID_CREDENTIALS");
    }
    // Failures from all addresses count for the account.
    attacker.post("/api/auth/change-password", &change(PASSWORD)).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    attacker.send(delete_account(PASSWORD)).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    service.clock.advance(90);
    ada.post("/api/auth/change-password", &change(PASSWORD)).await.expect(200);
}

/// Requests from many addresses cannot flood a mailbox.
#[tokio::test]
async fn mailbox_gets_at_most_one_link_per_minute() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    service.deliver_due_emails().await;
    let before = service.mailer.count();
    for n in 0..LIMIT {
        let client = from_address(&service.api, &format!("192.0.2.{n}"));
        request_password_reset(&client, "ada@example.com").await.expect(200);
        service.deliver_due_emails().await;
    }
    assert_eq!(service.mailer.count(), before + 1);
    service.clock.advance(60);
    request_password_reset(&from_address(&service.api, "203.0.113.1"), "ada@example.com").await.expect(200);
    service.deliver_due_emails().await;
    assert_eq!(service.mailer.count(), before + 2);
}

/// An attacker signs up with an address of another person. The owner of the address can take over the account.
#[tokio::test]
async fn owner_of_an_address_can_reclaim_its_account() {
    let service = Service::start().await;
    let squatter = try_sign_up(&service.api, "squatter", "ada@example.com").await.expect(201);
    let squatter = TestUser::from_tokens(&service.api, "squatter", &squatter);
    assert!(squatter.is_authenticated().await);
    try_sign_up(&service.api, "ada", "ada@example.com").await.expect_error(409, "CONFLICT");
    request_password_reset(&service.api, "ada@example.com").await.expect(200);
    let token = service.newest_token(ResetPassword, "ada@example.com").await;
    reset_password(&service.api, &token, "Barley77").await.expect(200);
    squatter.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    refresh(&service.api, &squatter.refresh_token).await.expect_error(401, "UNAUTHORIZED");
    try_login(&service.api, "ada@example.com", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    try_login(&service.api, "ada@example.com", "Barley77").await.expect(200);
}
