use std::panic::{AssertUnwindSafe, resume_unwind};

use axum::http::Method;
use futures_util::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use shared::clock::{SystemRandom, random_bytes};

use crate::{Api, Request, TestUser};

/// Account with a random name and password, for as long as a check takes.
pub struct TemporaryAccount {
    /// First session.
    pub user: TestUser,
    password: SecretString,
}

impl TemporaryAccount {
    /// Signs a user up, runs `check`, and deletes the account, also if `check` panics. If the response to the
    /// sign-up is lost, the account remains.
    ///
    /// # Panics
    /// If `check` does, or the account cannot be created or deleted.
    pub async fn with<T>(api: &Api, check: impl AsyncFnOnce(&Self) -> T) -> T {
        let account = Self::sign_up(api).await;
        let outcome = AssertUnwindSafe(check(&account)).catch_unwind().await;
        let deletion = AssertUnwindSafe(account.delete()).catch_unwind().await;
        // The first failure is the cause.
        let result = outcome.unwrap_or_else(|panic| resume_unwind(panic));
        deletion.unwrap_or_else(|panic| resume_unwind(panic));
        result
    }

    async fn sign_up(api: &Api) -> Self {
        let name = format!("check-{}", random_text());
        let password = SecretString::from(random_text());
        // Resend accepts this domain for tests, and refuses example.com (https://resend.com/docs/dashboard/emails/send-test-emails).
        let email = format!("delivered+{name}@resend.dev");
        let body = json!({ "username": name, "email": email, "password": password.expose_secret() });
        let response = api.send(Request::post("/api/auth/signup", &body)).await.expect(201);
        Self { user: TestUser::from_tokens(api, &name, &response), password }
    }

    /// Opens another session.
    pub async fn log_in(&self) -> TestUser {
        let response = self.user.api.send(self.login()).await.expect(200);
        TestUser::from_tokens(&self.user.api, &self.user.name, &response)
    }

    fn login(&self) -> Request {
        let body = json!({ "username": self.user.name, "password": self.password.expose_secret() });
        Request::post("/api/auth/login", &body)
    }

    /// Deletes the account, and asserts that neither its token nor its password are accepted any more.
    async fn delete(&self) {
        let body = json!({ "password": self.password.expose_secret() });
        let delete = |token: &str| Request::new(Method::DELETE, "/api/auth/profile").json(&body).bearer(token);
        let mut response = self.user.api.send(delete(&self.user.token)).await;
        if response.status == 401 {
            response = self.user.api.send(delete(&self.log_in().await.token)).await;
        }
        assert_eq!(response.status, 200, "{} remains: {}", self.user.name, String::from_utf8_lossy(&response.body));
        assert!(!self.user.is_authenticated().await, "{} remains", self.user.name);
        self.user.api.send(self.login()).await.expect_error(401, "INVALID_CREDENTIALS");
    }
}

fn random_text() -> String {
    hex::encode(random_bytes::<16>(&SystemRandom))
}
