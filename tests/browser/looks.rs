//! Every mail, and both pages in each of their states, light and dark, wide and narrow: whatever is shown can be read by
//! everybody. Pictures are kept in `target/screenshots`.

use axum::http::Method;
use serde_json::json;
use shared::storage::MailKind;
use tests::{Api, Call, Fault, Proxy, Service};
use tokio::net::TcpListener;

use crate::browser::Browser;

/// The rules of axe-core that stand for WCAG 2.2, levels A and AA.
const WCAG: [&str; 5] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const ADDRESS: &str = "ada@example.com";

/// A service that a browser can reach, and whose clock can be moved.
struct Place {
    service: Service,
    url: String,
    browser: Browser,
    proxy: Proxy,
}

impl Place {
    async fn open(rate_limits: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let proxy = Proxy::to(listener.local_addr().expect("it has an address").port()).await;
        let url = format!("http://127.0.0.1:{}", proxy.port());
        let service = Service::with(&[("RATE_LIMITS", rate_limits), ("PUBLIC_URL", &url)]).await;
        let router = service.app.router().expect("the settings are whole");
        tokio::spawn(local::serve(listener, router));
        service.api.sign_up("ada").await;
        Self { service, url, browser: Browser::start().await, proxy }
    }

    /// A link that works.
    async fn link(&self, kind: MailKind) -> String {
        let (page, ask) = match kind {
            MailKind::VerifyEmail => ("verify-email", Call::new(Method::POST, "/api/auth/resend-verification")),
            _ => ("reset-password", Call::post("/api/auth/request-password-reset", &json!({ "email": ADDRESS }))),
        };
        self.service.clock.advance(60);
        let login = json!({ "username": ADDRESS, "password": "Sesame42" });
        let session = self.service.api.send(Call::post("/api/auth/login", &login)).await.expect(200);
        let ask = ask.bearer(session["token"].as_str().expect("a token"));
        self.service.api.send(ask).await.expect(200);
        let token = self.service.newest_token(kind, ADDRESS).await;
        format!("{}/{page}?token={token}", self.url)
    }

    /// Opens `link`, and presses its button as the page asks for.
    async fn tries(&self, link: &str) {
        self.browser.goes_to(link).await;
        if link.contains("reset-password") {
            for field in ["#password", "#repeat"] {
                self.browser.types(field, "Sesame42").await;
            }
        }
        self.browser.presses(".submit").await;
    }

    /// Sees `heading`, in each dress, and keeps pictures of it under `name`.
    async fn sees(&self, name: &str, heading: &str) {
        self.browser.sees(heading).await;
        for (scheme, width) in [("light", 760), ("dark", 760), ("light", 360), ("dark", 360)] {
            self.browser.wears(width, scheme).await;
            // A mail is no page: it needs no landmarks.
            let tags = if name.starts_with("mail") { &WCAG[..] } else { &[&WCAG[..], &["best-practice"]].concat() };
            let barriers = self.browser.barriers(tags).await;
            assert_eq!(barriers, Vec::<String>::new(), "{name}, {scheme}, {width} pixels wide");
            self.browser.shoots(&format!("{name}-{scheme}-{width}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mails() {
    let place = Place::open("off").await;
    let confirm = place.link(MailKind::VerifyEmail).await;
    let reset = place.link(MailKind::ResetPassword).await;
    place.tries(&confirm).await;
    place.browser.sees("Email address confirmed").await;
    place.tries(&reset).await;
    place.browser.sees("Your password is changed").await;
    let folder = tests::scratch();
    for (kind, heading) in [
        (MailKind::VerifyEmail, "Confirm your email address"),
        (MailKind::Welcome, "Welcome to SQL Studio"),
        (MailKind::ResetPassword, "Reset your password"),
        (MailKind::PasswordChanged, "Your password was changed"),
    ] {
        let mail = place.service.newest_mail(kind, ADDRESS).await.expect("it was sent");
        let file = folder.path().join(format!("{}.html", kind.name()));
        std::fs::write(&file, mail.html).expect("writable");
        place.browser.opens_file(&file).await;
        place.sees(&format!("mail-{}", kind.name()), heading).await;
    }
    assert_eq!(place.browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages() {
    let place = Place::open("off").await;
    for (kind, page, ready, success, lifetime) in [
        (MailKind::VerifyEmail, "verify-email", "Confirm your email address", "Email address confirmed", 24 * 3_600),
        (MailKind::ResetPassword, "reset-password", "Choose a new password", "Your password is changed", 3_600),
    ] {
        let link = place.link(kind).await;
        place.browser.goes_to(&link).await;
        place.sees(&format!("{page}-ready"), ready).await;
        place.proxy.set(Fault::Down);
        if kind == MailKind::ResetPassword {
            place.browser.types("#password", "Sesame42").await;
            place.sees("reset-password-typing", ready).await;
            place.browser.types("#repeat", "Sesame42").await;
        }
        place.browser.presses(".submit").await;
        place.browser.waits_for("[data-notice=failed]").await;
        place.sees(&format!("{page}-failed"), ready).await;
        place.proxy.set(Fault::None);
        place.service.clock.advance(lifetime);
        place.browser.presses(".submit").await;
        place.sees(&format!("{page}-expired"), "This link has expired").await;

        let link = place.link(kind).await;
        place.tries(&link).await;
        place.sees(&format!("{page}-success"), success).await;
        place.tries(&link).await;
        place.sees(&format!("{page}-used"), "This link no longer works").await;
        place.browser.goes_to(link.split('?').next().unwrap_or_default()).await;
        place.sees(&format!("{page}-invalid"), "This link is not complete").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_has_to_wait() {
    let place = Place::open("on").await;
    let link = place.link(MailKind::VerifyEmail).await;
    let api = Api::at(&place.url);
    let press = Call::post("/api/auth/verify-email", &json!({ "token": "A".repeat(43) }));
    while api.send(press.clone()).await.status != 429 {}
    place.tries(&link).await;
    place.browser.waits_for("[data-notice=limited]").await;
    place.sees("verify-email-limited", "Confirm your email address").await;
}
