//! Checks that change nothing.

use axum::http::Method;

use super::Deployment;
use crate::{Request, Response};

/// Origin that no deployment allows.
const FOREIGN_ORIGIN: &str = "https://evil.example";

/// Asserts that the service runs, and that it reaches its stores.
///
/// # Panics
/// If not.
pub(super) async fn is_healthy(deployment: &Deployment) {
    let health = deployment.api.send(Request::get("/health")).await.expect(200);
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["service"], "sql-studio-sync", "{health}");
    let ready = deployment.api.send(Request::get("/ready")).await.expect(200);
    assert_eq!(ready["status"], "ready", "{ready}");
}

/// Asserts that the service serves its OpenAPI document and the page made from it.
///
/// # Panics
/// If not.
pub(super) async fn describes_itself(deployment: &Deployment) {
    let document = deployment.api.send(Request::get("/openapi.json")).await.expect(200);
    assert!(document["paths"]["/api/sync/upload"]["post"].is_object(), "{}", document["paths"]);
    let page = deployment.api.send(Request::get("/docs")).await;
    assert_eq!(page.status, 200, "{}", String::from_utf8_lossy(&page.body));
    assert!(page.header("content-type").is_some_and(|value| value.starts_with("text/html")), "{:?}", page.headers);
    assert!(String::from_utf8_lossy(&page.body).contains("/api/sync/upload"));
}

/// Asserts that a preflight request needs no API key, and that only the known origin is allowed.
///
/// # Panics
/// If not.
pub(super) async fn answers_preflight_requests(deployment: &Deployment) {
    let api = deployment.without_key.as_ref().unwrap_or(&deployment.api);
    for path in ["/api/auth/login", "/api/sync/upload", "/api/sync/download", "/api/sync/conflicts", "/ready"] {
        let response = api.send(preflight(path, FOREIGN_ORIGIN)).await;
        assert_eq!(allowed_origin(&response), None, "{path}");
        let Some(origin) = &deployment.origin else { continue };
        let response = api.send(preflight(path, origin)).await;
        assert_eq!((response.status / 100, allowed_origin(&response)), (2, Some(origin.as_str())), "{path}");
        let headers = response.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
        for header in ["authorization", "content-type", "x-api-key"] {
            assert!(headers.contains(header), "{path} allows {headers}");
        }
    }
}

fn preflight(path: &str, origin: &str) -> Request {
    Request::new(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-api-key")
}

fn allowed_origin(response: &Response) -> Option<&str> {
    response.header("access-control-allow-origin")
}

/// Asserts that unknown routes, unknown methods, and requests without a token get errors in the documented shape.
///
/// # Panics
/// If not.
pub(super) async fn rejects_unknown_routes(deployment: &Deployment) {
    let send = |request| deployment.api.send(request);
    send(Request::get("/nowhere")).await.expect_error(404, "NOT_FOUND");
    send(Request::get("/api/sync/nowhere")).await.expect_error(404, "NOT_FOUND");
    send(Request::new(Method::PUT, "/api/sync/upload")).await.expect_error(405, "METHOD_NOT_ALLOWED");
    send(Request::get("/api/sync/status")).await.expect_error(401, "UNAUTHORIZED");
}

/// Asserts that API Gateway rejects requests without the API key, if it is in front of the service, and only where one is required.
///
/// # Panics
/// If not.
pub(super) async fn requires_the_api_key(deployment: &Deployment) {
    let Some(without_key) = &deployment.without_key else { return };
    let request = Request::get("/api/sync/status");
    without_key.send(request.clone()).await.expect_error(403, "FORBIDDEN");
    without_key.send(request.header("x-api-key", "wrong")).await.expect_error(403, "FORBIDDEN");
    without_key.send(Request::get("/health")).await.expect(200);
}
