//! The pages that the links in mails open. Mail scanners open links too, so a page never spends its token: that takes
//! the press of its button, which posts.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use shared::clock::random_bytes;
use shared::http::{ApiError, CommonErrors};
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

/// The page on which an address is confirmed.
#[utoipa::path(
    get,
    path = "/verify-email",
    operation_id = "verify_email_page",
    tag = "pages",
    params(("token" = Option<String>, Query, description = "Read by the page's script alone")),
    responses((status = 200, description = "The page.", content_type = "text/html", body = String), CommonErrors)
)]
pub(crate) async fn verify_email(State(auth): State<Auth>) -> Result<Response, ApiError> {
    let valid_for = &*lifetime(TokenPurpose::VerifyEmail);
    page(&auth, |brand, nonce| VerifyEmailPage { brand, nonce, valid_for }.render())
}

/// The page on which a new password is chosen.
#[utoipa::path(
    get,
    path = "/reset-password",
    operation_id = "reset_password_page",
    tag = "pages",
    params(("token" = Option<String>, Query, description = "Read by the page's script alone")),
    responses((status = 200, description = "The page.", content_type = "text/html", body = String), CommonErrors)
)]
pub(crate) async fn reset_password(State(auth): State<Auth>) -> Result<Response, ApiError> {
    let valid_for = &*lifetime(TokenPurpose::ResetPassword);
    page(&auth, |brand, nonce| ResetPasswordPage { brand, nonce, valid_for }.render())
}

fn page(auth: &Auth, render: impl FnOnce(&Brand, &str) -> askama::Result<String>) -> Result<Response, ApiError> {
    let nonce = STANDARD.encode(random_bytes::<16>(&*auth.random));
    let html = render(&auth.brand, &nonce).map_err(ApiError::internal)?;
    // Nothing but the page's own style and script, which may talk to this server alone.
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = [(CONTENT_SECURITY_POLICY, policy), (REFERRER_POLICY, "no-referrer".to_owned())];
    Ok((headers, Html(html)).into_response())
}
