//! Every route and method, asked in every wrong way: never a 5xx, always the one shape, and the server goes on.

use axum::http::Method;
use serde_json::{Value, json};
use tests::Request;

use crate::accounts::Target;
use crate::bodies::{damaged, doubled, places, values, wholes, with, without};
use crate::oddities::{ENCODINGS, IDS, KINDS, QUERIES, headers};
use crate::routes::{Route, routes, routes_with_body};
use crate::verdict::judge;
use crate::wire::RawRequest;

/// The longest body for a route that reads none: it arrives in one piece with the head.
const UNREAD_BYTES: usize = 4_000;

async fn try_out(target: &Target, request: &RawRequest) {
    judge(request, &target.ask(request).await);
}

/// A request that would be right.
async fn right_request(target: &Target, route: &Route, signed_in: bool) -> RawRequest {
    let request = target.request(route, signed_in).await;
    if route.takes_body { request.json(route.right_body().to_string()) } else { request }
}

#[tokio::test]
async fn the_bodies_that_these_tests_damage_are_right() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let response = target.ask(&right_request(&target, &route, true).await).await;
        assert!(![400, 404, 405, 413, 415].contains(&response.status), "{route:?} {response:?}");
        if route.path == "/api/sync/upload" {
            assert_eq!(response.json()["success"], true, "{}", response.json());
        }
    }
}

#[tokio::test]
async fn every_field_with_every_wrong_value() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let body = route.right_body();
        for place in places(&body) {
            let mut wrong: Vec<Vec<u8>> = values().iter().map(|value| with(&body, &place, value)).collect();
            wrong.extend(without(&body, &place));
            wrong.extend(doubled(&body, &place, b"null"));
            wrong.extend(doubled(&body, &place, b"[1.5]"));
            for body in wrong {
                try_out(&target, &target.request(&route, true).await.json(body)).await;
            }
        }
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn every_route_with_every_wrong_body() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        let right = if route.takes_body { route.right_body() } else { json!({}) };
        for body in wholes(&right) {
            for signed_in in [true, false] {
                let reads = route.takes_body && (signed_in || !route.guarded);
                // What is closed before it was read may lose its response on the way.
                if reads || body.len() < UNREAD_BYTES {
                    try_out(&target, &target.request(&route, signed_in).await.json(body.clone())).await;
                }
            }
        }
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn every_route_with_every_kind_and_encoding() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        let right = if route.takes_body { route.right_body() } else { json!({}) };
        let plain = || async { target.request(&route, true).await.body(right.to_string()) };
        for kind in KINDS {
            try_out(&target, &plain().await.header("content-type", kind)).await;
            let twice = plain().await.header("content-type", "application/json").header("content-type", kind);
            try_out(&target, &twice).await;
        }
        // All routes read bodies alike: one of them gets every combination.
        let kinds = if route.path == "/api/sync/upload" { &KINDS[..] } else { &KINDS[..1] };
        for kind in kinds {
            for encoding in ENCODINGS {
                let both = plain().await.header("content-type", *kind).header("content-encoding", encoding);
                try_out(&target, &both).await;
            }
        }
        try_out(&target, &plain().await).await;
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn every_route_with_a_damaged_compressed_body() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        for body in damaged(&route.right_body()) {
            for kind in ["application/gzip", "application/zstd"] {
                let request = target.request(&route, true).await.body(body.clone());
                try_out(&target, &request.header("content-type", kind)).await;
            }
            for encoding in ["gzip", "zstd"] {
                let request = target.request(&route, true).await.json(body.clone());
                try_out(&target, &request.header("content-encoding", encoding)).await;
            }
        }
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn every_route_with_every_odd_header() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        for (name, value) in headers() {
            let request = right_request(&target, &route, false).await.header(name, value.clone());
            try_out(&target, &request).await;
            if route.guarded && name != "authorization" {
                try_out(&target, &right_request(&target, &route, true).await.header(name, value)).await;
            }
        }
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn every_route_with_every_odd_query() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        for query in QUERIES {
            let prefix = if route.path == "/api/sync/download" { "?device_id=laptop&" } else { "?" };
            let mut request = right_request(&target, &route, true).await;
            request.target.extend([prefix.as_bytes(), query].concat());
            try_out(&target, &request).await;
        }
        let mut long = right_request(&target, &route, true).await;
        long.target.extend(format!("?device_id={}", "x".repeat(30_000)).into_bytes());
        try_out(&target, &long).await;
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn every_route_with_an_id_with_every_odd_id() {
    let target = Target::start().await;
    let long = "x".repeat(10_000);
    for route in routes(&target.server.api).await.into_iter().filter(|route| route.path.contains("{id}")) {
        for id in IDS.into_iter().chain([long.as_str(), ""]) {
            for signed_in in [true, false] {
                let mut request = right_request(&target, &route, signed_in).await;
                request.target = route.target(id).into_bytes();
                try_out(&target, &request).await;
            }
        }
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn every_route_with_every_method() {
    let target = Target::start().await;
    let all = routes(&target.server.api).await;
    for route in &all {
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH", "TRACE", "HEAD", "PROPFIND", "BREW", "get"] {
            let mut request = right_request(&target, route, true).await;
            request.method = method.to_owned();
            let response = target.ask(&request).await;
            judge(&request, &response);
            let known = all.iter().any(|other| other.path == route.path && other.method == method);
            assert!(known || method == "HEAD" || response.status == 405, "{} to {request}", response.status);
        }
        for origin in ["http://localhost:3000", "https://evil.example.com", "null"] {
            let mut preflight = target.request(route, false).await.header("origin", origin);
            preflight.method = "OPTIONS".to_owned();
            preflight = preflight.header("access-control-request-method", route.method.as_str());
            let response = target.ask(&preflight).await;
            assert_eq!(response.status, 200, "{preflight}");
            judge(&preflight, &response);
        }
    }
    target.still_serves_its_user().await;
}

#[tokio::test]
async fn unknown_routes() {
    let target = Target::start().await;
    for path in
        ["/", "//", "/api", "/api/", "/health/", "/HEALTH", "/api/sync/upload/", "/%68ealth", "/a%2fb", "/%ff", "/%"]
            .into_iter()
            .chain(["/api/../health", "/.git/config", "/api/auth/sessions/a/b", "/api//sync/upload", "/favicon.ico"])
    {
        for method in ["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"] {
            let request = RawRequest::new(method, path);
            let response = target.ask(&request).await;
            judge(&request, &response);
            assert!(response.status == 404 || method == "OPTIONS", "{} to {request}", response.status);
        }
    }
    target.still_serves_its_user().await;
}

/// The document says that every body is an object; an array of its values in their order is none.
#[tokio::test]
async fn an_array_is_no_object() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let request = target.request(&route, true).await.json(in_order(&route).to_string());
        let response = target.ask(&request).await;
        judge(&request, &response);
        assert_eq!(response.status, 400, "{}\nto {request}", String::from_utf8_lossy(&response.body));
    }
}

/// The values of a right body without their names, in the order of the document.
fn in_order(route: &Route) -> Value {
    match route.path.as_str() {
        "/api/auth/login" => json!(["bob", "Sesame42", null]),
        "/api/auth/signup" => json!(["zoe", "zoe@example.com", "Sesame42", null]),
        "/api/sync/upload" => json!(["laptop", null, null, []]),
        "/api/sync/conflicts/{id}/resolve" => json!(["user_choice", "local", null]),
        _ => route.right_body().as_object().into_iter().flatten().map(|(_, value)| value.clone()).collect(),
    }
}

/// A field that is missing is a field at fault, and so stands in `details`.
#[tokio::test]
async fn a_missing_field_is_named() {
    let target = Target::start().await;
    for route in routes_with_body(&target.server.api).await {
        let body = route.right_body();
        for name in body.as_object().into_iter().flatten().map(|(name, _)| name) {
            let without = without(&body, &format!("/{name}")).expect("the field is there");
            let request = target.request(&route, true).await.json(without);
            let response = target.ask(&request).await;
            if response.status == 400 {
                let error = response.json();
                let named = error["details"].as_array().into_iter().flatten().any(|detail| !detail["field"].is_null());
                assert!(named, "{error}\nto {request}");
            }
        }
    }
}

/// What the client will not take is sent to it nevertheless, or refused in shape; it is not both done and refused.
#[tokio::test]
async fn a_client_that_takes_no_encoding_at_all() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await {
        let request = right_request(&target, &route, true).await;
        try_out(&target, &request.header("accept-encoding", "identity;q=0, *;q=0")).await;
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_whatever_they_send() {
    let target = Target::start().await;
    for route in routes(&target.server.api).await.into_iter().filter(|route| route.guarded) {
        for body in ["", "{", "[[[["] {
            let request = target.request(&route, false).await.header("content-type", "text/plain").body(body);
            let response = target.ask(&request).await;
            assert_eq!(response.status, 401, "{request}");
            judge(&request, &response);
        }
    }
}

/// Authentication is checked before the body is read; the client that is still sending gets to know all the same.
#[tokio::test]
async fn a_large_upload_with_a_stale_token_is_told_so() {
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
