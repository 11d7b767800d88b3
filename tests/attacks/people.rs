//! Who attacks, and who is attacked.

use axum::Extension;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::http::ClientAddress;
use tests::{Answer, Api, Call, Service, saved_query};

/// Everybody's first password.
pub(crate) const PASSWORD: &str = "Sesame42";

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    /// The way by which they reach the service.
    pub(crate) api: Api,
}

impl Person {
    /// Somebody new signs up.
    pub(crate) async fn joins(api: &Api, name: &str) -> Self {
        let answer = api.sign_up(name).await;
        Self::holding(api, name, &answer)
    }

    /// The same person logs in once more.
    pub(crate) async fn logs_in(&self) -> Self {
        let answer = try_login(&self.api, &self.name, PASSWORD).await.expect(200);
        Self::holding(&self.api, &self.name, &answer)
    }

    /// Whoever holds the tokens of `answer`.
    pub(crate) fn holding(api: &Api, name: &str, answer: &Value) -> Self {
        let text = |field: &str| answer[field].as_str().expect("a token").to_owned();
        Self { name: name.to_owned(), token: text("token"), refresh_token: text("refresh_token"), api: api.clone() }
    }

    pub(crate) async fn sends(&self, call: Call) -> Answer {
        self.api.send(call.bearer(&self.token)).await
    }

    pub(crate) async fn gets(&self, path: &str) -> Answer {
        self.sends(Call::get(path)).await
    }

    pub(crate) async fn posts(&self, path: &str, body: &Value) -> Answer {
        self.sends(Call::post(path, body)).await
    }

    pub(crate) async fn deletes(&self, path: &str) -> Answer {
        self.sends(Call::new(Method::DELETE, path)).await
    }

    /// Whether the access token opens the account.
    pub(crate) async fn is_let_in(&self) -> bool {
        self.gets("/api/auth/profile").await.status == 200
    }

    /// The account.
    pub(crate) async fn account(&self) -> Value {
        self.gets("/api/auth/profile").await.expect(200)["user"].clone()
    }

    /// The living sessions.
    pub(crate) async fn sessions(&self) -> Vec<Value> {
        self.gets("/api/auth/sessions").await.expect(200)["sessions"].as_array().expect("a list").clone()
    }

    /// Uploads `changes` from `device`; whoever meets a conflict is asked.
    pub(crate) async fn uploads(&self, device: &str, changes: &[Value]) -> Value {
        let body = json!({ "device_id": device, "conflict_strategy": "user_choice", "changes": changes });
        self.posts("/api/sync/upload", &body).await.expect(200)
    }

    /// All that a device gets which starts from nothing, open conflicts included.
    pub(crate) async fn everything(&self) -> Value {
        self.gets("/api/sync/download?device_id=viewer").await.expect(200)
    }

    /// The saved query `id`.
    pub(crate) async fn saved(&self, id: &str) -> Option<Value> {
        let page = self.everything().await;
        page["saved_queries"].as_array()?.iter().find(|query| query["id"] == id).cloned()
    }

    /// The text of the saved query `id`.
    pub(crate) async fn reads(&self, id: &str) -> Option<String> {
        Some(self.saved(id).await?["query"].as_str()?.to_owned())
    }

    /// The laptop and the phone disagree about the query `item`; the conflict waits.
    pub(crate) async fn disagrees(&self, service: &Service, item: &str, texts: [&str; 2]) -> Value {
        let [first, second] = ["laptop", "phone"].map(|device| format!("{device} {item}"));
        self.uploads("laptop", &[write(service, &first, item, texts[0], 0)]).await;
        let answer = self.uploads("phone", &[write(service, &second, item, texts[1], 0)]).await;
        let conflict = answer["conflicts"][0].clone();
        assert!(conflict["id"].is_string(), "there is no conflict: {answer}");
        conflict
    }
}

/// Logs in, or tries to.
pub(crate) async fn try_login(api: &Api, name: &str, password: &str) -> Answer {
    api.send(Call::post("/api/auth/login", &json!({ "username": name, "password": password }))).await
}

/// Signs up, or tries to.
pub(crate) async fn try_sign_up(api: &Api, name: &str, email: &str) -> Answer {
    let body = json!({ "username": name, "email": email, "password": PASSWORD });
    api.send(Call::post("/api/auth/signup", &body)).await
}

/// Shows a refresh token.
pub(crate) async fn refresh(api: &Api, token: &str) -> Answer {
    api.send(Call::post("/api/auth/refresh", &json!({ "refresh_token": token }))).await
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

/// The change that writes the saved query `item` with this text, now.
pub(crate) fn write(service: &Service, id: &str, item: &str, text: &str, base: i64) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "update",
        "data": saved_query(item, text), "updated_at": service.clock.now().to_string(), "sync_version": base })
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

/// The fields that an error, or a rejection, names.
pub(crate) fn fields(said: &Value) -> Vec<&str> {
    let details = said["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    details.iter().filter_map(|detail| detail["field"].as_str()).collect()
}

/// The ids of the entries of a list.
pub(crate) fn ids<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(|entry| entry[name].as_str()).collect()
}
