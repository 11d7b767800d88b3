//! Account enumeration: responses do not reveal whether an account exists.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::Value;
use shared::storage::EmailKind::{ResetPassword, VerifyEmail};
use tests::{PASSWORD, Request, Response, Service, TestUser, try_login};

use crate::helpers::{from_address, request_password_reset, try_sign_up, verify_email};

/// Returns status, headers and body of a response, without the request id.
fn comparable(response: &Response) -> (u16, Vec<(String, String)>, Value) {
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("readable").to_owned();
    let headers = response.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    let mut headers: Vec<_> = headers.filter(|(name, _)| name != "x-request-id").collect();
    headers.sort();
    let mut body = response.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    (response.status, headers, body)
}

/// Rate limits are on, because the remaining requests are part of the response.
#[tokio::test]
async fn unknown_user_and_wrong_password_have_equal_responses() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    let mut responses = Vec::new();
    for (n, name) in ["ada", "ada@example.com", "bob", "bob@example.com", " ", "' OR 1=1 --"].into_iter().enumerate() {
        // Each request comes from its own address and a minute later, so that all have the same rate limits.
        service.clock.advance(60);
        let client = from_address(&service.api, &format!("192.0.2.{n}"));
        responses.push(comparable(&try_login(&client, name, "Sesame43").await));
    }
    assert_eq!(responses[0].0, 401);
    for response in &responses {
        assert_eq!(*response, responses[0]);
    }
    try_login(&from_address(&service.api, "192.0.2.99"), "ada", PASSWORD).await.expect(200);
}

/// Compares median response times. A login without password hashing would be a hundred times as fast.
#[tokio::test]
async fn unknown_user_and_wrong_password_take_equal_time() {
    const SAMPLES: usize = 15;
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        // Alternating, so that other load on the machine affects both.
        for (name, times) in [("ada", &mut known), ("bob", &mut unknown)] {
            let started = Instant::now();
            try_login(&service.api, name, "Sesame43").await.expect_error(401, "INVALID_CREDENTIALS");
            times.push(started.elapsed());
        }
    }
    let [known, unknown] = [known, unknown].map(|mut times: Vec<Duration>| {
        times.sort();
        times[SAMPLES / 2]
    });
    assert!(known < unknown * 3 && unknown < known * 3, "{known:?} for a known name, {unknown:?} for an unknown name");
}

#[tokio::test]
async fn password_reset_responses_are_equal_for_all_addresses() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    service.api.sign_up("grace").await;
    let token = service.newest_token(VerifyEmail, "grace@example.com").await;
    verify_email(&service.api, &token).await.expect(200);
    let before = service.mailer.count();
    let mut responses = Vec::new();
    for (n, name) in ["ada", "grace", "bob", "ada"].into_iter().enumerate() {
        let client = from_address(&service.api, &format!("192.0.2.{n}"));
        responses.push(comparable(&request_password_reset(&client, &format!("{name}@example.com")).await));
    }
    assert_eq!(responses[0].0, 200);
    for response in &responses {
        assert_eq!(*response, responses[0]);
    }
    for (name, is_sent) in [("ada", true), ("grace", true), ("bob", false)] {
        let email = service.newest_email(ResetPassword, &format!("{name}@example.com")).await;
        assert_eq!(email.is_some(), is_sent, "{name}");
    }
    assert!(service.mailer.count() > before);
}

#[tokio::test]
async fn resend_responses_are_equal_for_verified_and_unverified_addresses() {
    let service = Service::start().await;
    let (ada, grace) = (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "grace").await);
    let token = service.newest_token(VerifyEmail, "grace@example.com").await;
    verify_email(&service.api, &token).await.expect(200);
    service.clock.advance(60);
    let resend = || Request::new(Method::POST, "/api/auth/resend-verification");
    let (unverified, verified) = (ada.send(resend()).await, grace.send(resend()).await);
    unverified.expect(200);
    assert_eq!(comparable(&unverified), comparable(&verified));
    // Without a token the request is rejected.
    service.api.send(resend()).await.expect_error(401, "UNAUTHORIZED");
}

/// A sign-up must report that a name or an address is taken, but reveals nothing else about the account.
#[tokio::test]
async fn sign_up_conflict_reveals_nothing_about_the_owner() {
    let service = Service::start().await;
    for name in ["ada", "grace"] {
        let owner = TestUser::sign_up(&service.api, name).await;
        if name == "grace" {
            let token = service.newest_token(VerifyEmail, "grace@example.com").await;
            verify_email(&service.api, &token).await.expect(200);
        }
        assert!(owner.is_authenticated().await);
    }
    let by_name = [
        try_sign_up(&service.api, "ada", "new@example.com").await,
        try_sign_up(&service.api, "GRACE", "new@example.com").await,
    ];
    let by_address = [
        try_sign_up(&service.api, "new", "ada@example.com").await,
        try_sign_up(&service.api, "new", "Grace@Example.com").await,
    ];
    for [unverified, verified] in [by_name, by_address] {
        unverified.expect_error(409, "CONFLICT");
        assert_eq!(comparable(&unverified), comparable(&verified));
        let text = comparable(&unverified).2.to_string();
        for secret in ["ada", "grace", "example.com", "2026"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    // A free name and address are accepted.
    try_sign_up(&service.api, "new", "new@example.com").await.expect(201);
}
