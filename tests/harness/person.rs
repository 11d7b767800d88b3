use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::{Answer, Api, Call, Device, Service, saved_query};

/// Everybody's first password.
pub const PASSWORD: &str = "Sesame42";

/// Somebody who is logged in.
#[derive(Clone)]
pub struct Person {
    /// The user name.
    pub name: String,
    /// The access token.
    pub token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// The way by which they reach the service.
    pub api: Api,
}

impl Person {
    /// Somebody new signs up.
    pub async fn joins(api: &Api, name: &str) -> Self {
        let answer = api.sign_up(name).await;
        Self::holding(api, name, &answer)
    }

    /// The same person logs in once more.
    pub async fn logs_in(&self) -> Self {
        let answer = try_login(&self.api, &self.name, PASSWORD).await.expect(200);
        Self::holding(&self.api, &self.name, &answer)
    }

    /// Whoever holds the tokens of `answer`.
    ///
    /// # Panics
    /// When it holds none.
    pub fn holding(api: &Api, name: &str, answer: &Value) -> Self {
        let text = |field: &str| answer[field].as_str().expect("a token").to_owned();
        Self { name: name.to_owned(), token: text("token"), refresh_token: text("refresh_token"), api: api.clone() }
    }

    /// A device of theirs.
    pub fn device(&self, id: &str) -> Device {
        Device::new(&self.api, &self.token, id)
    }

    /// Sends `call` with the access token.
    pub async fn sends(&self, call: Call) -> Answer {
        self.api.send(call.bearer(&self.token)).await
    }

    /// Asks for `path`.
    pub async fn gets(&self, path: &str) -> Answer {
        self.sends(Call::get(path)).await
    }

    /// Posts `body` to `path`.
    pub async fn posts(&self, path: &str, body: &Value) -> Answer {
        self.sends(Call::post(path, body)).await
    }

    /// Deletes `path`.
    pub async fn deletes(&self, path: &str) -> Answer {
        self.sends(Call::new(Method::DELETE, path)).await
    }

    /// Uploads `changes` from `device`, under the server's strategy.
    pub async fn uploads(&self, device: &str, changes: &[Value]) -> Value {
        let body = json!({ "device_id": device, "changes": changes });
        self.posts("/api/sync/upload", &body).await.expect(200)
    }

    /// All that a device gets which starts from nothing, open conflicts included.
    pub async fn everything(&self) -> Value {
        self.gets("/api/sync/download?device_id=viewer").await.expect(200)
    }

    /// The saved query `id`.
    pub async fn saved(&self, id: &str) -> Option<Value> {
        let page = self.everything().await;
        page["saved_queries"].as_array()?.iter().find(|query| query["id"] == id).cloned()
    }

    /// The text of the saved query `id`.
    pub async fn reads(&self, id: &str) -> Option<String> {
        Some(self.saved(id).await?["query"].as_str()?.to_owned())
    }

    /// Downloads one page with this query.
    pub async fn downloads(&self, query: &str) -> Value {
        self.gets(&format!("/api/sync/download?device_id=viewer{query}")).await.expect(200)
    }

    /// The conflicts of one status.
    ///
    /// # Panics
    /// When they are no list.
    pub async fn conflicts(&self, status: &str) -> Vec<Value> {
        let answer = self.gets(&format!("/api/sync/conflicts?status={status}")).await.expect(200);
        answer["conflicts"].as_array().expect("a list").clone()
    }

    /// Settles `conflict`.
    ///
    /// # Panics
    /// When it is none.
    pub async fn settles(&self, conflict: &Value, how: &Value) -> Answer {
        let id = conflict["id"].as_str().expect("a conflict has an id");
        self.posts(&format!("/api/sync/conflicts/{id}/resolve"), how).await
    }

    /// The laptop and the phone disagree about the query `item`; the conflict waits.
    ///
    /// # Panics
    /// When there is none.
    pub async fn disagrees(&self, service: &Service, item: &str, texts: [&str; 2]) -> Value {
        let mut answer = Value::Null;
        for (device, text) in ["laptop", "phone"].into_iter().zip(texts) {
            let changes = [write(service, &format!("{device} {item}"), item, text, 0)];
            let body = json!({ "device_id": device, "conflict_strategy": "user_choice", "changes": changes });
            answer = self.posts("/api/sync/upload", &body).await.expect(200);
        }
        let conflict = answer["conflicts"][0].clone();
        assert!(conflict["id"].is_string(), "there is no conflict: {answer}");
        conflict
    }

    /// Whether the access token opens the account.
    pub async fn is_let_in(&self) -> bool {
        self.gets("/api/auth/profile").await.status == 200
    }

    /// The account.
    pub async fn account(&self) -> Value {
        self.gets("/api/auth/profile").await.expect(200)["user"].clone()
    }

    /// The living sessions.
    ///
    /// # Panics
    /// When they are no list.
    pub async fn sessions(&self) -> Vec<Value> {
        self.gets("/api/auth/sessions").await.expect(200)["sessions"].as_array().expect("a list").clone()
    }
}

/// A login.
pub fn login(name: &str, password: &str) -> Call {
    Call::post("/api/auth/login", &json!({ "username": name, "password": password }))
}

/// Logs in, or tries to.
pub async fn try_login(api: &Api, name: &str, password: &str) -> Answer {
    api.send(login(name, password)).await
}

/// Shows a refresh token.
pub async fn refresh(api: &Api, token: &str) -> Answer {
    api.send(Call::post("/api/auth/refresh", &json!({ "refresh_token": token }))).await
}

/// The change that writes the saved query `item` with this text, now.
pub fn write(service: &Service, id: &str, item: &str, text: &str, base: i64) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "update",
        "data": saved_query(item, text), "updated_at": service.clock.now().to_string(), "sync_version": base })
}

/// The fields that an error, or a rejection, names.
pub fn fields(said: &Value) -> Vec<&str> {
    let details = said["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    details.iter().filter_map(|detail| detail["field"].as_str()).collect()
}

/// The ids of the entries of a list.
pub fn ids<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(|entry| entry[name].as_str()).collect()
}
