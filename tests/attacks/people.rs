//! Who attacks, and who is attacked.

use axum::Extension;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::http::ClientAddress;
use tests::{Answer, Api, Call, PASSWORD};

/// Signs up, or tries to.
pub(crate) async fn try_sign_up(api: &Api, name: &str, email: &str) -> Answer {
    let body = json!({ "username": name, "email": email, "password": PASSWORD });
    api.send(Call::post("/api/auth/signup", &body)).await
}

/// Presses the button of the page that the link in a mail opens.
pub(crate) async fn confirm(api: &Api, token: &str) -> Answer {
    api.send(Call::post("/api/auth/verify-email", &json!({ "token": token }))).await
}

/// Asks for a link to choose a new password.
pub(crate) async fn forget_password(api: &Api, email: &str) -> Answer {
    api.send(Call::post("/api/auth/request-password-reset", &json!({ "email": email }))).await
}

/// Chooses a new password by such a link.
pub(crate) async fn reset_password(api: &Api, token: &str, password: &str) -> Answer {
    api.send(Call::post("/api/auth/reset-password", &json!({ "token": token, "new_password": password }))).await
}

/// The service as somebody at this address reaches it.
pub(crate) fn from(api: &Api, address: &str) -> Api {
    let Api::Router(router) = api else { panic!("the service is in this process") };
    Api::Router(router.clone().layer(Extension(ClientAddress(address.to_owned()))))
}

/// What the part `index` of an access token says: 0 is its header, 1 its claims.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("an access token has three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("each is in base64url");
    serde_json::from_slice(&bytes).expect("the first two are JSON")
}

/// The session that an access token belongs to.
pub(crate) fn session_of(token: &str) -> String {
    part(token, 1)["sid"].as_str().expect("every token has a session").to_owned()
}

/// `text` as it stands in a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
