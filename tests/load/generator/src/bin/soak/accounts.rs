use serde_json::{Value, json};
use tests::{Api, PASSWORD, Request, try_login};

/// Creates an account, or logs in if an attempt whose response was lost has created it.
pub(crate) async fn sign_up(api: &Api, name: &str) -> Value {
    let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    let response = api.send(Request::post("/api/auth/signup", &body)).await;
    if response.status == 409 { log_in(api, name).await } else { response.expect(201) }
}

pub(crate) async fn log_in(api: &Api, name: &str) -> Value {
    try_login(api, name, PASSWORD).await.expect(200)
}

/// Exchanges a refresh token, or logs in again if an attempt whose response was lost used the token before the grace
/// period.
pub(crate) async fn refresh(api: &Api, name: &str, token: &str) -> Value {
    let response = tests::refresh(api, token).await;
    if response.status == 401 { log_in(api, name).await } else { response.expect(200) }
}
