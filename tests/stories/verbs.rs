//! What the people of the stories do.

use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Answer, Api, Call, Device, Service, saved_query};

/// Everybody's first password.
pub(crate) const PASSWORD: &str = "Sesame42";
pub(crate) const DAY: i64 = 24 * 3_600;

/// Somebody who is logged in.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    api: Api,
}

impl Person {
    /// Somebody new signs up.
    pub(crate) async fn joins(service: &Service, name: &str) -> Self {
        let answer = service.api.sign_up(name).await;
        Self::holding(&service.api, name, &answer)
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

    pub(crate) fn device(&self, id: &str) -> Device {
        Device::new(&self.api, &self.token, id)
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

    /// Uploads `changes` from `device`, under the server's strategy.
    pub(crate) async fn uploads(&self, device: &str, changes: &[Value]) -> Value {
        let body = json!({ "device_id": device, "changes": changes });
        self.posts("/api/sync/upload", &body).await.expect(200)
    }

    /// Downloads one page with this query.
    pub(crate) async fn downloads(&self, query: &str) -> Value {
        self.gets(&format!("/api/sync/download?device_id=viewer{query}")).await.expect(200)
    }

    /// The present text of a saved query, as a device that starts from nothing gets it.
    pub(crate) async fn reads(&self, id: &str) -> Option<String> {
        let page = self.downloads("").await;
        let found = page["saved_queries"].as_array()?.iter().find(|query| query["id"] == id)?;
        Some(found["query"].as_str()?.to_owned())
    }

    /// The conflicts of one status.
    pub(crate) async fn conflicts(&self, status: &str) -> Vec<Value> {
        let answer = self.gets(&format!("/api/sync/conflicts?status={status}")).await.expect(200);
        answer["conflicts"].as_array().expect("a list").clone()
    }

    /// Settles `conflict`.
    pub(crate) async fn settles(&self, conflict: &Value, how: &Value) -> Answer {
        let id = conflict["id"].as_str().expect("a conflict has an id");
        self.posts(&format!("/api/sync/conflicts/{id}/resolve"), how).await
    }
}

/// Logs in, or tries to.
pub(crate) async fn try_login(api: &Api, name: &str, password: &str) -> Answer {
    api.send(Call::post("/api/auth/login", &json!({ "username": name, "password": password }))).await
}

/// Shows a refresh token.
pub(crate) async fn refresh(service: &Service, token: &str) -> Answer {
    service.api.send(Call::post("/api/auth/refresh", &json!({ "refresh_token": token }))).await
}

/// The change that writes the saved query `item` with this text, now.
pub(crate) fn write(service: &Service, id: &str, item: &str, text: &str, base: i64) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "update",
        "data": saved_query(item, text), "updated_at": service.clock.now().to_string(), "sync_version": base })
}

/// The change that deletes the saved query `item`, now.
pub(crate) fn delete(service: &Service, id: &str, item: &str, base: i64) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "delete",
        "updated_at": service.clock.now().to_string(), "sync_version": base })
}

/// Choosing one side of a conflict.
pub(crate) fn choose(version: &str) -> Value {
    json!({ "strategy": "user_choice", "chosen_version": version })
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
