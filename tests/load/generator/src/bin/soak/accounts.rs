use serde_json::{Value, json};
use tests::{Api, PASSWORD, Request, try_login};

/// Makes an account, or finds that an attempt whose answer was lost has made it.
pub(crate) async fn sign_up(api: &Api, name: &str) -> Value {
    let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    let answer = api.send(Request::post("/api/auth/signup", &body)).await;
    if answer.status == 409 { log_in(api, name).await } else { answer.expect(201) }
}

pub(crate) async fn log_in(api: &Api, name: &str) -> Value {
    try_login(api, name, PASSWORD).await.expect(200)
}

/// Exchanges a refresh token. If an attempt whose answer was lost has spent it too long ago, the session is over.
pub(crate) async fn refresh(api: &Api, name: &str, token: &str) -> Value {
    let answer = tests::refresh(api, token).await;
    if answer.status == 401 { log_in(api, name).await } else { answer.expect(200) }
}
