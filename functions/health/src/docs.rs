//! The API reference as a page: static HTML from the OpenAPI document, without scripts.

use std::sync::LazyLock;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use sha2::{Digest, Sha256};
use shared::http::openapi::HtmlPage;
use shared::http::{ApiError, UnlimitedErrors};

use crate::openapi::DOCUMENT;
use crate::reference::Reference;
use crate::reference_text::Piece;

/// Style sheet of the page.
const STYLE: &str = include_str!("../../../templates/reference/style.css");

/// The page: rendered once per process.
static PAGE: LazyLock<Result<Page, RenderError>> = LazyLock::new(Page::render);

#[derive(Template)]
#[template(path = "reference/page.html")]
struct ReferencePage {
    reference: Reference,
    style: &'static str,
}

/// The page cannot be rendered: a defect.
#[derive(Debug, thiserror::Error)]
enum RenderError {
    #[error("the OpenAPI document: {0}")]
    Document(#[from] serde_json::Error),
    #[error("the template: {0}")]
    Template(#[from] askama::Error),
}

struct Page {
    html: String,
    /// Content-Security-Policy that allows the style sheet by its hash and nothing else.
    policy: String,
}

impl Page {
    fn render() -> Result<Self, RenderError> {
        let document = serde_json::from_str(DOCUMENT)?;
        let page = ReferencePage { reference: Reference::new(&document), style: STYLE };
        let html = page.render()?;
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        );
        Ok(Self { html, policy })
    }
}

/// Shows the API reference.
///
/// An HTML page with every operation and schema of this document.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "health",
    responses((status = 200, description = "The page.", content_type = "text/html", body = HtmlPage), UnlimitedErrors)
)]
pub(crate) async fn docs() -> Result<Response, ApiError> {
    let page = PAGE.as_ref().map_err(|error| ApiError::internal(error.to_string()))?;
    let headers = [(CONTENT_SECURITY_POLICY, page.policy.as_str()), (REFERRER_POLICY, "no-referrer")];
    Ok((headers, Html(page.html.as_str())).into_response())
}
