//! Server and accounts as the target of hostile requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use shared::clock::{Clock, SystemClock};
use tests::{Api, Device, Request, Response, ServerProcess, saved_query};

use crate::raw_http::{RawRequest, send};
use crate::routes::Route;

/// Number of open conflicts.
const CONFLICTS: usize = 200;

/// Server with two accounts: Ada has open conflicts, Bob is used for repeated logins, because the number of sessions per
/// account is limited.
pub(crate) struct Target {
    pub(crate) server: ServerProcess,
    folder: tempfile::TempDir,
    token: String,
    conflicts: Vec<String>,
    counter: AtomicUsize,
}

impl Target {
    pub(crate) async fn start() -> Self {
        let folder = tests::scratch_dir();
        let server = ServerProcess::start(folder.path()).await;
        let token = sign_up(&server.api, "ada").await;
        sign_up(&server.api, "bob").await;
        let conflicts = make_conflicts(&server.api, &token).await;
        Self { server, folder, token, conflicts, counter: AtomicUsize::new(0) }
    }

    /// Returns Ada's access token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Returns a valid access token, of a new session if `route` ends the session.
    async fn token_for(&self, route: &Route) -> String {
        if !route.path.ends_with("/logout") {
            return self.token.clone();
        }
        let login = json!({ "username": "bob", "password": "Sesame42" });
        text(&self.server.api.send(Request::post("/api/auth/login", &login)).await.expect(200)["token"])
    }

    /// Creates a request to `route` with or without a token. An id in the path is that of an open conflict.
    pub(crate) async fn request(&self, route: &Route, signed_in: bool) -> RawRequest {
        let index = self.counter.fetch_add(1, Ordering::Relaxed);
        let id = &self.conflicts[index % self.conflicts.len()];
        let token = if signed_in { Some(self.token_for(route).await) } else { None };
        RawRequest::new(&route.method, route.target(id)).bearer(token.as_deref())
    }

    pub(crate) async fn send(&self, request: &RawRequest) -> Response {
        send(&self.server.base_url, request).await
    }

    /// Asserts that the server is healthy, and that no accepted request has broken Ada's account.
    pub(crate) async fn assert_account_intact(&self) {
        crate::checks::assert_healthy(&self.server.api).await;
        let get = |path: &str| self.server.api.send(Request::get(path).bearer(&self.token));
        get("/api/sync/status").await.expect(200);
        get("/api/sync/conflicts?status=all").await.expect(200);
        get("/api/auth/sessions").await.expect(200);
        Device::new(&self.server.api, &self.token, "new").download().await;
        assert!(self.folder.path().join("jwt.key").is_file());
    }
}

/// Signs `name` up and returns the access token.
pub(crate) async fn sign_up(api: &Api, name: &str) -> String {
    text(&api.sign_up(name).await["token"])
}

/// Returns the text of a JSON string.
pub(crate) fn text(value: &serde_json::Value) -> String {
    value.as_str().expect("a string").to_owned()
}

async fn make_conflicts(api: &Api, token: &str) -> Vec<String> {
    let device = |id| Device::new(api, token, id).with_strategy("user_choice");
    let (mut first, mut second) = (device("first"), device("second"));
    for (device, query) in [(&mut first, "select 1"), (&mut second, "select 2")] {
        for index in 0..CONFLICTS {
            device.write("saved_query", &format!("q{index}"), saved_query("orders", query), SystemClock.now());
        }
    }
    first.upload().await;
    let response = second.upload().await;
    let conflicts = response["conflicts"].as_array().expect("conflicts");
    assert_eq!(conflicts.len(), CONFLICTS);
    conflicts.iter().map(|conflict| text(&conflict["id"])).collect()
}
