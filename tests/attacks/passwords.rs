//! Weak passwords are refused wherever one is chosen.

use serde_json::{Value, json};
use shared::storage::EmailKind::ResetPassword;
use tests::{PASSWORD, Request, Response, Service, TestUser, error_fields, try_login};

use crate::helpers::{request_password_reset, reset_password};

/// Common ones, ones with a name of the user `grace` or of the product, and ones of a wrong length.
const WEAK: [&str; 12] = [
    "Password1",
    "qwerty123",
    "1234567890",
    "iloveyou2",
    "ＰＡＳＳＷＯＲＤ１",
    "grace 1906!",
    "GRACE-forever",
    "g.r.a.c.e. 1",
    "my grace@example.com",
    "SQL Studio 2026",
    "Sesam42",
    "界界界界界界界",
];

/// Passwords without any rule of composition.
const GOOD: [&str; 5] =
    ["TestPassword123!", "correct horse battery staple", "пароль от сейфа", "        x", "🦀🦀🦀🦀🦀🦀🦀🦀"];

fn assert_refused(response: &Response, field: &str, password: &str) {
    let error: Value = response.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), [field], "{password}");
    assert!(!error.to_string().contains(password), "{error}");
}

#[tokio::test]
async fn weak_password_is_refused_at_sign_up() {
    let service = Service::start().await;
    let sign_up = async |name: &str, password: &str| {
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": password });
        service.api.send(Request::post("/api/auth/signup", &body)).await
    };
    for weak in WEAK.into_iter().chain([&*"x".repeat(129)]) {
        assert_refused(&sign_up("grace", weak).await, "password", weak);
    }
    for (n, good) in GOOD.into_iter().chain([&*"x".repeat(128)]).enumerate() {
        sign_up(&format!("user{n}"), good).await.expect(201);
        try_login(&service.api, &format!("user{n}"), good).await.expect(200);
    }
}

#[tokio::test]
async fn weak_password_is_refused_at_a_change_and_a_reset() {
    let service = Service::start().await;
    let grace = TestUser::sign_up(&service.api, "grace").await;
    request_password_reset(&service.api, "grace@example.com").await.expect(200);
    let token = service.newest_token(ResetPassword, "grace@example.com").await;
    for weak in WEAK {
        let change = json!({ "current_password": PASSWORD, "new_password": weak });
        assert_refused(&grace.post("/api/auth/change-password", &change).await, "new_password", weak);
        assert_refused(&reset_password(&service.api, &token, weak).await, "new_password", weak);
    }
    // The link is not used up.
    reset_password(&service.api, &token, GOOD[1]).await.expect(200);
    try_login(&service.api, "grace", GOOD[1]).await.expect(200);
}

/// The rest of a password that is too long is not cut off.
#[tokio::test]
async fn longer_password_does_not_match() {
    let service = Service::start().await;
    let longest = "x".repeat(128);
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": longest });
    service.api.send(Request::post("/api/auth/signup", &body)).await.expect(201);
    for more in [1, 10, 1_000, 10_000] {
        let longer = format!("{longest}{}", "y".repeat(more));
        try_login(&service.api, "ada", &longer).await.expect_error(401, "INVALID_CREDENTIALS");
    }
    try_login(&service.api, "ada", &longest).await.expect(200);
}
