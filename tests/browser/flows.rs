//! Email verification and password reset in the browser.

use tests::Request;

use crate::user::{BrowserUser, PASSWORD};

const NEW_PASSWORD: &str = "Barley77";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn email_verification_requires_click_and_sends_welcome() {
    let ada = BrowserUser::sign_up(&[]).await;
    let link = ada.link("verify_email").await;
    let is_verified = async || ada.profile(&ada.session).await.expect(200)["user"]["email_verified"] == true;

    // Email scanners open links, with or without a browser.
    let path = link.trim_start_matches(&ada.server.base_url);
    for _ in 0..2 {
        ada.send(Request::get(path)).await;
        ada.browser.go_to(&link).await;
        ada.browser.wait_for_heading("Confirm your email address").await;
    }
    assert!(!is_verified().await);
    assert!(!ada.browser.address().await.contains("token"), "the token is removed from the browser history");

    ada.browser.click(".submit").await;
    ada.browser.wait_for_heading("Email address confirmed").await;
    assert!(is_verified().await);
    let welcome = ada.email_file("welcome").await;
    ada.browser.open_file(&welcome).await;
    ada.browser.wait_for_heading("Welcome to SQL Studio").await;
    assert!(ada.browser.text().await.contains("Hello ada,"));

    ada.browser.go_to(&link).await;
    ada.browser.click(".submit").await;
    ada.browser.wait_for_heading("This link no longer works").await;
    assert_eq!(ada.browser.take_log_warnings().await.iter().filter(|entry| !entry.contains("410")).count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_reset_ends_old_sessions() {
    let ada = BrowserUser::sign_up(&[]).await;
    let other = ada.log_in(PASSWORD).await.expect(200);
    ada.request_password_reset().await;
    let link = ada.link("reset_password").await;
    ada.browser.go_to(&link).await;
    ada.browser.wait_for_heading("Choose a new password").await;

    let is_ready = async || ada.browser.find(".submit").await.is_enabled().await.expect("the button exists");
    let met_rules = async || ada.browser.find("#rules").await.text().await.expect("readable").matches("(met)").count();
    assert!(!is_ready().await);
    for (typed, rules) in [("barley", 0), ("77", 1)] {
        ada.browser.type_text("#password", typed).await;
        assert_eq!(met_rules().await, rules, "{typed}");
        assert!(!is_ready().await);
    }
    ada.browser.find("#password").await.clear().await.expect("a field");
    ada.browser.type_text("#password", NEW_PASSWORD).await;
    ada.browser.type_text("#repeat", "Barley").await;
    assert!(!is_ready().await, "the two passwords differ");
    ada.browser.type_text("#repeat", "77").await;
    assert!(is_ready().await);
    ada.profile(&other).await.expect(200);

    ada.browser.click(".submit").await;
    ada.browser.wait_for_heading("Your password is changed").await;
    for session in [&ada.session, &other] {
        ada.profile(session).await.expect_error(401, "UNAUTHORIZED");
    }
    ada.log_in(PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    ada.log_in(NEW_PASSWORD).await.expect(200);
    ada.email_file("password_changed").await;
    ada.email_file("welcome").await;
    assert_eq!(ada.browser.take_log_warnings().await, Vec::<String>::new());
}
