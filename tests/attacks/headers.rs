//! Headers of responses of routes.

use tests::{Request, ServerProcess, scratch_dir};

/// Behind a proxy with TLS, browsers use HTTPS alone.
#[tokio::test]
async fn browsers_use_https_alone_where_it_is_offered() {
    for (public_url, expected) in
        [("https://sync.studio.example", Some("max-age=63072000; includeSubDomains")), ("http://127.0.0.1:8500", None)]
    {
        let folder = scratch_dir();
        let server = ServerProcess::start_with(folder.path(), &[("PUBLIC_URL", public_url)]).await;
        for path in ["/health", "/api/sync/status", "/verify-email", "/nowhere"] {
            let response = server.api.send(Request::get(path)).await;
            assert_eq!(response.header("strict-transport-security"), expected, "{path} at {public_url}");
            assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        }
    }
}
