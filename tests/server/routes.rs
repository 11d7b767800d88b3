//! All routes, from the server's OpenAPI document, with valid bodies.

use serde_json::{Value, json};
use tests::{Api, Request, connection, history, saved_query};

/// Route with one method.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Whether the route requires an access token.
    pub(crate) needs_token: bool,
    /// Whether the route reads a body.
    pub(crate) takes_body: bool,
}

/// Returns all routes of the server.
pub(crate) async fn routes(api: &Api) -> Vec<Route> {
    let document = api.send(Request::get("/openapi.json")).await.expect(200);
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                needs_token: operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty()),
                takes_body: operation.get("requestBody").is_some(),
            });
        }
    }
    assert!(routes.len() >= 28, "{routes:?}");
    routes
}

/// Returns the routes that read a body.
pub(crate) async fn routes_with_body(api: &Api) -> Vec<Route> {
    routes(api).await.into_iter().filter(|route| route.takes_body).collect()
}

impl Route {
    /// Returns the path with `id` in place of its parameter.
    pub(crate) fn target(&self, id: &str) -> String {
        self.path.replace("{id}", id)
    }

    /// Returns a body with valid types. Passwords are wrong where the right one would change or delete the account.
    ///
    /// # Panics
    /// If the route is unknown.
    pub(crate) fn valid_body(&self) -> Value {
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
            "/api/sync/restore" => {
                json!({ "item_type": "saved_query", "item_id": "q0", "sync_version": 1, "expected_version": 1 })
            }
            path => panic!("add a valid body for {path} to tests/server/routes.rs"),
        }
    }
}

/// Returns an upload with an item of each type with all fields, and a deletion.
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
    let deletion = json!({ "id": "gone", "item_type": "saved_query", "item_id": "gone", "action": "delete",
        "updated_at": "2026-01-01T00:00:00Z", "sync_version": 1 });
    json!({ "device_id": "laptop", "last_sync_at": "2026-01-01T00:00:00Z", "conflict_strategy": "last_write_wins",
        "changes": [
            change("c", "connection", "create", full),
            change("q", "saved_query", "update", query),
            change("h", "query_history", "create", entry),
            deletion,
        ] })
}
