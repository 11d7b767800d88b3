//! Requests and tokens of attackers and their victims.

use axum::Extension;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::http::ClientAddress;
use tests::{Api, PASSWORD, Request, Response};

/// Sends a sign-up request and returns the response, whatever its status.
pub(crate) async fn try_sign_up(api: &Api, name: &str, email: &str) -> Response {
    let body = json!({ "username": name, "email": email, "password": PASSWORD });
    api.send(Request::post("/api/auth/signup", &body)).await
}

/// Confirms the email address with the token of a link.
pub(crate) async fn verify_email(api: &Api, token: &str) -> Response {
    api.send(Request::post("/api/auth/verify-email", &json!({ "token": token }))).await
}

/// Requests an email with a link to reset the password.
pub(crate) async fn request_password_reset(api: &Api, email: &str) -> Response {
    api.send(Request::post("/api/auth/request-password-reset", &json!({ "email": email }))).await
}

/// Sets a new password with the token of a link.
pub(crate) async fn reset_password(api: &Api, token: &str, password: &str) -> Response {
    api.send(Request::post("/api/auth/reset-password", &json!({ "token": token, "new_password": password }))).await
}

/// Returns a transport whose requests have the client address `address`.
pub(crate) fn from_address(api: &Api, address: &str) -> Api {
    let Api::Router(router) = api else { panic!("the service is in this process") };
    Api::Router(router.clone().layer(Extension(ClientAddress(address.to_owned()))))
}

/// Decodes a part of an access token: 0 is the header, 1 the claims.
pub(crate) fn token_part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("an access token has three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("each part is base64url");
    serde_json::from_slice(&bytes).expect("the first two are JSON")
}

/// Returns the session id of an access token.
pub(crate) fn session_id(token: &str) -> String {
    token_part(token, 1)["sid"].as_str().expect("every token has a session").to_owned()
}

/// Percent-encodes `text` for a path or a query.
pub(crate) fn percent_encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
