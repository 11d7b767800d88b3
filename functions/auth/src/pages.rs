//! HTML pages that emailed links open. Email scanners open links too, so opening a page never spends its token. The
//! page's button does, with a POST request.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use shared::clock::random_bytes;
use shared::http::openapi::HtmlPage;
use shared::http::{ApiError, UnlimitedErrors};
use shared::mail::{Brand, lifetime};
use shared::storage::TokenPurpose;

use crate::Auth;

#[derive(Template)]
#[template(path = "pages/verify_email.html")]
struct VerifyEmailPage<'a> {
    brand: &'a Brand,
    nonce: &'a str,
    valid_for: &'a str,
}

#[derive(Template)]
#[template(path = "pages/reset_password.html")]
struct ResetPasswordPage<'a> {
    brand: &'a Brand,
    nonce: &'a str,
    valid_for: &'a str,
}

/// Shows the page that confirms an email address.
///
/// The emailed link opens it. The server ignores the link's token; the page's script posts it to `/api/auth/verify-email`.
#[utoipa::path(
    get,
    path = "/verify-email",
    operation_id = "verify_email_page",
    tag = "pages",
    responses((status = 200, description = "The page.", content_type = "text/html", body = HtmlPage), UnlimitedErrors)
)]
pub(crate) async fn verify_email(State(auth): State<Auth>) -> Result<Response, ApiError> {
    let valid_for = &*lifetime(TokenPurpose::VerifyEmail);
    page(&auth, |brand, nonce| VerifyEmailPage { brand, nonce, valid_for }.render())
}

/// Shows the page that sets a new password.
///
/// The emailed link opens it. The server ignores the link's token; the page's script posts it to
/// `/api/auth/reset-password`.
#[utoipa::path(
    get,
    path = "/reset-password",
    operation_id = "reset_password_page",
    tag = "pages",
    responses((status = 200, description = "The page.", content_type = "text/html", body = HtmlPage), UnlimitedErrors)
)]
pub(crate) async fn reset_password(State(auth): State<Auth>) -> Result<Response, ApiError> {
    let valid_for = &*lifetime(TokenPurpose::ResetPassword);
    page(&auth, |brand, nonce| ResetPasswordPage { brand, nonce, valid_for }.render())
}

/// Renders a page with a Content-Security-Policy that allows the nonce of this response only.
fn page(auth: &Auth, render: impl FnOnce(&Brand, &str) -> askama::Result<String>) -> Result<Response, ApiError> {
    let nonce = STANDARD.encode(random_bytes::<16>(&*auth.random));
    let html = render(&auth.brand, &nonce).map_err(ApiError::internal)?;
    // Allows the page's own style and script only; the script may call this server only.
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = [(CONTENT_SECURITY_POLICY, policy), (REFERRER_POLICY, "no-referrer".to_owned())];
    Ok((headers, Html(html)).into_response())
}
