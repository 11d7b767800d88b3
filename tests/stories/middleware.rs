//! Middleware: common headers, authentication, CORS and routing.

use axum::http::Method;
use serde_json::json;
use tests::{Request, Response, Service, TestUser, error_fields};

const LOCAL_ORIGIN: &str = "http://localhost:3000";

/// All routes: methods, path with ids, and whether they require a token.
const ROUTES: [(&str, &str, bool); 26] = [
    ("POST", "/api/auth/signup", false),
    ("POST", "/api/auth/login", false),
    ("POST", "/api/auth/refresh", false),
    ("POST", "/api/auth/verify-email", false),
    ("POST", "/api/auth/request-password-reset", false),
    ("POST", "/api/auth/reset-password", false),
    ("POST", "/api/auth/logout", true),
    ("POST", "/api/auth/resend-verification", true),
    ("POST", "/api/auth/change-password", true),
    ("GET DELETE", "/api/auth/profile", true),
    ("GET DELETE", "/api/auth/sessions", true),
    ("DELETE", "/api/auth/sessions/00000000-0000-4000-8000-000000000000", true),
    ("GET", "/verify-email", false),
    ("GET", "/reset-password", false),
    ("POST", "/api/sync/upload", true),
    ("GET", "/api/sync/download", true),
    ("GET", "/api/sync/status", true),
    ("GET", "/api/sync/versions", true),
    ("GET", "/api/sync/limits", false),
    ("GET", "/api/sync/conflicts", true),
    ("POST", "/api/sync/conflicts/c/resolve", true),
    ("POST", "/api/sync/restore", true),
    ("GET", "/health", false),
    ("GET", "/ready", false),
    ("GET", "/openapi.json", false),
    ("GET", "/docs", false),
];

fn method(name: &str) -> Method {
    name.parse().expect("a method")
}

#[track_caller]
fn assert_common_headers(response: &Response) {
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.header("x-request-id").is_some_and(|id| !id.is_empty()));
    assert!(response.header("content-type").is_some());
}

#[tokio::test]
async fn authentication_precedes_all_other_checks() {
    let service = Service::start().await;
    for (methods, path, needs_token) in ROUTES {
        for name in methods.split(' ').filter(|_| needs_token) {
            for request in [
                Request::new(method(name), path),
                Request::new(method(name), path).body("text/plain", "no JSON"),
                Request::new(method(name), path).body("application/gzip", vec![b' '; 11_000_000]),
                Request::new(method(name), format!("{path}?limit=many")).bearer("body"),
            ] {
                let response = service.api.send(request).await;
                response.expect_error(401, "UNAUTHORIZED");
                assert_common_headers(&response);
            }
        }
    }
}

#[tokio::test]
async fn every_response_has_common_headers() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let mut request_ids = Vec::new();
    for (methods, path, _) in ROUTES {
        for name in methods.split(' ') {
            let request = Request::new(method(name), path).json(&json!({}));
            for response in [service.api.send(request.clone()).await, ada.send(request).await] {
                assert_common_headers(&response);
                request_ids.push(response.header("x-request-id").unwrap().to_owned());
                let kind = response.header("content-type").unwrap();
                let is_page = ["/verify-email", "/reset-password", "/docs"].contains(&path);
                assert_eq!(kind.starts_with("text/html"), is_page, "{path}");
                assert!(is_page || kind == "application/json", "{path}: {kind}");
                assert!(response.status < 500, "{path}");
            }
        }
    }
    let all = request_ids.len();
    request_ids.sort();
    request_ids.dedup();
    assert_eq!(request_ids.len(), all, "request ids are unique");
}

#[tokio::test]
async fn unknown_routes_are_not_found() {
    let service = Service::start().await;
    for path in ["//", "/api", "/api/sync", "/api/sync/upload/", "/api/auth/sessions/a/b", "/API/SYNC/LIMITS"] {
        for name in ["GET", "POST", "DELETE"] {
            let response = service.api.send(Request::new(method(name), path)).await;
            response.expect_error(404, "NOT_FOUND");
            assert_common_headers(&response);
        }
    }
}

#[tokio::test]
async fn wrong_method_response_lists_allowed_methods() {
    let service = Service::start().await;
    for (methods, path, _) in ROUTES {
        for wrong in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|name| !methods.contains(name)) {
            let response = service.api.send(Request::new(method(wrong), path)).await;
            response.expect_error(405, "METHOD_NOT_ALLOWED");
            assert_common_headers(&response);
            let allowed: Vec<&str> = response.header("allow").unwrap().split(',').map(str::trim).collect();
            for right in methods.split(' ') {
                assert!(allowed.contains(&right), "{wrong} {path}: {allowed:?}");
            }
            assert!(!allowed.contains(&wrong));
        }
    }
}

#[tokio::test]
async fn invalid_bodies_are_rejected_on_every_route() {
    let service = Service::start().await;
    for (_, path, _) in ROUTES.iter().filter(|(methods, _, needs_token)| *methods == "POST" && !needs_token) {
        let post = || Request::new(Method::POST, *path);
        let response = service.api.send(post().body("text/plain", "{}")).await;
        response.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
        assert_common_headers(&response);
        service.api.send(post()).await.expect_error(400, "INVALID_REQUEST");
        let without_type = Request { body: b"{}".to_vec(), ..post() };
        service.api.send(without_type).await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
        let response = service.api.send(post().body("application/json", vec![b' '; 11_000_000])).await;
        response.expect_error(413, "PAYLOAD_TOO_LARGE");
        assert_common_headers(&response);
        for body in ["", "{", "[]", "null", "{}"] {
            service.api.send(post().body("application/json", body)).await.expect_error(400, "INVALID_REQUEST");
        }
    }
    let wrong = json!({ "username": 7, "password": "Sesame42" });
    let error = service.api.send(Request::post("/api/auth/login", &wrong)).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["username"]);
}

#[tokio::test]
async fn preflight_of_a_local_origin_succeeds_on_every_route() {
    let service = Service::start().await;
    for (methods, path, _) in ROUTES {
        for name in methods.split(' ') {
            let request = Request::new(Method::OPTIONS, path)
                .header("origin", LOCAL_ORIGIN)
                .header("access-control-request-method", name)
                .header("access-control-request-headers", "authorization,content-type,content-encoding");
            let response = service.api.send(request).await;
            assert_eq!(
                (response.status, response.header("access-control-allow-origin")),
                (200, Some(LOCAL_ORIGIN)),
                "{path}"
            );
            assert!(response.header("access-control-allow-methods").unwrap().contains(name));
            let allowed = response.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
            for header in ["authorization", "content-type", "content-encoding"] {
                assert!(allowed.contains(header), "{allowed}");
            }
            assert_common_headers(&response);
        }
    }
}

#[tokio::test]
async fn local_origins_can_read_responses_and_foreign_origins_cannot() {
    let service = Service::start().await;
    for path in ["/api/sync/limits", "/api/sync/status", "/nowhere"] {
        let from = |origin: &str| Request::get(path).header("origin", origin);
        for origin in [LOCAL_ORIGIN, "http://127.0.0.1:5173", "https://localhost"] {
            let response = service.api.send(from(origin)).await;
            assert_eq!(response.header("access-control-allow-origin"), Some(origin), "{path}");
            let exposed = response.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
            for header in ["retry-after", "x-request-id", "ratelimit-remaining"] {
                assert!(exposed.contains(header), "{exposed}");
            }
        }
        for origin in ["https://example.com", "http://localhost.example.com", "null"] {
            let response = service.api.send(from(origin)).await;
            assert_eq!(response.header("access-control-allow-origin"), None, "{path} {origin}");
            let preflight = Request::new(Method::OPTIONS, path)
                .header("origin", origin)
                .header("access-control-request-method", "GET");
            let response = service.api.send(preflight).await;
            assert_eq!(response.header("access-control-allow-origin"), None, "{path} {origin}");
        }
    }
}

#[tokio::test]
async fn allowed_origins_are_configurable() {
    let service = Service::with_settings(&[
        ("RATE_LIMITS", "off"),
        ("CORS_ORIGINS", "https://sqlstudio.app, https://beta.sqlstudio.app"),
    ])
    .await;
    let allowed = async |origin: &str| {
        let response = service.api.send(Request::get("/api/sync/limits").header("origin", origin)).await;
        response.header("access-control-allow-origin").map(str::to_owned)
    };
    for origin in ["https://sqlstudio.app", "https://beta.sqlstudio.app"] {
        assert_eq!(allowed(origin).await.as_deref(), Some(origin));
    }
    assert_eq!(allowed(LOCAL_ORIGIN).await, None);
}

#[tokio::test]
async fn health_and_readiness_are_reported() {
    let service = Service::start().await;
    let health = service.api.send(Request::get("/health")).await.expect(200);
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("sql-studio-sync")));
    assert_eq!(service.api.send(Request::get("/ready")).await.expect(200)["status"], "ready");
}

#[tokio::test]
async fn openapi_document_contains_every_route() {
    let service = Service::start().await;
    let document = service.api.send(Request::get("/openapi.json")).await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut documented: Vec<(String, String)> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let methods = operations.as_object().unwrap().keys().map(|name| name.to_ascii_uppercase());
        documented.extend(methods.map(|name| (name, path.clone())));
    }
    let id = |path: &str| path.replace("00000000-0000-4000-8000-000000000000", "{id}").replace("/c/", "/{id}/");
    let mut expected: Vec<(String, String)> = Vec::new();
    for (methods, path, _) in ROUTES {
        expected.extend(methods.split(' ').map(|name| (name.to_owned(), id(path))));
    }
    documented.sort();
    expected.sort();
    assert_eq!(documented, expected);
    let secured = |path: &str, method: &str| document["paths"][path][method]["security"] != json!([]);
    assert!(secured("/api/sync/upload", "post") && !secured("/api/sync/limits", "get"));
}
