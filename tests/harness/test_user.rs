use axum::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::{Api, Device, Request, Response, Service, saved_query};

/// Password of every user at sign-up.
pub const PASSWORD: &str = "Sesame42";

/// Logged-in user: one session of an account.
#[derive(Clone)]
pub struct TestUser {
    /// User name.
    pub name: String,
    /// Access token.
    pub token: String,
    /// Refresh token.
    pub refresh_token: String,
    /// Transport to the service.
    pub api: Api,
}

impl TestUser {
    /// Signs a new user up.
    pub async fn sign_up(api: &Api, name: &str) -> Self {
        let response = api.sign_up(name).await;
        Self::from_tokens(api, name, &response)
    }

    /// Logs the same user in again, and returns the new session.
    pub async fn log_in(&self) -> Self {
        let response = try_login(&self.api, &self.name, PASSWORD).await.expect(200);
        Self::from_tokens(&self.api, &self.name, &response)
    }

    /// Creates a user from the tokens in the body of a sign-up, login or refresh response.
    ///
    /// # Panics
    /// If a token is missing.
    pub fn from_tokens(api: &Api, name: &str, response: &Value) -> Self {
        let text = |field: &str| response[field].as_str().expect("a token").to_owned();
        Self { name: name.to_owned(), token: text("token"), refresh_token: text("refresh_token"), api: api.clone() }
    }

    /// Creates a device with the user's access token.
    pub fn device(&self, id: &str) -> Device {
        Device::new(&self.api, &self.token, id)
    }

    /// Sends `request` with the access token.
    pub async fn send(&self, request: Request) -> Response {
        self.api.send(request.bearer(&self.token)).await
    }

    /// Sends `GET path`.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Request::get(path)).await
    }

    /// Sends `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Request::post(path, body)).await
    }

    /// Sends `DELETE path`.
    pub async fn delete(&self, path: &str) -> Response {
        self.send(Request::new(Method::DELETE, path)).await
    }

    /// Uploads `changes` from `device` with the server's default conflict strategy.
    pub async fn upload(&self, device: &str, changes: &[Value]) -> Value {
        let body = json!({ "device_id": device, "changes": changes });
        self.post("/api/sync/upload", &body).await.expect(200)
    }

    /// Returns the first page of a full sync, including open conflicts.
    pub async fn full_download(&self) -> Value {
        self.get("/api/sync/download?device_id=viewer").await.expect(200)
    }

    /// Returns the saved query `id`, if it exists.
    pub async fn saved_query(&self, id: &str) -> Option<Value> {
        let page = self.full_download().await;
        page["saved_queries"].as_array()?.iter().find(|query| query["id"] == id).cloned()
    }

    /// Returns the text of the saved query `id`, if it exists.
    pub async fn query_text(&self, id: &str) -> Option<String> {
        Some(self.saved_query(id).await?["query"].as_str()?.to_owned())
    }

    /// Downloads one page with additional query parameters.
    pub async fn download(&self, query: &str) -> Value {
        self.get(&format!("/api/sync/download?device_id=viewer{query}")).await.expect(200)
    }

    /// Lists the conflicts with a status.
    ///
    /// # Panics
    /// If the response has no list.
    pub async fn conflicts(&self, status: &str) -> Vec<Value> {
        let response = self.get(&format!("/api/sync/conflicts?status={status}")).await.expect(200);
        response["conflicts"].as_array().expect("a list").clone()
    }

    /// Resolves `conflict` with the request body `resolution`.
    ///
    /// # Panics
    /// If `conflict` has no id.
    pub async fn resolve(&self, conflict: &Value, resolution: &Value) -> Response {
        let id = conflict["id"].as_str().expect("a conflict has an id");
        self.post(&format!("/api/sync/conflicts/{id}/resolve"), resolution).await
    }

    /// Uploads diverging texts of the saved query `item` from a laptop and a phone, and returns the open conflict.
    ///
    /// # Panics
    /// If no conflict results.
    pub async fn create_conflict(&self, service: &Service, item: &str, texts: [&str; 2]) -> Value {
        let mut response = Value::Null;
        for (device, text) in ["laptop", "phone"].into_iter().zip(texts) {
            let changes = [query_update(service, &format!("{device} {item}"), item, text, 0)];
            let body = json!({ "device_id": device, "conflict_strategy": "user_choice", "changes": changes });
            response = self.post("/api/sync/upload", &body).await.expect(200);
        }
        let conflict = response["conflicts"][0].clone();
        assert!(conflict["id"].is_string(), "there is no conflict: {response}");
        conflict
    }

    /// Whether the access token is accepted.
    pub async fn is_authenticated(&self) -> bool {
        self.get("/api/auth/profile").await.status == 200
    }

    /// Returns the user's profile.
    pub async fn profile(&self) -> Value {
        self.get("/api/auth/profile").await.expect(200)["user"].clone()
    }

    /// Lists the active sessions.
    ///
    /// # Panics
    /// If the response has no list.
    pub async fn sessions(&self) -> Vec<Value> {
        self.get("/api/auth/sessions").await.expect(200)["sessions"].as_array().expect("a list").clone()
    }
}

/// Creates a login request.
pub fn login_request(name: &str, password: &str) -> Request {
    Request::post("/api/auth/login", &json!({ "username": name, "password": password }))
}

/// Sends a login request and returns the response, whatever its status.
pub async fn try_login(api: &Api, name: &str, password: &str) -> Response {
    api.send(login_request(name, password)).await
}

/// Sends a refresh request with the refresh token `token`.
pub async fn refresh(api: &Api, token: &str) -> Response {
    api.send(Request::post("/api/auth/refresh", &json!({ "refresh_token": token }))).await
}

/// Creates a change that sets the text of the saved query `item`, edited at the service's current time.
pub fn query_update(service: &Service, id: &str, item: &str, text: &str, base: i64) -> Value {
    json!({ "id": id, "item_type": "saved_query", "item_id": item, "action": "update",
        "data": saved_query(item, text), "updated_at": service.clock.now().to_string(), "sync_version": base })
}

/// Returns the fields in the details of an error or a rejection.
pub fn error_fields(error: &Value) -> Vec<&str> {
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    details.iter().filter_map(|detail| detail["field"].as_str()).collect()
}

/// Returns the texts in the field `field` of all entries of a list.
pub fn pluck<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(|entry| entry[field].as_str()).collect()
}
