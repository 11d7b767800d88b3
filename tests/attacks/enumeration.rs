//! Who has an account is not told to those who only ask.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::Value;
use shared::storage::MailKind::{ResetPassword, VerifyEmail};
use tests::{Answer, Call, PASSWORD, Person, Service, try_login};

use crate::people::{confirm, forget_password, from, try_sign_up};

/// All that an answer says, but for what differs from request to request.
fn said(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("readable").to_owned();
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    let mut headers: Vec<_> = headers.filter(|(name, _)| name != "x-request-id").collect();
    headers.sort();
    let mut body = answer.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    (answer.status, headers, body)
}

/// Calls are counted here, for how many are left is said as well.
#[tokio::test]
async fn an_unknown_name_is_answered_like_a_wrong_password() {
    let service = Service::with(&[]).await;
    service.api.sign_up("ada").await;
    let mut answers = Vec::new();
    for (n, name) in ["ada", "ada@example.com", "bob", "bob@example.com", " ", "' OR 1=1 --"].into_iter().enumerate() {
        // Each from an address of its own, and a minute later, so that they start from the same count.
        service.clock.advance(60);
        let somebody = from(&service.api, &format!("192.0.2.{n}"));
        answers.push(said(&try_login(&somebody, name, "Sesame43").await));
    }
    assert_eq!(answers[0].0, 401);
    for answer in &answers {
        assert_eq!(*answer, answers[0]);
    }
    try_login(&from(&service.api, "192.0.2.99"), "ada", PASSWORD).await.expect(200);
}

/// By the clock, but only as far as the work goes that hashing is: a login that skips it is a hundred times as fast.
#[tokio::test]
async fn an_unknown_name_costs_as_much_work_as_a_wrong_password() {
    const SAMPLES: usize = 15;
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        // In turns, so that whatever else the machine does falls on both.
        for (name, times) in [("ada", &mut known), ("bob", &mut unknown)] {
            let started = Instant::now();
            try_login(&service.api, name, "Sesame43").await.refused(401, "INVALID_CREDENTIALS");
            times.push(started.elapsed());
        }
    }
    let [known, unknown] = [known, unknown].map(|mut times: Vec<Duration>| {
        times.sort();
        times[SAMPLES / 2]
    });
    assert!(known < unknown * 3 && unknown < known * 3, "{known:?} for a known name, {unknown:?} for none");
}

#[tokio::test]
async fn a_forgotten_password_is_answered_alike_for_everybody() {
    let service = Service::with(&[]).await;
    service.api.sign_up("ada").await;
    service.api.sign_up("grace").await;
    let token = service.newest_token(VerifyEmail, "grace@example.com").await;
    confirm(&service.api, &token).await.expect(200);
    let before = service.mails.count();
    let mut answers = Vec::new();
    for (n, name) in ["ada", "grace", "bob", "ada"].into_iter().enumerate() {
        let somebody = from(&service.api, &format!("192.0.2.{n}"));
        answers.push(said(&forget_password(&somebody, &format!("{name}@example.com")).await));
    }
    assert_eq!(answers[0].0, 200);
    for answer in &answers {
        assert_eq!(*answer, answers[0]);
    }
    for (name, mailed) in [("ada", true), ("grace", true), ("bob", false)] {
        let mail = service.newest_mail(ResetPassword, &format!("{name}@example.com")).await;
        assert_eq!(mail.is_some(), mailed, "{name}");
    }
    assert!(service.mails.count() > before);
}

#[tokio::test]
async fn another_link_is_answered_alike_whether_the_address_is_confirmed_or_not() {
    let service = Service::start().await;
    let (ada, grace) = (Person::joins(&service.api, "ada").await, Person::joins(&service.api, "grace").await);
    let token = service.newest_token(VerifyEmail, "grace@example.com").await;
    confirm(&service.api, &token).await.expect(200);
    service.clock.advance(60);
    let again = || Call::new(Method::POST, "/api/auth/resend-verification");
    let (unconfirmed, confirmed) = (ada.sends(again()).await, grace.sends(again()).await);
    unconfirmed.expect(200);
    assert_eq!(said(&unconfirmed), said(&confirmed));
    // Without a token nothing is said of anybody.
    service.api.send(again()).await.refused(401, "UNAUTHORIZED");
}

/// Signing up has to tell that a name or an address is taken, but nothing of whoever has it.
#[tokio::test]
async fn a_taken_name_or_address_tells_nothing_more_of_its_owner() {
    let service = Service::start().await;
    for name in ["ada", "grace"] {
        let owner = Person::joins(&service.api, name).await;
        if name == "grace" {
            let token = service.newest_token(VerifyEmail, "grace@example.com").await;
            confirm(&service.api, &token).await.expect(200);
        }
        assert!(owner.is_let_in().await);
    }
    let by_name = [
        try_sign_up(&service.api, "ada", "new@example.com").await,
        try_sign_up(&service.api, "GRACE", "new@example.com").await,
    ];
    let by_address = [
        try_sign_up(&service.api, "new", "ada@example.com").await,
        try_sign_up(&service.api, "new", "Grace@Example.com").await,
    ];
    for [unconfirmed, confirmed] in [by_name, by_address] {
        unconfirmed.refused(409, "CONFLICT");
        assert_eq!(said(&unconfirmed), said(&confirmed));
        let text = said(&unconfirmed).2.to_string();
        for secret in ["ada", "grace", "example.com", "2026"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    // Nobody is called so yet.
    try_sign_up(&service.api, "new", "new@example.com").await.expect(201);
}
