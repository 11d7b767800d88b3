use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

/// The document, made from the code of all functions by `cargo run -- openapi`; a test keeps it true. As a file it
/// costs this function none of the others' code.
const DOCUMENT: &str = include_str!("../openapi.json");

/// Describes this API in OpenAPI.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "health",
    responses((status = 200, description = "This document.", body = std::collections::HashMap<String, serde_json::Value>))
)]
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}
