//! From signing up to a welcome, and from a forgotten password to a new one.

use tests::Call;

use crate::person::{PASSWORD, Person};

const NEW_PASSWORD: &str = "Barley77";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_up_confirms_the_address_and_is_welcomed() {
    let ada = Person::signs_up(&[]).await;
    let link = ada.link("verify_email").await;
    let is_verified = async || ada.profile(&ada.session).await.expect(200)["user"]["email_verified"] == true;

    // As scanners do that look where links lead, with a browser or without.
    let path = link.trim_start_matches(&ada.server.base);
    for _ in 0..2 {
        ada.sends(Call::get(path)).await;
        ada.browser.goes_to(&link).await;
        ada.browser.sees("Confirm your email address").await;
    }
    assert!(!is_verified().await);
    assert!(!ada.browser.address().await.contains("token"), "the token stays in no history");

    ada.browser.presses(".submit").await;
    ada.browser.sees("Email address confirmed").await;
    assert!(is_verified().await);
    let welcome = ada.mail("welcome").await;
    ada.browser.opens_file(&welcome).await;
    ada.browser.sees("Welcome to SQL Studio").await;
    assert!(ada.browser.text().await.contains("Hello ada,"));

    ada.browser.goes_to(&link).await;
    ada.browser.presses(".submit").await;
    ada.browser.sees("This link no longer works").await;
    assert_eq!(ada.browser.complaints().await.iter().filter(|entry| !entry.contains("410")).count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_forgot_the_password_sets_a_new_one_and_old_sessions_are_out() {
    let ada = Person::signs_up(&[]).await;
    let other = ada.logs_in(PASSWORD).await.expect(200);
    ada.forgets_password().await;
    let link = ada.link("reset_password").await;
    ada.browser.goes_to(&link).await;
    ada.browser.sees("Choose a new password").await;

    let is_ready = async || ada.browser.find(".submit").await.is_enabled().await.expect("the button is there");
    let met = async || ada.browser.find("#rules").await.text().await.expect("readable").matches("(met)").count();
    assert!(!is_ready().await);
    for (typed, rules) in [("barley", 1), ("B", 2), ("7", 4)] {
        ada.browser.types("#password", typed).await;
        assert_eq!(met().await, rules, "{typed}");
        assert!(!is_ready().await);
    }
    ada.browser.find("#password").await.clear().await.expect("a field");
    ada.browser.types("#password", NEW_PASSWORD).await;
    ada.browser.types("#repeat", "Barley").await;
    assert!(!is_ready().await, "the second is not the first");
    ada.browser.types("#repeat", "77").await;
    assert!(is_ready().await);
    ada.profile(&other).await.expect(200);

    ada.browser.presses(".submit").await;
    ada.browser.sees("Your password is changed").await;
    for session in [&ada.session, &other] {
        ada.profile(session).await.refused(401, "UNAUTHORIZED");
    }
    ada.logs_in(PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
    ada.logs_in(NEW_PASSWORD).await.expect(200);
    ada.mail("password_changed").await;
    ada.mail("welcome").await;
    assert_eq!(ada.browser.complaints().await, Vec::<String>::new());
}
