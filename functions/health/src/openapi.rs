use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use shared::http::UnlimitedErrors;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

/// OpenAPI document, generated from the code of all functions by `cargo run -- openapi`; a test compares it with the code.
/// As a file, it saves this function from linking the others.
pub(crate) const DOCUMENT: &str = include_str!("../openapi.json");

/// Returns this OpenAPI document.
///
/// `GET /docs` shows it as a page.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "health",
    responses(
        (
            status = 200,
            description = "This document.",
            body = inline(Document),
            example = json!({ "openapi": "3.1.0", "info": { "title": "SQL Studio Sync" }, "paths": {} })
        ),
        UnlimitedErrors
    )
)]
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}

/// Schema of the document: any object.
struct Document;

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true))).into()
    }
}

impl ToSchema for Document {}
