//! Emails cannot carry an attacker's content: headers, text, HTML or links.

use axum::http::Method;
use serde_json::json;
use shared::storage::EmailKind::{PasswordChanged, ResetPassword, VerifyEmail, Welcome};
use tests::{Api, PASSWORD, Request, Service, TestUser, error_fields, try_login};

use crate::helpers::{from_address, request_password_reset, reset_password, try_sign_up, verify_email};

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
        let link = format!("https://sync.sqlstudio.app/{page}#token={token}");
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

/// Anybody can sign up any number of accounts with tagged forms of a victim's address, from any number of addresses.
#[tokio::test]
async fn tagged_forms_of_an_address_do_not_flood_its_mailbox() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    service.deliver_due_emails().await;
    let before = service.mailer.count();
    for n in 0..30 {
        let client = from_address(&service.api, &format!("192.0.2.{n}"));
        let tagged = format!("ADA+{n}@example.com");
        try_sign_up(&client, &format!("eve{n}"), &tagged).await.expect(201);
        request_password_reset(&client, &tagged).await.expect(200);
    }
    service.deliver_due_emails().await;
    // Ten of each kind.
    assert_eq!(service.mailer.count(), before + 20);
    // Ada's own address has limits of its own, also while it is unconfirmed.
    service.clock.advance(60);
    ada.post("/api/auth/resend-verification", &json!({})).await.expect(200);
    request_password_reset(&service.api, "ada@example.com").await.expect(200);
    service.deliver_due_emails().await;
    assert_eq!(service.mailer.count(), before + 22);
    // A confirmed address has limits of its own: emails to it cannot be suppressed by tagged accounts.
    let confirmed = TestUser::sign_up(&service.api, "grace").await;
    let token = service.newest_token(VerifyEmail, "grace@example.com").await;
    verify_email(&service.api, &token).await.expect(200);
    for n in 0..30 {
        let client = from_address(&service.api, &format!("198.51.100.{n}"));
        let tagged = format!("grace+{n}@example.com");
        let eve = try_sign_up(&client, &format!("mallory{n}"), &tagged).await.expect(201);
        let eve = TestUser::from_tokens(&client, "mallory", &eve);
        let change = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
        eve.post("/api/auth/change-password", &change).await.expect(200);
        request_password_reset(&client, &tagged).await.expect(200);
    }
    service.deliver_due_emails().await;
    let change = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
    confirmed.post("/api/auth/change-password", &change).await.expect(200);
    assert!(service.newest_email(PasswordChanged, "grace@example.com").await.is_some());
    request_password_reset(&service.api, "grace@example.com").await.expect(200);
    service.newest_token(ResetPassword, "grace@example.com").await;
    // Another mailbox is not affected, and Ada's own is hers again.
    service.newest_token(VerifyEmail, "ada@example.com").await;
    TestUser::sign_up(&service.api, "bob").await;
    service.newest_token(VerifyEmail, "bob@example.com").await;
    service.clock.advance(3_600);
    request_password_reset(&service.api, "ada@example.com").await.expect(200);
    service.newest_token(ResetPassword, "ada@example.com").await;
    assert_eq!(ada.profile().await["email_verified"], false);
}

/// A stranger signs up with the address of a victim, who opens the link in another network. The stranger's account stays unconfirmed, in
/// old and new sessions.
#[tokio::test]
async fn confirming_an_address_does_not_confirm_the_account_of_a_stranger() {
    let service = Service::start().await;
    let stranger = from_address(&service.api, "192.0.2.66");
    let session = try_sign_up(&stranger, "stranger", "ada@example.com").await.expect(201);
    let session = TestUser::from_tokens(&stranger, "stranger", &session);
    let token = service.newest_token(VerifyEmail, "ada@example.com").await;
    let victim = from_address(&service.api, "198.51.100.1");
    let confirm = async |api: &Api, body| api.send(Request::post("/api/auth/verify-email", &body)).await;
    let error = confirm(&victim, json!({ "token": token })).await.expect_error(403, "FORBIDDEN");
    assert_eq!(error_fields(&error), ["password"]);
    let guess = json!({ "token": token, "password": "Guess000" });
    confirm(&victim, guess).await.expect_error(401, "INVALID_CREDENTIALS");
    assert_eq!(session.profile().await["email_verified"], false);
    assert_eq!(session.log_in().await.profile().await["email_verified"], false);

    // The victim can take the account over: the link proves that the address is theirs.
    request_password_reset(&victim, "ada@example.com").await.expect(200);
    let reset = service.newest_token(ResetPassword, "ada@example.com").await;
    reset_password(&victim, &reset, "Barley77").await.expect(200);
    session.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    try_login(&stranger, "stranger", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    assert_eq!(try_login(&victim, "ada@example.com", "Barley77").await.expect(200)["user"]["email_verified"], true);
}

/// Somebody who signed up on a laptop opens the link on a phone, in another network.
#[tokio::test]
async fn address_can_be_confirmed_from_another_network_with_the_password() {
    let service = Service::start().await;
    let laptop = from_address(&service.api, "192.0.2.1");
    let ada = TestUser::sign_up(&laptop, "ada").await;
    let token = service.newest_token(VerifyEmail, "ada@example.com").await;
    let phone = from_address(&service.api, "2001:db8::1");
    verify_email(&phone, &token).await.expect_error(403, "FORBIDDEN");
    let body = json!({ "token": token, "password": PASSWORD });
    phone.send(Request::post("/api/auth/verify-email", &body)).await.expect(200);
    assert_eq!(ada.profile().await["email_verified"], true);
    verify_email(&laptop, &token).await.expect_error(410, "TOKEN_SPENT");
}
