//! Guesses are counted: at many accounts from one address, and at one account from many addresses.

use axum::http::Method;
use serde_json::json;
use shared::storage::MailKind::{ResetPassword, VerifyEmail};
use tests::{Api, Call, PASSWORD, Person, Service, refresh, try_login};

use crate::people::{confirm, forget_password, from, reset_password, try_sign_up};

/// Calls a minute, for an address and for the logins of an account.
const CALLS: usize = 20;

/// One try of each kind that needs no token.
fn tries() -> Vec<Call> {
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
    .map(|(name, body)| Call::post(format!("/api/auth/{name}"), &body))
    .collect()
}

async fn is_worn_out(api: &Api) {
    for call in tries() {
        api.send(call).await.refused(429, "RATE_LIMIT_EXCEEDED");
    }
}

/// Credential stuffing: passwords that leaked elsewhere, each at its own account.
#[tokio::test]
async fn one_address_cannot_try_many_accounts() {
    let service = Service::with(&[]).await;
    service.api.sign_up("ada").await;
    let here = from(&service.api, "192.0.2.1");
    for n in 0..CALLS {
        try_login(&here, &format!("user{n}"), PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
    }
    // Not even with the right password, and by no other way.
    is_worn_out(&here).await;
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("true-client-ip", "203.0.113.7"),
        ("cf-connecting-ip", "203.0.113.7"),
        ("x-client-ip", "203.0.113.7"),
    ] {
        let body = json!({ "username": "ada", "password": PASSWORD });
        let claiming = Call::post("/api/auth/login", &body).header(name, value);
        here.send(claiming).await.refused(429, "RATE_LIMIT_EXCEEDED");
    }
    try_login(&from(&service.api, "192.0.2.2"), "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn many_addresses_cannot_guess_at_one_account() {
    let service = Service::with(&[]).await;
    let ada = Person::joins(&service.api, "ada").await;
    service.api.sign_up("bob").await;
    let names = ["ada", "ADA", "ada@example.com", "Ada@Example.COM", "ａｄａ"];
    for n in 0..CALLS {
        let somebody = from(&service.api, &format!("2001:db8:{n:x}::1"));
        let guess = format!("Guess{n:03}");
        try_login(&somebody, names[n % names.len()], &guess).await.refused(401, "INVALID_CREDENTIALS");
    }
    for (n, name) in names.into_iter().enumerate() {
        let fresh = from(&service.api, &format!("203.0.113.{n}"));
        try_login(&fresh, name, PASSWORD).await.refused(429, "RATE_LIMIT_EXCEEDED");
    }
    try_login(&from(&service.api, "203.0.113.99"), "bob", PASSWORD).await.expect(200);
    // Whoever is logged in already does not notice.
    assert!(ada.is_let_in().await);
    refresh(&ada.api, &ada.refresh_token).await.expect(200);
    service.clock.advance(60);
    try_login(&from(&service.api, "203.0.113.98"), "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn guesses_at_links_and_refresh_tokens_are_counted() {
    let service = Service::with(&[]).await;
    service.api.sign_up("ada").await;
    let honest = service.newest_token(VerifyEmail, "ada@example.com").await;
    for (n, status) in [(2, 401), (3, 410), (5, 410)] {
        let here = from(&service.api, &format!("192.0.2.{n}"));
        for _ in 0..CALLS {
            assert_eq!(here.send(tries().swap_remove(n)).await.status, status);
        }
        is_worn_out(&here).await;
    }
    confirm(&from(&service.api, "192.0.2.1"), &honest).await.expect(200);
}

#[tokio::test]
async fn guesses_at_access_tokens_are_counted() {
    let service = Service::with(&[]).await;
    let here = from(&service.api, "192.0.2.1");
    let ada = Person::joins(&service.api, "ada").await;
    for n in 0..CALLS {
        here.send(Call::get("/api/auth/profile").bearer(&format!("guess{n}"))).await.refused(401, "UNAUTHORIZED");
    }
    let right = Call::get("/api/auth/profile").bearer(&ada.token);
    here.send(right.clone()).await.refused(429, "RATE_LIMIT_EXCEEDED");
    from(&service.api, "192.0.2.2").send(right).await.expect(200);
}

/// Who holds a session, but not the password.
#[tokio::test]
async fn guesses_at_the_password_within_a_session_are_counted() {
    let service = Service::with(&[]).await;
    let ada = Person::joins(&service.api, "ada").await;
    let thief = Person { api: from(&service.api, "192.0.2.1"), ..ada.clone() };
    let leave = |password: &str| Call::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": password }));
    for n in 0..CALLS / 2 {
        let guess = format!("Guess{n:03}");
        let change = json!({ "current_password": guess, "new_password": "Barley77" });
        thief.posts("/api/auth/change-password", &change).await.refused(401, "INVALID_CREDENTIALS");
        thief.sends(leave(&guess)).await.refused(401, "INVALID_CREDENTIALS");
    }
    let change = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
    thief.posts("/api/auth/change-password", &change).await.refused(429, "RATE_LIMIT_EXCEEDED");
    thief.sends(leave(PASSWORD)).await.refused(429, "RATE_LIMIT_EXCEEDED");
    ada.posts("/api/auth/change-password", &change).await.expect(200);
}

/// A mailbox is not flooded, from however many addresses somebody asks.
#[tokio::test]
async fn one_mailbox_gets_one_link_a_minute() {
    let service = Service::with(&[]).await;
    service.api.sign_up("ada").await;
    service.deliver().await;
    let before = service.mails.count();
    for n in 0..CALLS {
        let somebody = from(&service.api, &format!("192.0.2.{n}"));
        forget_password(&somebody, "ada@example.com").await.expect(200);
        service.deliver().await;
    }
    assert_eq!(service.mails.count(), before + 1);
    service.clock.advance(60);
    forget_password(&from(&service.api, "203.0.113.1"), "ada@example.com").await.expect(200);
    service.deliver().await;
    assert_eq!(service.mails.count(), before + 2);
}

/// Whoever signs up with somebody else's address first gains nothing: its owner takes the account over.
#[tokio::test]
async fn an_account_with_somebody_elses_address_is_its_owners() {
    let service = Service::start().await;
    let squatter = try_sign_up(&service.api, "squatter", "ada@example.com").await.expect(201);
    let squatter = Person::holding(&service.api, "squatter", &squatter);
    assert!(squatter.is_let_in().await);
    try_sign_up(&service.api, "ada", "ada@example.com").await.refused(409, "CONFLICT");
    forget_password(&service.api, "ada@example.com").await.expect(200);
    let token = service.newest_token(ResetPassword, "ada@example.com").await;
    reset_password(&service.api, &token, "Barley77").await.expect(200);
    squatter.gets("/api/auth/profile").await.refused(401, "UNAUTHORIZED");
    refresh(&service.api, &squatter.refresh_token).await.refused(401, "UNAUTHORIZED");
    try_login(&service.api, "ada@example.com", PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
    try_login(&service.api, "ada@example.com", "Barley77").await.expect(200);
}
