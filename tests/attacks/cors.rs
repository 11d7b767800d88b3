//! Cross-origin resource sharing: which web pages may read responses.

use axum::http::Method;
use serde_json::json;
use tests::{Auth, PASSWORD, ROUTES, Request, Response, Service, TestUser};

/// Foreign origins, some of which resemble local ones.
const FOREIGN: [&str; 13] = [
    "https://evil.example",
    "null",
    "http://localhost.evil.example",
    "http://evillocalhost",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1.evil.example:3000",
    "http://localhost@evil.example",
    "http://localhost:3000@evil.example",
    "http://localhost:3000.evil.example",
    "http://[::1].evil.example",
    "file://localhost",
    "ftp://localhost",
    "chrome-extension://localhost",
];

const LOCAL: &str = "http://localhost:3000";

fn allowed_origin(response: &Response) -> Option<&str> {
    assert_eq!(response.header("access-control-allow-credentials"), None, "credentials are never allowed");
    response.header("access-control-allow-origin")
}

fn preflight(method: &str, path: &str, origin: &str) -> Request {
    Request::new(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", &method.to_uppercase())
        .header("access-control-request-headers", "authorization,content-type")
}

#[tokio::test]
async fn foreign_origins_are_not_allowed() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for (_, method, path, _) in ROUTES {
        let path = path.replace("{id}", "00000000-0000-4000-8000-000000000000");
        let request = |origin: &str| {
            Request::new(method.to_uppercase().parse().expect("a method"), &path).header("origin", origin)
        };
        assert_eq!(allowed_origin(&service.api.send(request(LOCAL)).await), Some(LOCAL), "{path}");
        assert_eq!(allowed_origin(&service.api.send(preflight(method, &path, LOCAL)).await), Some(LOCAL), "{path}");
        for origin in FOREIGN {
            for response in [
                service.api.send(request(origin)).await,
                service.api.send(preflight(method, &path, origin)).await,
                service.api.send(request(origin).header("cookie", &format!("token={}", ada.token))).await,
            ] {
                assert_eq!(allowed_origin(&response), None, "{origin} at {path}");
            }
        }
    }
}

/// Valid requests, errors and unknown routes are equally unreadable for foreign origins.
#[tokio::test]
async fn foreign_origins_cannot_read_responses_to_valid_requests() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let login = json!({ "username": "ada", "password": PASSWORD });
    for origin in FOREIGN {
        for (request, status) in [
            (Request::get("/api/auth/profile").bearer(&ada.token), 200),
            (Request::get("/api/sync/download?device_id=d").bearer(&ada.token), 200),
            (Request::post("/api/auth/login", &login), 200),
            (Request::get("/api/sync/download").bearer(&ada.token), 400),
            (Request::get("/nowhere"), 404),
        ] {
            let response = service.api.send(request.clone().header("origin", origin)).await;
            assert_eq!((response.status, allowed_origin(&response)), (status, None), "{origin} at {}", request.path);
            let response = service.api.send(request.header("origin", LOCAL)).await;
            assert_eq!((response.status, allowed_origin(&response)), (status, Some(LOCAL)));
        }
    }
}

#[tokio::test]
async fn lookalikes_of_configured_origins_are_not_allowed() {
    let configured = "https://sqlstudio.app";
    let service = Service::with_settings(&[("RATE_LIMITS", "off"), ("CORS_ORIGINS", configured)]).await;
    let allowed_origins = async |origin: &str| {
        let responses = [
            service.api.send(Request::get("/api/sync/limits").header("origin", origin)).await,
            service.api.send(preflight("get", "/api/sync/status", origin)).await,
        ];
        responses.map(|response| allowed_origin(&response).map(str::to_owned))
    };
    assert_eq!(allowed_origins(configured).await, [Some(configured.to_owned()), Some(configured.to_owned())]);
    for origin in [
        "http://sqlstudio.app",
        "https://sqlstudio.app.evil.example",
        "https://evil.sqlstudio.app",
        "https://evilsqlstudio.app",
        "https://sqlstudio.app:8443",
        "https://sqlstudio.app/",
        "https://sqlstudio.app@evil.example",
        "https://sqlstudioXapp",
        "https://sqlstudio.app, https://evil.example",
        LOCAL,
        "null",
        "*",
        "",
    ] {
        assert_eq!(allowed_origins(origin).await, [None, None], "{origin}");
    }
}

/// A cache must not serve a response that was allowed for another origin.
#[tokio::test]
async fn responses_vary_by_origin_and_are_not_cached() {
    let service = Service::start().await;
    for origin in [LOCAL, "https://evil.example"] {
        for (_, method, path, _) in ROUTES.into_iter().filter(|(.., auth)| *auth == Auth::None) {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let response = service.api.send(Request::new(method, path).header("origin", origin)).await;
            let vary = response.header("vary").unwrap_or_default().to_ascii_lowercase();
            assert!(vary.contains("origin"), "{path}: {vary:?}");
            assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        }
    }
}
