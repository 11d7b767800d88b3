//! Accessibility of every email, and of both pages in each state, in light and dark, wide and narrow. Screenshots are saved
//! in `target/screenshots`.

use axum::http::Method;
use local::{ConnectionLimits, TrustedProxies};
use serde_json::json;
use shared::storage::EmailKind;
use tests::{Api, Fault, Proxy, Request, Service};
use tokio::net::TcpListener;

use crate::browser::Browser;

/// Tags of the axe-core rules for WCAG 2.2, levels A and AA.
const WCAG: [&str; 5] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const ADDRESS: &str = "ada@example.com";

/// Service with a manual clock, reachable by a browser through a proxy.
struct Fixture {
    service: Service,
    url: String,
    browser: Browser,
    proxy: Proxy,
}

impl Fixture {
    async fn start(rate_limits: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let proxy = Proxy::start(listener.local_addr().expect("the listener has an address").port()).await;
        let url = format!("http://127.0.0.1:{}", proxy.port());
        let service = Service::with_settings(&[("RATE_LIMITS", rate_limits), ("PUBLIC_URL", &url)]).await;
        let router = service.app.router().expect("the settings are complete");
        let proxies = TrustedProxies::default();
        tokio::spawn(local::serve(listener, router, ConnectionLimits::of_process(), proxies));
        // In the network of the browser.
        Api::at(&url).sign_up("ada").await;
        Self { service, url, browser: Browser::start().await, proxy }
    }

    /// Returns a valid link of the kind `kind`.
    async fn link(&self, kind: EmailKind) -> String {
        let (page, send_link) = match kind {
            EmailKind::VerifyEmail => ("verify-email", Request::new(Method::POST, "/api/auth/resend-verification")),
            _ => ("reset-password", Request::post("/api/auth/request-password-reset", &json!({ "email": ADDRESS }))),
        };
        self.service.clock.advance(60);
        let login = json!({ "username": ADDRESS, "password": "Sesame42" });
        let session = Api::at(&self.url).send(Request::post("/api/auth/login", &login)).await.expect(200);
        let send_link = send_link.bearer(session["token"].as_str().expect("a token"));
        self.service.api.send(send_link).await.expect(200);
        let token = self.service.newest_token(kind, ADDRESS).await;
        format!("{}/{page}#token={token}", self.url)
    }

    /// Opens `link`, fills in the form if there is one, and submits it.
    async fn submit(&self, link: &str) {
        self.browser.go_to(link).await;
        if link.contains("reset-password") {
            for field in ["#password", "#repeat"] {
                self.browser.type_text(field, "Sesame42").await;
            }
        }
        self.browser.click(".submit").await;
    }

    /// Waits for `heading`, then checks the page in each appearance and saves screenshots as `name`.
    async fn check(&self, name: &str, heading: &str) {
        self.browser.wait_for_heading(heading).await;
        for (scheme, width) in [("light", 760), ("dark", 760), ("light", 360), ("dark", 360)] {
            self.browser.set_appearance(width, scheme).await;
            // Emails need no landmarks, so the best-practice rules for pages do not apply.
            let tags = if name.starts_with("email") { &WCAG[..] } else { &[&WCAG[..], &["best-practice"]].concat() };
            let violations = self.browser.accessibility_violations(tags).await;
            assert_eq!(violations, Vec::<String>::new(), "{name}, {scheme}, {width} pixels wide");
            self.browser.take_screenshot(&format!("{name}-{scheme}-{width}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emails_are_accessible() {
    let fixture = Fixture::start("off").await;
    let confirm = fixture.link(EmailKind::VerifyEmail).await;
    let reset = fixture.link(EmailKind::ResetPassword).await;
    fixture.submit(&confirm).await;
    fixture.browser.wait_for_heading("Email address confirmed").await;
    fixture.submit(&reset).await;
    fixture.browser.wait_for_heading("Your password is changed").await;
    let folder = tests::scratch_dir();
    for (kind, heading) in [
        (EmailKind::VerifyEmail, "Confirm your email address"),
        (EmailKind::Welcome, "Welcome to SQL Studio"),
        (EmailKind::ResetPassword, "Reset your password"),
        (EmailKind::PasswordChanged, "Your password was changed"),
    ] {
        let email = fixture.service.newest_email(kind, ADDRESS).await.expect("the email was sent");
        let file = folder.path().join(format!("{}.html", kind.name()));
        std::fs::write(&file, email.html).expect("writable");
        fixture.browser.open_file(&file).await;
        fixture.check(&format!("email-{}", kind.name()), heading).await;
    }
    assert_eq!(fixture.browser.take_log_warnings().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_accessible_in_every_state() {
    let fixture = Fixture::start("off").await;
    for (kind, page, ready, success, lifetime) in [
        (EmailKind::VerifyEmail, "verify-email", "Confirm your email address", "Email address confirmed", 24 * 3_600),
        (EmailKind::ResetPassword, "reset-password", "Choose a new password", "Your password is changed", 3_600),
    ] {
        let link = fixture.link(kind).await;
        fixture.browser.go_to(&link).await;
        fixture.check(&format!("{page}-ready"), ready).await;
        fixture.proxy.set_fault(Fault::Down);
        if kind == EmailKind::ResetPassword {
            fixture.browser.type_text("#password", "Sesame42").await;
            fixture.check("reset-password-typing", ready).await;
            fixture.browser.type_text("#repeat", "Sesame42").await;
        }
        fixture.browser.click(".submit").await;
        fixture.browser.wait_for("[data-notice=failed]").await;
        fixture.check(&format!("{page}-failed"), ready).await;
        fixture.proxy.set_fault(Fault::None);
        fixture.service.clock.advance(lifetime);
        fixture.browser.click(".submit").await;
        fixture.check(&format!("{page}-expired"), "This link has expired").await;

        let link = fixture.link(kind).await;
        fixture.submit(&link).await;
        fixture.check(&format!("{page}-success"), success).await;
        fixture.submit(&link).await;
        fixture.check(&format!("{page}-used"), "This link no longer works").await;
        fixture.browser.go_to(link.split('#').next().unwrap_or_default()).await;
        fixture.check(&format!("{page}-invalid"), "This link is not complete").await;
    }
}

/// Bob signed up elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmation_from_another_network_asks_for_the_password() {
    let fixture = Fixture::start("off").await;
    fixture.service.api.sign_up("bob").await;
    let token = fixture.service.newest_token(EmailKind::VerifyEmail, "bob@example.com").await;
    let (ready, success) = ("Confirm your email address", "Email address confirmed");
    fixture.submit(&format!("{}/verify-email#token={token}", fixture.url)).await;
    fixture.browser.wait_for("#proof").await;
    fixture.check("verify-email-password", ready).await;
    fixture.browser.type_text("#password", "Guess000").await;
    fixture.browser.click(".submit").await;
    fixture.browser.wait_for("#password-error").await;
    fixture.check("verify-email-wrong-password", ready).await;
    fixture.browser.find("#password").await.clear().await.expect("a field");
    fixture.browser.type_text("#password", "Sesame42").await;
    fixture.browser.click(".submit").await;
    fixture.browser.wait_for_heading(success).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limited_page_is_accessible() {
    let fixture = Fixture::start("on").await;
    let link = fixture.link(EmailKind::VerifyEmail).await;
    let api = Api::at(&fixture.url);
    let confirm = Request::post("/api/auth/verify-email", &json!({ "token": "A".repeat(43) }));
    while api.send(confirm.clone()).await.status != 429 {}
    fixture.submit(&link).await;
    fixture.browser.wait_for("[data-notice=limited]").await;
    fixture.check("verify-email-limited", "Confirm your email address").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_reference_is_accessible() {
    let fixture = Fixture::start("off").await;
    fixture.browser.go_to(&format!("{}/docs", fixture.url)).await;
    fixture.check("reference", concat!("SQL Studio Sync API ", env!("CARGO_PKG_VERSION"))).await;
    assert_eq!(fixture.browser.take_log_warnings().await, Vec::<String>::new());
}
