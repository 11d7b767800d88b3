use serde_json::{Value, json};
use tests::{Api, PASSWORD, Request, try_login};

/// Creates an account, or logs in if an attempt whose response was lost has created it.
pub(crate) async fn sign_up(api: &Api, name: &str) -> Value {
    let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    let answer = api.send(Request::post("/api/auth/signup", &body)).await;
    if answer.status == 409 { log_in(api, name).await } else { answer.expect(201) }
}

pub(crate) async fn log_in(api: &Api, name: &str) -> Value {
    try_login(api, name, PASSWORD).await.expect(200)
}

/// Exchanges a refresh token, or logs in again if an attempt whose response was lost used the token before the grace
/// period.
pub(crate) async fn refresh(api: &Api, name: &str, token: &str) -> Value {
    let answer = tests::refresh(api, token).await;
    if answer.status == 401 { log_in(api, name).await } else { answer.expect(200) }
}
