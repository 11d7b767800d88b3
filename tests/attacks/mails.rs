//! Mails carry nothing of an attacker's to anybody: no further header, no words, no HTML, no link to elsewhere.

use axum::http::Method;
use serde_json::json;
use shared::storage::MailKind::{PasswordChanged, ResetPassword, VerifyEmail, Welcome};
use tests::{Call, PASSWORD, Person, Service, fields, try_login};

use crate::people::{confirm, forget_password, reset_password, try_sign_up};

#[tokio::test]
async fn a_line_break_in_an_address_is_refused() {
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
        let error = try_sign_up(&service.api, "ada", address).await.refused(400, "INVALID_REQUEST");
        assert_eq!(fields(&error), ["email"], "{address:?}");
        let error = forget_password(&service.api, address).await.refused(400, "INVALID_REQUEST");
        assert_eq!(fields(&error), ["email"], "{address:?}");
    }
    service.deliver().await;
    assert_eq!(service.mails.count(), 0);
    try_sign_up(&service.api, "ada", "ada@example.com").await.expect(201);
    let mail = service.newest_mail(VerifyEmail, "ada@example.com").await.expect("this one is an address");
    assert_eq!(mail.to.as_str(), "ada@example.com");
}

#[tokio::test]
async fn a_line_break_in_a_name_is_refused() {
    let service = Service::start().await;
    for name in ["ada\r\nBcc: eve@evil.example", "ada\nSubject: You won", "ada\u{85}", "ada\0", "ada\u{1b}[2J", "\r\n"]
    {
        let error = try_sign_up(&service.api, name, "ada@example.com").await.refused(400, "INVALID_REQUEST");
        assert_eq!(fields(&error), ["username"], "{name:?}");
    }
    service.deliver().await;
    assert_eq!(service.mails.count(), 0);
    try_sign_up(&service.api, "ada Bcc: eve", "ada@example.com").await.expect(201);
    let mail = service.newest_mail(VerifyEmail, "ada@example.com").await.expect("this one is a name");
    assert_eq!(mail.subject, "Confirm your email address");
}

/// Somebody else's mailbox is no billboard: whoever signs up with its address chooses the name as well.
#[tokio::test]
async fn a_name_is_not_mailed_to_an_address_that_was_not_shown_to_be_its_owners() {
    let service = Service::start().await;
    let name = "You won! See evil.example/prize";
    try_sign_up(&service.api, name, "victim@example.com").await.expect(201);
    forget_password(&service.api, "victim@example.com").await.expect(200);
    for kind in [VerifyEmail, ResetPassword] {
        let mail = service.newest_mail(kind, "victim@example.com").await.expect("a mail");
        for text in [&mail.subject, &mail.text, &mail.html] {
            assert!(!text.contains("evil.example") && !text.contains("You won"), "{text}");
        }
    }
    // Once it is, the name may be used.
    let token = service.newest_token(VerifyEmail, "victim@example.com").await;
    confirm(&service.api, &token).await.expect(200);
    let welcome = service.newest_mail(Welcome, "victim@example.com").await.expect("a mail");
    assert!(welcome.text.contains(name));
}

#[tokio::test]
async fn html_in_a_name_is_shown_and_not_obeyed() {
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
        let answer = try_sign_up(&service.api, name, &address).await.expect(201);
        let user = Person::holding(&service.api, name, &answer);
        assert_eq!(user.account().await["username"], name);
        confirm(&service.api, &service.newest_token(VerifyEmail, &address).await).await.expect(200);
        let change = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
        user.posts("/api/auth/change-password", &change).await.expect(200);
        forget_password(&service.api, &address).await.expect(200);
        for kind in [Welcome, PasswordChanged, ResetPassword] {
            let mail = service.newest_mail(kind, &address).await.expect("a mail");
            assert!(!mail.html.contains(name), "{}", mail.html);
            assert!(mail.html.contains("alert(1)"), "the name is there: {}", mail.html);
            let escaped = ["<img src=x", "<script", "href=\"https://evil.example", "<!-- alert", "&lt;b&gt;", "<%="];
            for html in escaped {
                assert!(!mail.html.contains(html), "{html} in {}", mail.html);
            }
            assert!(!mail.subject.contains("alert"), "{}", mail.subject);
        }
    }
}

/// Poisoned links: whatever a request says of its host, links lead to where the service is set to live.
#[tokio::test]
async fn the_host_that_a_request_names_is_in_no_link() {
    let service = Service::with(&[("RATE_LIMITS", "off"), ("PUBLIC_URL", "https://sync.sqlstudio.app")]).await;
    let named = [
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
    let poisoned = |call: Call| named.iter().fold(call, |call, (name, value)| call.header(name, value));
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": PASSWORD });
    let answer = service.api.send(poisoned(Call::post("/api/auth/signup", &body))).await.expect(201);
    let ada = Person::holding(&service.api, "ada", &answer);
    service.newest_token(VerifyEmail, "ada@example.com").await;
    service.clock.advance(60);
    let again = Call::new(Method::POST, "/api/auth/resend-verification");
    ada.sends(poisoned(again)).await.expect(200);
    let body = json!({ "email": "ada@example.com" });
    service.api.send(poisoned(Call::post("/api/auth/request-password-reset", &body))).await.expect(200);
    for (kind, page) in [(VerifyEmail, "verify-email"), (ResetPassword, "reset-password")] {
        let token = service.newest_token(kind, "ada@example.com").await;
        let mail = service.newest_mail(kind, "ada@example.com").await.expect("a mail");
        let link = format!("https://sync.sqlstudio.app/{page}?token={token}");
        for text in [&mail.text, &mail.html] {
            assert!(text.contains(&link) && !text.contains("evil") && !text.contains("http://"), "{text}");
        }
    }
}

/// A letter that folds into another, as the Kelvin sign does, must not send a link elsewhere than to the owner.
#[tokio::test]
async fn a_link_goes_to_the_address_of_the_account_and_not_to_one_that_looks_like_it() {
    let service = Service::start().await;
    service.api.sign_up("mike").await;
    service.deliver().await;
    let before = service.mails.count();
    let (folds, differs) = ("mi\u{212a}e@example.com", "m\u{131}ke@example.com");
    for address in [folds, differs] {
        forget_password(&service.api, address).await.expect(200);
        service.deliver().await;
        assert!(service.mails.newest(ResetPassword, address).is_none(), "{address}");
    }
    assert_eq!(service.mails.count(), before + 1, "the one that means the same address reaches its owner");
    let token = service.newest_token(ResetPassword, "mike@example.com").await;
    reset_password(&service.api, &token, "Barley77").await.expect(200);
    try_login(&service.api, "mike", "Barley77").await.expect(200);
    try_sign_up(&service.api, "another", folds).await.refused(409, "CONFLICT");
    try_sign_up(&service.api, "yet another", differs).await.expect(201);
}
