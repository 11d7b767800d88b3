use std::path::PathBuf;

use serde_json::{Value, json};
use tests::{Answer, Call, ServerProcess, written_mail};

use crate::browser::Browser;

pub(crate) const ADDRESS: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "Sesame42";

/// Ada, with a server, the mails that it writes, and a browser.
pub(crate) struct Person {
    pub(crate) browser: Browser,
    pub(crate) server: ServerProcess,
    /// The answer to her signing up.
    pub(crate) session: Value,
    folder: tempfile::TempDir,
}

impl Person {
    pub(crate) async fn signs_up(settings: &[(&str, &str)]) -> Self {
        let folder = tests::scratch();
        let server = ServerProcess::start_with(folder.path(), settings).await;
        let session = server.api.sign_up("ada").await;
        Self { browser: Browser::start().await, server, session, folder }
    }

    /// The HTML part of the newest mail of the kind `kind`, once there is one.
    pub(crate) async fn mail(&self, kind: &str) -> PathBuf {
        written_mail(self.folder.path(), kind).await.with_extension("html")
    }

    /// Opens the mail of the kind `kind` and reads where its button leads.
    pub(crate) async fn link(&self, kind: &str) -> String {
        self.browser.opens_file(&self.mail(kind).await).await;
        let button = self.browser.find("a[href*='?token=']").await;
        button.attr("href").await.expect("readable").expect("the button leads somewhere")
    }

    pub(crate) async fn sends(&self, call: Call) -> Answer {
        self.server.api.send(call).await
    }

    pub(crate) async fn logs_in(&self, password: &str) -> Answer {
        self.sends(Call::post("/api/auth/login", &json!({ "username": "ada", "password": password }))).await
    }

    pub(crate) async fn forgets_password(&self) {
        let call = Call::post("/api/auth/request-password-reset", &json!({ "email": ADDRESS }));
        self.sends(call).await.expect(200);
    }

    /// Her profile, as the holder of `session` sees it.
    pub(crate) async fn profile(&self, session: &Value) -> Answer {
        let token = session["token"].as_str().expect("a token");
        self.sends(Call::get("/api/auth/profile").bearer(token)).await
    }
}
