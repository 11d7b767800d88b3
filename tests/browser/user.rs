use std::path::PathBuf;

use serde_json::{Value, json};
use tests::{Request, Response, ServerProcess, wait_for_email};

use crate::browser::Browser;

pub(crate) const ADDRESS: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "Sesame42";

/// User Ada with a server, the emails that it writes, and a browser.
pub(crate) struct BrowserUser {
    pub(crate) browser: Browser,
    pub(crate) server: ServerProcess,
    /// Body of the sign-up response.
    pub(crate) session: Value,
    folder: tempfile::TempDir,
}

impl BrowserUser {
    pub(crate) async fn sign_up(settings: &[(&str, &str)]) -> Self {
        let folder = tests::scratch_dir();
        let server = ServerProcess::start_with(folder.path(), settings).await;
        let session = server.api.sign_up("ada").await;
        Self { browser: Browser::start().await, server, session, folder }
    }

    /// Waits for an email of the kind `kind`, and returns the file with its HTML part.
    pub(crate) async fn email_file(&self, kind: &str) -> PathBuf {
        wait_for_email(self.folder.path(), kind).await.with_extension("html")
    }

    /// Opens the email of the kind `kind` in the browser, and returns the link of its button.
    pub(crate) async fn link(&self, kind: &str) -> String {
        self.browser.open_file(&self.email_file(kind).await).await;
        let button = self.browser.find("a[href*='#token=']").await;
        button.attr("href").await.expect("readable").expect("the button has a link")
    }

    pub(crate) async fn send(&self, request: Request) -> Response {
        self.server.api.send(request).await
    }

    pub(crate) async fn log_in(&self, password: &str) -> Response {
        self.send(Request::post("/api/auth/login", &json!({ "username": "ada", "password": password }))).await
    }

    pub(crate) async fn request_password_reset(&self) {
        let request = Request::post("/api/auth/request-password-reset", &json!({ "email": ADDRESS }));
        self.send(request).await.expect(200);
    }

    /// Requests the profile with the access token of `session`.
    pub(crate) async fn profile(&self, session: &Value) -> Response {
        let token = session["token"].as_str().expect("a token");
        self.send(Request::get("/api/auth/profile").bearer(token)).await
    }
}
