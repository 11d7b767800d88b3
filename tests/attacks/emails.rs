//! Emails cannot carry an attacker's content: headers, text, HTML or links.

use axum::http::Method;
use serde_json::json;
use shared::storage::EmailKind::{PasswordChanged, ResetPassword, VerifyEmail, Welcome};
use tests::{PASSWORD, Request, Service, TestUser, error_fields, try_login};

use crate::helpers::{request_password_reset, reset_password, try_sign_up, verify_email};

#[tokio::test]
async fn address_with_line_break_is_rejected() {
    let service = Service::start().await;
    for address in [
        "ada@example.com\r\nBcc: eve@evil.example",
        "ada@example.com\nBcc: eve@evil.example",
        "\r\nBcc: eve@evil.example\r\n\r\nada@example.com",
        "\"ada\r\nBcc: eve\"@example.com",
        "ada@example.com\u{85}Bcc:eve@evil.example",
        "ada@example.com\u{2028}Bcc:eve@evil.example",
        "ada@example.com\0",
        "ada\t@example.com",
        "Ada <ada@example.com>",
        "<eve@evil.example>ada@example.com",
        "ada@example.com,eve@evil.example",
        "ada@example.com;eve@evil.example",
        "ada@example.com eve@evil.example",
        "ada@[127.0.0.1]",
    ] {
        let error = try_sign_up(&service.api, "ada", address).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["email"], "{address:?}");
        let error = request_password_reset(&service.api, address).await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["email"], "{address:?}");
    }
    service.deliver_due_emails().await;
    assert_eq!(service.mailer.count(), 0);
    try_sign_up(&service.api, "ada", "ada@example.com").await.expect(201);
    let email = service.newest_email(VerifyEmail, "ada@example.com").await.expect("a valid address gets an email");
    assert_eq!(email.to.as_str(), "ada@example.com");
}

#[tokio::test]
async fn name_with_line_break_is_rejected() {
    let service = Service::start().await;
    for name in ["ada\r\nBcc: eve@evil.example", "ada\nSubject: You won", "ada\u{85}", "ada\0", "ada\u{1b}[2J", "\r\n"]
    {
        let error = try_sign_up(&service.api, name, "ada@example.com").await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["username"], "{name:?}");
    }
    service.deliver_due_emails().await;
    assert_eq!(service.mailer.count(), 0);
    try_sign_up(&service.api, "ada Bcc: eve", "ada@example.com").await.expect(201);
    let email = service.newest_email(VerifyEmail, "ada@example.com").await.expect("a valid name gets an email");
    assert_eq!(email.subject, "Confirm your email address");
}

/// An attacker who signs up with another person's address also chooses the name, which must not be used to send messages.
#[tokio::test]
async fn name_is_not_sent_to_unverified_addresses() {
    let service = Service::start().await;
    let name = "You won! See evil.example/prize";
    try_sign_up(&service.api, name, "victim@example.com").await.expect(201);
    request_password_reset(&service.api, "victim@example.com").await.expect(200);
    for kind in [VerifyEmail, ResetPassword] {
        let email = service.newest_email(kind, "victim@example.com").await.expect("an email");
        for text in [&email.subject, &email.text, &email.html] {
            assert!(!text.contains("evil.example") && !text.contains("You won"), "{text}");
        }
    }
    // After verification the name is used.
    let token = service.newest_token(VerifyEmail, "victim@example.com").await;
    verify_email(&service.api, &token).await.expect(200);
    let welcome = service.newest_email(Welcome, "victim@example.com").await.expect("an email");
    assert!(welcome.text.contains(name));
}

#[tokio::test]
async fn html_in_names_is_escaped() {
    let service = Service::start().await;
    for (n, name) in [
        "<img src=x onerror=alert(1)>",
        "</bdi><script>alert(1)</script>",
        "\"><a href=\"https://evil.example\">alert(1)",
        "<!-- alert(1)",
        "&lt;b&gt; {{7*7}} ${7*7} <%= alert(1) %>",
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("user{n}@example.com");
        let response = try_sign_up(&service.api, name, &address).await.expect(201);
        let user = TestUser::from_tokens(&service.api, name, &response);
        assert_eq!(user.profile().await["username"], name);
        verify_email(&service.api, &service.newest_token(VerifyEmail, &address).await).await.expect(200);
        let change = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
        user.post("/api/auth/change-password", &change).await.expect(200);
        request_password_reset(&service.api, &address).await.expect(200);
        for kind in [Welcome, PasswordChanged, ResetPassword] {
            let email = service.newest_email(kind, &address).await.expect("an email");
            assert!(!email.html.contains(name), "{}", email.html);
            assert!(email.html.contains("alert(1)"), "the name is shown: {}", email.html);
            let escaped = ["<img src=x", "<script", "href=\"https://evil.example", "<!-- alert", "&lt;b&gt;", "<%="];
            for html in escaped {
                assert!(!email.html.contains(html), "{html} in {}", email.html);
            }
            assert!(!email.subject.contains("alert"), "{}", email.subject);
        }
    }
}

/// Host header poisoning: links lead to the configured public URL, whatever host a request names.
#[tokio::test]
async fn links_ignore_the_host_of_the_request() {
    let service = Service::with_settings(&[("RATE_LIMITS", "off"), ("PUBLIC_URL", "https://sync.sqlstudio.app")]).await;
    let headers = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-server", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-original-host", "evil.example"),
        ("x-host", "evil.example"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "https://evil.example/"),
        ("x-rewrite-url", "https://evil.example/"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
    ];
    let poisoned =
        |request: Request| headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": PASSWORD });
    let response = service.api.send(poisoned(Request::post("/api/auth/signup", &body))).await.expect(201);
    let ada = TestUser::from_tokens(&service.api, "ada", &response);
    service.newest_token(VerifyEmail, "ada@example.com").await;
    service.clock.advance(60);
    let resend = Request::new(Method::POST, "/api/auth/resend-verification");
    ada.send(poisoned(resend)).await.expect(200);
    let body = json!({ "email": "ada@example.com" });
    service.api.send(poisoned(Request::post("/api/auth/request-password-reset", &body))).await.expect(200);
    for (kind, page) in [(VerifyEmail, "verify-email"), (ResetPassword, "reset-password")] {
        let token = service.newest_token(kind, "ada@example.com").await;
        let email = service.newest_email(kind, "ada@example.com").await.expect("an email");
        let link = format!("https://sync.sqlstudio.app/{page}?token={token}");
        for text in [&email.text, &email.html] {
            assert!(text.contains(&link) && !text.contains("evil") && !text.contains("http://"), "{text}");
        }
    }
}

/// Letters that case folding maps to others, such as the Kelvin sign, must not redirect a link to another mailbox.
#[tokio::test]
async fn link_goes_to_the_address_of_the_account() {
    let service = Service::start().await;
    service.api.sign_up("mike").await;
    service.deliver_due_emails().await;
    let before = service.mailer.count();
    let (equivalent, different) = ("mi\u{212a}e@example.com", "m\u{131}ke@example.com");
    for address in [equivalent, different] {
        request_password_reset(&service.api, address).await.expect(200);
        service.deliver_due_emails().await;
        assert!(service.mailer.newest(ResetPassword, address).is_none(), "{address}");
    }
    assert_eq!(service.mailer.count(), before + 1, "only the equivalent address leads to an email to the owner");
    let token = service.newest_token(ResetPassword, "mike@example.com").await;
    reset_password(&service.api, &token, "Barley77").await.expect(200);
    try_login(&service.api, "mike", "Barley77").await.expect(200);
    try_sign_up(&service.api, "another", equivalent).await.expect_error(409, "CONFLICT");
    try_sign_up(&service.api, "yet another", different).await.expect(201);
}
