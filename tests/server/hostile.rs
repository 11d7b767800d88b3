//! Hostile requests to every route: no response is a 5xx, every error has the documented shape, and the server keeps working.

use axum::http::Method;
use serde_json::{Value, json};
use tests::Request;

use crate::bodies::{corrupt_compressed, invalid_bodies, pointers, values, with, with_duplicate, without};
use crate::checks::check_response;
use crate::hostile_values::{ENCODINGS, IDS, MEDIA_TYPES, QUERIES, headers};
use crate::raw_http::RawRequest;
use crate::routes::{Route, routes, routes_with_body};
use crate::target::Target;

/// Maximum body for a route that reads none, in bytes: it arrives in one packet with the head.
const UNREAD_BYTES: usize = 4_000;

async fn send_and_check(target: &Target, request: &RawRequest) {
    check_response(request, &target.send(request).await);
}

/// Creates a valid request.
async fn valid_request(target: &Target, route: &Route, signed_in: bool) -> RawRequest {
    let request = target.request(route, signed_in).await;
    if route.takes_body { request.json(route.valid_body().to_string()) } else { request }
}

#[tokio::test]
async fn valid_bodies_are_accepted() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let response = target.send(&valid_request(&target, &route, true).await).await;
        assert!(![400, 404, 405, 413, 415].contains(&response.status), "{route:?} {response:?}");
        if route.path == "/api/sync/upload" {
            assert_eq!(response.json()["success"], true, "{}", response.json());
        }
    }
}

#[tokio::test]
async fn invalid_field_values_cause_no_server_error() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let body = route.valid_body();
        for place in pointers(&body) {
            let mut wrong: Vec<Vec<u8>> = values().iter().map(|value| with(&body, &place, value)).collect();
            wrong.extend(without(&body, &place));
            wrong.extend(with_duplicate(&body, &place, b"null"));
            wrong.extend(with_duplicate(&body, &place, b"[1.5]"));
            for body in wrong {
                send_and_check(&target, &target.request(&route, true).await.json(body)).await;
            }
        }
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn invalid_bodies_cause_no_server_error() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        let right = if route.takes_body { route.valid_body() } else { json!({}) };
        for body in invalid_bodies(&right) {
            for signed_in in [true, false] {
                let reads = route.takes_body && (signed_in || !route.needs_token);
                // If the server closes before it reads the body, the response may be lost.
                if reads || body.len() < UNREAD_BYTES {
                    send_and_check(&target, &target.request(&route, signed_in).await.json(body.clone())).await;
                }
            }
        }
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn media_types_and_encodings_cause_no_server_error() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        let right = if route.takes_body { route.valid_body() } else { json!({}) };
        let plain = || async { target.request(&route, true).await.body(right.to_string()) };
        for media_type in MEDIA_TYPES {
            send_and_check(&target, &plain().await.header("content-type", media_type)).await;
            let twice = plain().await.header("content-type", "application/json").header("content-type", media_type);
            send_and_check(&target, &twice).await;
        }
        // All routes read bodies the same way, so only one gets all combinations.
        let media_types = if route.path == "/api/sync/upload" { &MEDIA_TYPES[..] } else { &MEDIA_TYPES[..1] };
        for media_type in media_types {
            for encoding in ENCODINGS {
                let both = plain().await.header("content-type", *media_type).header("content-encoding", encoding);
                send_and_check(&target, &both).await;
            }
        }
        send_and_check(&target, &plain().await).await;
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn corrupt_compressed_bodies_cause_no_server_error() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        for body in corrupt_compressed(&route.valid_body()) {
            for media_type in ["application/gzip", "application/zstd"] {
                let request = target.request(&route, true).await.body(body.clone());
                send_and_check(&target, &request.header("content-type", media_type)).await;
            }
            for encoding in ["gzip", "zstd"] {
                let request = target.request(&route, true).await.json(body.clone());
                send_and_check(&target, &request.header("content-encoding", encoding)).await;
            }
        }
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn hostile_headers_cause_no_server_error() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        for (name, value) in headers() {
            let request = valid_request(&target, &route, false).await.header(name, value.clone());
            send_and_check(&target, &request).await;
            if route.needs_token && name != "authorization" {
                send_and_check(&target, &valid_request(&target, &route, true).await.header(name, value)).await;
            }
        }
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn hostile_queries_cause_no_server_error() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        for query in QUERIES {
            let prefix = match route.path.as_str() {
                "/api/sync/download" => "?device_id=laptop&",
                "/api/sync/versions" => "?item_type=saved_query&item_id=q0&",
                _ => "?",
            };
            let mut request = valid_request(&target, &route, true).await;
            request.target.extend([prefix.as_bytes(), query].concat());
            send_and_check(&target, &request).await;
        }
        let mut long = valid_request(&target, &route, true).await;
        long.target.extend(format!("?device_id={}", "x".repeat(30_000)).into_bytes());
        send_and_check(&target, &long).await;
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn hostile_ids_cause_no_server_error() {
    let target = Target::start().await;
    let long = "x".repeat(10_000);
    for route in routes(&target.server.api).await.into_iter().filter(|route| route.path.contains("{id}")) {
        for id in IDS.into_iter().chain([long.as_str(), ""]) {
            for signed_in in [true, false] {
                let mut request = valid_request(&target, &route, signed_in).await;
                request.target = route.target(id).into_bytes();
                send_and_check(&target, &request).await;
            }
        }
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn unsupported_methods_are_rejected() {
    let target = Target::start().await;
    let all = routes(&target.server.api).await;
    for route in &all {
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH", "TRACE", "HEAD", "PROPFIND", "BREW", "get"] {
            let mut request = valid_request(&target, route, true).await;
            request.method = method.to_owned();
            let response = target.send(&request).await;
            check_response(&request, &response);
            let known = all.iter().any(|other| other.path == route.path && other.method == method);
            assert!(known || method == "HEAD" || response.status == 405, "{} to {request}", response.status);
        }
        for origin in ["http://localhost:3000", "https://evil.example.com", "null"] {
            let mut preflight = target.request(route, false).await.header("origin", origin);
            preflight.method = "OPTIONS".to_owned();
            preflight = preflight.header("access-control-request-method", route.method.as_str());
            let response = target.send(&preflight).await;
            assert_eq!(response.status, 200, "{preflight}");
            check_response(&preflight, &response);
        }
    }
    target.assert_account_intact().await;
}

#[tokio::test]
async fn unknown_routes_are_not_found() {
    let target = Target::start().await;
    for path in ["//", "/api", "/api/", "/health/", "/HEALTH", "/api/sync/upload/", "/%68ealth", "/a%2fb", "/%ff", "/%"]
        .into_iter()
        .chain(["/api/../health", "/.git/config", "/api/auth/sessions/a/b", "/api//sync/upload", "/favicon.ico"])
    {
        for method in ["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"] {
            let request = RawRequest::new(method, path);
            let response = target.send(&request).await;
            check_response(&request, &response);
            assert!(response.status == 404 || method == "OPTIONS", "{} to {request}", response.status);
        }
    }
    target.assert_account_intact().await;
}

/// By the OpenAPI document every body is an object. An array of the values in order must be rejected.
#[tokio::test]
async fn array_bodies_are_rejected() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let request = target.request(&route, true).await.json(body_as_array(&route).to_string());
        let response = target.send(&request).await;
        check_response(&request, &response);
        assert_eq!(response.status, 400, "{}\nto {request}", String::from_utf8_lossy(&response.body));
    }
}

/// Returns the values of a valid body in the order of the document.
fn body_as_array(route: &Route) -> Value {
    match route.path.as_str() {
        "/api/auth/login" => json!(["bob", "Sesame42", null]),
        "/api/auth/signup" => json!(["zoe", "zoe@example.com", "Sesame42", null]),
        "/api/sync/upload" => json!(["laptop", null, null, []]),
        "/api/sync/conflicts/{id}/resolve" => json!(["user_choice", "local", null]),
        _ => route.valid_body().as_object().into_iter().flatten().map(|(_, value)| value.clone()).collect(),
    }
}

/// A missing field must be named in `details`.
#[tokio::test]
async fn missing_fields_are_named() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let body = route.valid_body();
        for name in body.as_object().into_iter().flatten().map(|(name, _)| name) {
            let without = without(&body, &format!("/{name}")).expect("the field exists");
            let request = target.request(&route, true).await.json(without);
            let response = target.send(&request).await;
            if response.status == 400 {
                let error = response.json();
                let named = error["details"].as_array().into_iter().flatten().any(|detail| !detail["field"].is_null());
                assert!(named, "{error}\nto {request}");
            }
        }
    }
}

/// A client that accepts no encoding gets an unencoded response or a documented error.
#[tokio::test]
async fn client_without_acceptable_encoding_gets_a_response() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        let request = valid_request(&target, &route, true).await;
        send_and_check(&target, &request.header("accept-encoding", "identity;q=0, *;q=0")).await;
    }
}

#[tokio::test]
async fn missing_token_is_rejected_before_the_body() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await.into_iter().filter(|route| route.needs_token) {
        for body in ["", "{", "[[[["] {
            let request = target.request(&route, false).await.header("content-type", "text/plain").body(body);
            let response = target.send(&request).await;
            assert_eq!(response.status, 401, "{request}");
            check_response(&request, &response);
        }
    }
}

/// Authentication precedes reading the body. The response must reach a client that is still sending.
#[tokio::test]
async fn large_upload_with_invalid_token_gets_a_response() {
    let target = Target::start().await;
    let mut lost = Vec::new();
    for bytes in [100_000, 1_000_000, 9_000_000] {
        for _ in 0..10 {
            let request = Request::new(Method::POST, "/api/sync/upload").body("application/json", b" ".repeat(bytes));
            match target.server.api.try_send(request.bearer("stale")).await {
                Some(response) => drop(response.expect_error(401, "UNAUTHORIZED")),
                None => lost.push(bytes),
            }
        }
    }
    assert!(lost.is_empty(), "{} of 30 uploads got no response: {lost:?}", lost.len());
}
