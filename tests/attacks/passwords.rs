//! Weak passwords are refused wherever one is chosen.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::storage::EmailKind::ResetPassword;
use tests::{PASSWORD, Request, Response, Service, TestUser, error_fields, try_login};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::helpers::{request_password_reset, reset_password, try_sign_up};

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

/// Have I Been Pwned, of whose answers this test gives one: to the prefix of the hash of `Sesame42`.
#[tokio::test]
async fn password_known_from_a_breach_is_refused_where_the_operator_wants_it() {
    let hibp = MockServer::start().await;
    // SHA-1 of `Sesame42`, and a line of padding.
    let (prefix, rest) = sha1_of(PASSWORD);
    let answer = format!("{rest}:7\r\n{}:0\r\n", "0".repeat(35));
    let range = Mock::given(path(format!("/range/{prefix}"))).and(header("add-padding", "true"));
    range.respond_with(ResponseTemplate::new(200).set_body_string(answer)).mount(&hibp).await;
    let settings = [("BREACHED_PASSWORDS", "on"), ("BREACHED_PASSWORDS_URL", &*hibp.uri()), ("RATE_LIMITS", "off")];
    let service = Service::with_settings(&settings).await;
    let error = try_sign_up(&service.api, "grace", "grace@example.com").await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["password"]);
    // Other prefixes are answered with 404. An error of the service does not block a sign-up.
    let body = json!({ "username": "grace", "email": "grace@example.com", "password": GOOD[1] });
    let grace = service.api.send(Request::post("/api/auth/signup", &body)).await.expect(201);
    let grace = TestUser::from_tokens(&service.api, "grace", &grace);
    let change = json!({ "current_password": GOOD[1], "new_password": PASSWORD });
    assert_refused(&grace.post("/api/auth/change-password", &change).await, "new_password", PASSWORD);
    // Only the prefix left the process, and no password of a login.
    try_login(&service.api, "grace", GOOD[1]).await.expect(200);
    let asked = hibp.received_requests().await.expect("requests are recorded");
    assert_eq!(asked.iter().map(|request| request.url.path().len()).collect::<Vec<_>>(), ["/range/".len() + 5; 3]);

    // A service that does not answer delays a sign-up by its deadline.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let settings = [("BREACHED_PASSWORDS", "on"), ("BREACHED_PASSWORDS_URL", &*url), ("RATE_LIMITS", "off")];
    let service = Service::with_settings(&settings).await;
    let started = Instant::now();
    try_sign_up(&service.api, "grace", "grace@example.com").await.expect(201);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// Returns the first five and the other digits of the SHA-1 of `text`.
fn sha1_of(text: &str) -> (String, String) {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let (prefix, rest) = digits.split_at(5);
    (prefix.to_owned(), rest.to_owned())
}
