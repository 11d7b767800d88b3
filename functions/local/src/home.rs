//! The start page of the local server, `GET /`: links to the API reference and the routes that need no account.

use axum::Router;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use http::header::CONTENT_SECURITY_POLICY;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>SQL Studio Sync</title>
</head>
<body>
  <main>
    <h1>SQL Studio Sync</h1>
    <p>The local server is running.</p>
    <ul>
      <li><a href="docs">API reference</a></li>
      <li><a href="openapi.json">OpenAPI document</a></li>
      <li><a href="api/sync/limits">Limits</a></li>
      <li><a href="health">Health</a> and <a href="ready">readiness</a></li>
    </ul>
  </main>
</body>
</html>
"#;

/// Content-Security-Policy of a page without styles, scripts and other resources.
const POLICY: &str = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Returns the route of the start page. It is no part of the API, so the OpenAPI document does not describe it.
pub(crate) fn router() -> Router {
    Router::new().route("/", get(async || ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response()))
}
