//! Rate limits and their headers.

use axum::Extension;
use serde_json::json;
use shared::http::ClientAddress;
use tests::{Api, PASSWORD, Request, Response, Service, TestUser, no_op_upload, refresh, try_login};

/// Parses a numeric header.
fn number(response: &Response, header: &str) -> u32 {
    response.header(header).unwrap_or_else(|| panic!("there is no {header}")).parse().expect("a number")
}

/// Returns a transport whose requests have the client address `address`.
fn from_address(service: &Service, address: &str) -> Api {
    let Api::Router(router) = &service.api else { panic!("the service is in this process") };
    Api::Router(router.clone().layer(Extension(ClientAddress(address.to_owned()))))
}

/// Sends `limit` requests, asserts that the next one is rejected, waits for `retry-after`, and asserts that one more succeeds.
async fn check_limit(service: &Service, user: &TestUser, request: &Request, limit: u32) {
    for count in 1..=limit {
        let response = user.send(request.clone()).await;
        assert_ne!(response.status, 429, "{} after {count}", request.path);
        assert_eq!(number(&response, "ratelimit-limit"), limit);
        assert_eq!(number(&response, "ratelimit-remaining"), limit - count);
        assert_eq!(number(&response, "ratelimit-reset"), 60 * count / limit);
    }
    let refused = user.send(request.clone()).await;
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);
    assert_eq!(number(&refused, "ratelimit-reset"), 60);
    let wait = number(&refused, "retry-after");
    assert_eq!(wait, 60 / limit);
    service.clock.advance(i64::from(wait) - 1);
    assert_eq!(user.send(request.clone()).await.status, 429);
    service.clock.advance(1);
    assert_ne!(user.send(request.clone()).await.status, 429);
    assert_eq!(user.send(request.clone()).await.status, 429);
}

#[tokio::test]
async fn rate_limits_are_per_user_and_scope() {
    let service = Service::with_settings(&[]).await;
    let (ada, bob) = (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "bob").await);
    let upload = Request::post("/api/sync/upload", &no_op_upload("laptop"));
    let download = Request::get("/api/sync/download?device_id=laptop");
    let conflicts = Request::get("/api/sync/conflicts");
    check_limit(&service, &ada, &upload, 10).await;
    check_limit(&service, &ada, &download, 20).await;
    assert_eq!(ada.get("/api/sync/status").await.status, 429, "the status shares the limit of downloads");
    check_limit(&service, &ada, &conflicts, 10).await;
    for request in [upload, download, conflicts] {
        let response = bob.send(request).await;
        assert_eq!(number(&response, "ratelimit-remaining"), number(&response, "ratelimit-limit") - 1);
    }
}

#[tokio::test]
async fn polls_that_find_nothing_have_a_limit_of_their_own() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let full = Request::get("/api/sync/download?device_id=laptop");
    let poll = Request::get("/api/sync/download?device_id=laptop&since=1970-01-01T00:00:00Z");
    for count in 1..=120 {
        let response = ada.send(poll.clone()).await;
        let shown = ["limit", "remaining"].map(|name| number(&response, &format!("ratelimit-{name}")));
        assert_eq!((response.status, shown), (200, [120, 120 - count]));
    }
    let refused = ada.send(poll.clone()).await;
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(number(&refused, "retry-after"), 1);
    service.clock.advance(1);
    assert_eq!(ada.send(poll.clone()).await.status, 200);
    assert_eq!(number(&ada.send(full.clone()).await, "ratelimit-limit"), 20);

    let bob = TestUser::sign_up(&service.api, "bob").await;
    for count in 1..=19 {
        assert_eq!(number(&bob.send(full.clone()).await, "ratelimit-remaining"), 20 - count);
        assert_eq!(number(&bob.send(poll.clone()).await, "ratelimit-remaining"), 120 - count);
    }
    bob.upload("laptop", &[tests::query_update(&service, "1", "q", "select 1", 0)]).await;
    let found = bob.send(poll.clone()).await;
    assert_eq!((found.status, number(&found, "ratelimit-limit"), number(&found, "ratelimit-remaining")), (200, 20, 0));
    let refused = bob.send(poll).await;
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(number(&refused, "ratelimit-limit"), 20, "what a poll finds is known only afterwards");
}

#[tokio::test]
async fn polls_beyond_their_limit_use_up_that_of_downloads() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let poll = Request::get("/api/sync/download?device_id=laptop&since=1970-01-01T00:00:00Z");
    let mut limits = Vec::new();
    for _ in 0..160 {
        let response = ada.send(poll.clone()).await;
        if response.status == 429 {
            limits.push(number(&response, "ratelimit-limit"));
        }
    }
    let expected: Vec<u32> = [vec![120; 20], vec![20; 20]].concat();
    assert_eq!(limits, expected, "so that the store is asked no more than 140 times");
}

#[tokio::test]
async fn rate_limit_applies_before_the_body_is_read() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let invalid = Request::new(axum::http::Method::POST, "/api/sync/upload").body("text/plain", "no JSON");
    check_limit(&service, &ada, &invalid, 10).await;
}

#[tokio::test]
async fn responses_of_limited_routes_have_rate_limit_headers() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (request, status, limit) in [
        (Request::get("/api/sync/status").bearer("nonsense"), 401, 20),
        (Request::get("/api/sync/conflicts"), 401, 10),
        (Request::post("/api/auth/login", &json!({ "username": 7 })), 400, 20),
        (Request::get("/api/sync/download").bearer(&ada.token), 400, 20),
        (
            Request::post("/api/sync/conflicts/c/resolve", &json!({ "strategy": "keep_both" })).bearer(&ada.token),
            404,
            10,
        ),
        (Request::get("/api/auth/profile").bearer(&ada.token), 200, 20),
    ] {
        let path = request.path.clone();
        let response = service.api.send(request).await;
        assert_eq!((response.status, number(&response, "ratelimit-limit")), (status, limit), "{path}");
        assert!(number(&response, "ratelimit-remaining") <= limit);
        assert!(response.header("ratelimit-reset").is_some());
    }
    assert!(service.api.send(Request::get("/api/sync/limits")).await.header("ratelimit-limit").is_none());
}

#[tokio::test]
async fn address_is_limited_to_twenty_auth_requests_per_minute() {
    let service = Service::with_settings(&[]).await;
    let (here, elsewhere) = (from_address(&service, "192.0.2.1"), from_address(&service, "192.0.2.2"));
    for n in 0..20 {
        try_login(&here, &format!("guess {n}"), PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    }
    let refused = try_login(&here, "one more guess", PASSWORD).await;
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!((number(&refused, "retry-after"), number(&refused, "ratelimit-remaining")), (3, 0));
    let forwarded = Request::post("/api/auth/login", &json!({ "username": "guess", "password": PASSWORD }))
        .header("x-forwarded-for", "192.0.2.3")
        .header("forwarded", "for=192.0.2.3");
    here.send(forwarded).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    try_login(&elsewhere, "guess 0", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    service.clock.advance(3);
    try_login(&here, "guess 21", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn failed_logins_are_limited_to_ten_in_fifteen_minutes_per_name_and_network() {
    let service = Service::with_settings(&[]).await;
    service.api.sign_up("ada").await;
    service.api.sign_up("bob").await;
    let here = from_address(&service, "2001:db8::1");
    for n in 0..10 {
        let name = if n % 2 == 0 { "ada" } else { "ADA" };
        try_login(&here, name, "Sesame43").await.expect_error(401, "INVALID_CREDENTIALS");
        // Logins that succeed do not count.
        try_login(&from_address(&service, "2001:db8::2"), "bob", PASSWORD).await.expect(200);
        service.clock.advance(3);
    }
    let refused = try_login(&from_address(&service, "2001:db8::2"), "ada", PASSWORD).await;
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(number(&refused, "retry-after"), 60, "90 s after the first failure");
    try_login(&from_address(&service, "2001:db8:0:1::1"), "ada", PASSWORD).await.expect(200);
    service.clock.advance(60);
    try_login(&here, "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn office_behind_one_address_can_start_work() {
    let service = Service::with_settings(&[]).await;
    let office = from_address(&service, "192.0.2.1");
    let mut users = Vec::new();
    for n in 0..40 {
        let user = from_address(&service, &format!("198.51.100.{n}")).sign_up(&format!("user{n}")).await;
        users.push(user);
    }
    // All of them, within a minute: their tokens are refreshed, their sessions listed.
    for user in &users {
        let refreshed = refresh(&office, user["refresh_token"].as_str().expect("a token")).await.expect(200);
        let token = refreshed["token"].as_str().expect("a token");
        for path in ["/api/auth/profile", "/api/auth/sessions"] {
            office.send(Request::get(path).bearer(token)).await.expect(200);
        }
    }
}

#[tokio::test]
async fn account_is_limited_to_twenty_calls_with_a_token_per_minute() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let bob = TestUser::sign_up(&service.api, "bob").await;
    for n in 0..10 {
        let client = from_address(&service, &format!("192.0.2.{n}"));
        client.send(Request::get("/api/auth/profile").bearer(&ada.token)).await.expect(200);
        refresh(&client, &ada.refresh_token).await.expect(200);
    }
    let refused = ada.get("/api/auth/profile").await;
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(number(&refused, "retry-after"), 3);
    refresh(&service.api, &ada.refresh_token).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert!(bob.is_authenticated().await);
}

#[tokio::test]
async fn rate_limit_headers_follow_the_draft() {
    let service = Service::with_settings(&[]).await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.get("/api/sync/status").await.expect(200);
    let response = ada.get("/api/sync/status").await;
    assert_eq!(response.header("ratelimit-policy"), Some("\"download\";q=20;w=60"));
    assert_eq!(response.header("ratelimit"), Some("\"download\";r=18;t=6"));
}
