//! Strangers cannot lock a user out, and learn nothing about accounts from the limits.

use serde_json::{Value, json};
use tests::{Api, PASSWORD, Request, Response, Service, TestUser, refresh, try_login};

use crate::helpers::from_address;

/// Logs in on the device that `device_token` stands for.
async fn log_in_on(api: &Api, name: &str, password: &str, device_token: &Value) -> Response {
    let body = json!({ "username": name, "password": password, "device_token": device_token });
    api.send(Request::post("/api/auth/login", &body)).await
}

/// Values of the headers that depend on limits.
fn limit_headers(response: &Response) -> Vec<Option<String>> {
    let names =
        ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit", "ratelimit-policy", "retry-after"];
    names.map(|name| response.header(name).map(str::to_owned)).to_vec()
}

/// Four wrong logins a second from one address, for a minute.
#[tokio::test]
async fn stranger_at_one_address_locks_nobody_out() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    let stranger = from_address(&service.api, "192.0.2.66");
    for second in 0..60 {
        for _ in 0..4 {
            let status = try_login(&stranger, "ada", "Guess000").await.status;
            assert!([401, 429].contains(&status), "{status}");
        }
        service.clock.advance(1);
        if second % 5 == 0 {
            let ada = from_address(&service.api, &format!("203.0.113.{second}"));
            try_login(&ada, "ada", PASSWORD).await.expect(200);
        }
    }
}

/// Strangers in 300 networks and in the user's own network exhaust the failures of the name, but not those of a known device.
#[tokio::test]
async fn known_device_is_not_held_up_by_strangers() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    let office = from_address(&service.api, "198.51.100.1");
    let device_token = try_login(&office, "ada", PASSWORD).await.expect(200)["device_token"].clone();
    for n in 0..310 {
        try_login(&from_address(&service.api, &format!("2001:db8:{n:x}::1")), "ada", "Guess000").await;
    }
    for n in 0..40 {
        try_login(&office, &format!("user{n}"), "Guess000").await;
    }
    let elsewhere = from_address(&service.api, "203.0.113.1");
    try_login(&elsewhere, "ada", PASSWORD).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    let renewed = log_in_on(&office, "ada", PASSWORD, &device_token).await.expect(200)["device_token"].clone();
    for token in [&device_token, &renewed] {
        log_in_on(&elsewhere, "ADA@example.com", PASSWORD, token).await.expect(200);
    }
    // An expired one has no effect.
    service.clock.advance(90 * 24 * 3_600);
    for n in 0..310 {
        try_login(&from_address(&service.api, &format!("2001:db8:{n:x}::1")), "ada", "Guess000").await;
    }
    log_in_on(&elsewhere, "ada", PASSWORD, &renewed).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
}

/// Successful logins cost a password hash each, so they are limited, too.
#[tokio::test]
async fn logins_on_a_known_device_are_limited_per_user() {
    let service = Service::with_settings(&[]).await;
    let mut device_token = service.api.sign_up("ada").await["device_token"].clone();
    for n in 0..20 {
        let here = from_address(&service.api, &format!("192.0.2.{n}"));
        device_token = log_in_on(&here, "ada", PASSWORD, &device_token).await.expect(200)["device_token"].clone();
    }
    let here = from_address(&service.api, "192.0.2.99");
    log_in_on(&here, "ada", PASSWORD, &device_token).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    service.clock.advance(3);
    log_in_on(&here, "ada", PASSWORD, &device_token).await.expect(200);
}

/// An attacker who knew an earlier password, for example because they signed up with the address, cannot guess the new one with tokens of
/// that time, nor use up the logins of the user's own devices.
#[tokio::test]
async fn device_token_of_an_earlier_password_has_no_effect() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let stranger = from_address(&service.api, "192.0.2.66");
    let old = try_login(&stranger, "ada", PASSWORD).await.expect(200)["device_token"].clone();
    let change = json!({ "current_password": PASSWORD, "new_password": "Barley77" });
    ada.post("/api/auth/change-password", &change).await.expect(200);
    let own = try_login(&service.api, "ada", "Barley77").await.expect(200)["device_token"].clone();
    for _ in 0..10 {
        log_in_on(&stranger, "ada", "Guess000", &old).await.expect_error(401, "INVALID_CREDENTIALS");
    }
    log_in_on(&stranger, "ada", "Barley77", &old).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    for n in 0..30 {
        log_in_on(&from_address(&service.api, &format!("192.0.2.{n}")), "ada", "Guess000", &old).await;
    }
    log_in_on(&service.api, "ada", "Barley77", &own).await.expect(200);
}

/// A device token is no password, and allows no more guesses than a network without one.
#[tokio::test]
async fn device_token_allows_ten_wrong_passwords() {
    let service = Service::with_settings(&[]).await;
    let signed_up = service.api.sign_up("ada").await;
    let device_token = signed_up["device_token"].clone();
    for n in 0..10 {
        let here = from_address(&service.api, &format!("192.0.2.{n}"));
        log_in_on(&here, "ada", &format!("Guess{n:03}"), &device_token).await.expect_error(401, "INVALID_CREDENTIALS");
    }
    let here = from_address(&service.api, "192.0.2.99");
    log_in_on(&here, "ada", PASSWORD, &device_token).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    // Without the token, the device counts as unknown.
    try_login(&here, "ada", PASSWORD).await.expect(200);
}

/// A token of another account, a forged one, or an access token has no effect: the login counts as one of an unknown device.
#[tokio::test]
async fn token_of_another_account_is_ignored() {
    let service = Service::with_settings(&[]).await;
    let ada = service.api.sign_up("ada").await;
    let eve = service.api.sign_up("eve").await;
    for (n, token) in [&eve["device_token"], &ada["token"], &json!("forged"), &json!("")].into_iter().enumerate() {
        let here = from_address(&service.api, &format!("192.0.2.{n}"));
        for _ in 0..10 {
            log_in_on(&here, "ada", "Guess000", token).await.expect_error(401, "INVALID_CREDENTIALS");
        }
        log_in_on(&here, "ada", PASSWORD, token).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
        // The failures count for the network …
        try_login(&here, "ada", PASSWORD).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    }
    // … and not for the device of the other account.
    let fresh = from_address(&service.api, "192.0.2.99");
    log_in_on(&fresh, "eve", PASSWORD, &eve["device_token"]).await.expect(200);
    let device =
        TestUser::from_tokens(&service.api, "eve", &json!({ "token": eve["device_token"], "refresh_token": "" }));
    device.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
}

/// A refresh token of a session that has ended cannot use up the limit of its user.
#[tokio::test]
async fn dead_refresh_token_delays_nobody() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let other = ada.log_in().await;
    other.post("/api/auth/logout", &json!({})).await.expect(200);
    for n in 0..30 {
        let stranger = from_address(&service.api, &format!("192.0.2.{n}"));
        refresh(&stranger, &other.refresh_token).await.expect_error(401, "UNAUTHORIZED");
    }
    assert!(ada.is_authenticated().await);
    refresh(&service.api, &ada.refresh_token).await.expect(200);
}

/// The limits of a name, of its account's address, and of a name without an account look the same.
#[tokio::test]
async fn limits_reveal_no_account() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    let attempts = async |names: &[&str], network: &str| {
        let mut seen = Vec::new();
        for name in names {
            let response = try_login(&from_address(&service.api, network), name, "Guess000").await;
            seen.push((response.status, limit_headers(&response)));
        }
        seen
    };
    // Failures of the name do not show at the address of the same account.
    let related =
        attempts(&["ada"; 11].into_iter().chain(["ada@example.com"; 6]).collect::<Vec<_>>(), "192.0.2.1").await;
    let unrelated =
        attempts(&["ada"; 11].into_iter().chain(["bob@example.com"; 6]).collect::<Vec<_>>(), "192.0.2.2").await;
    let unknown =
        attempts(&["eve"; 11].into_iter().chain(["bob@example.com"; 6]).collect::<Vec<_>>(), "192.0.2.3").await;
    assert_eq!((related[10].0, related[11].0), (429, 401));
    assert_eq!(related, unrelated);
    assert_eq!(related, unknown);
}
