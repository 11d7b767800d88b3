//! Every route, as the server itself tells them, with a body that is right.

use serde_json::{Value, json};
use tests::{Api, Request, connection, history, saved_query};

/// A route and a method that it takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Whether it asks for an access token.
    pub(crate) guarded: bool,
    /// Whether it reads a body.
    pub(crate) takes_body: bool,
}

/// All routes of the server.
pub(crate) async fn routes(api: &Api) -> Vec<Route> {
    let document = api.send(Request::get("/openapi.json")).await.expect(200);
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                guarded: operation.get("security").is_some(),
                takes_body: operation.get("requestBody").is_some(),
            });
        }
    }
    assert!(routes.len() >= 25, "{routes:?}");
    routes
}

/// The routes that read a body.
pub(crate) async fn routes_with_body(api: &Api) -> Vec<Route> {
    routes(api).await.into_iter().filter(|route| route.takes_body).collect()
}

impl Route {
    /// A target, with `id` where the path has a place for one.
    pub(crate) fn target(&self, id: &str) -> String {
        self.path.replace("{id}", id)
    }

    /// A body whose every field has the right type. It does as little harm as it can: the password is wrong where the
    /// right one would end the account.
    ///
    /// # Panics
    /// When the route is a new one.
    pub(crate) fn right_body(&self) -> Value {
        match self.path.as_str() {
            "/api/auth/signup" => {
                json!({ "username": "eve", "email": "eve@example.com", "password": "Sesame42", "device": "laptop" })
            }
            "/api/auth/login" => json!({ "username": "bob", "password": "Sesame42", "device": "laptop" }),
            "/api/auth/refresh" => json!({ "refresh_token": "A".repeat(43) }),
            "/api/auth/verify-email" => json!({ "token": "A".repeat(43) }),
            "/api/auth/request-password-reset" => json!({ "email": "ada@example.com" }),
            "/api/auth/reset-password" => json!({ "token": "A".repeat(43), "new_password": "Sesame43" }),
            "/api/auth/change-password" => json!({ "current_password": "Sesame41", "new_password": "Sesame43" }),
            "/api/auth/profile" => json!({ "password": "Sesame41" }),
            "/api/sync/upload" => upload(),
            "/api/sync/conflicts/{id}/resolve" => {
                json!({ "strategy": "user_choice", "merged_data": saved_query("merged", "select 3") })
            }
            path => panic!("say in tests/server/routes.rs what a right body for {path} is"),
        }
    }
}

/// An upload with an item of each kind, every field given, and a deletion.
pub(crate) fn upload() -> Value {
    let mut full = connection("full");
    for (name, value) in [("ssh_host", json!("gate.example.com")), ("ssh_port", json!(22)), ("ssh_user", json!("ada"))]
    {
        full[name] = value;
    }
    full["color"] = json!("#aabbcc");
    full["icon"] = json!("elephant");
    full["created_at"] = json!("2026-01-01T00:00:00Z");
    let mut query = saved_query("orders", "select 1");
    query["description"] = json!("all of them");
    query["connection_id"] = json!("full");
    let mut entry = history("select 1");
    entry["error"] = json!("no such table");
    let change = |id: &str, kind: &str, action: &str, data: Value| {
        json!({ "id": id, "item_type": kind, "item_id": id, "action": action, "data": data,
            "updated_at": "2026-01-01T00:00:00Z", "sync_version": 0 })
    };
    let gone = json!({ "id": "gone", "item_type": "saved_query", "item_id": "gone", "action": "delete",
        "updated_at": "2026-01-01T00:00:00Z", "sync_version": 1 });
    json!({ "device_id": "laptop", "last_sync_at": "2026-01-01T00:00:00Z", "conflict_strategy": "last_write_wins",
        "changes": [
            change("c", "connection", "create", full),
            change("q", "saved_query", "update", query),
            change("h", "query_history", "create", entry),
            gone,
        ] })
}
