//! The function `migrate`, which a deployment invokes before all others.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::clock::SystemRandom;
use shared::storage::libsql::{Hrana, SYNC, Transport};
use shared::storage::postgres::MIGRATIONS;
use sqlx::{Connection, PgConnection};
use tests::{Emulator, PostgresServer, Sqld};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::cloud::example_event;

fn applied(response: &Value) -> Vec<String> {
    let migrations = response["applied"].as_array().unwrap_or_else(|| panic!("{response}"));
    migrations.iter().map(|migration| migration.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_runs_apply_each_migration_once() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let environment = [("DATABASE_URL", postgres.as_str()), ("TURSO_DATABASE_URL", url.as_str())];
    let (first_function, second_function) =
        (Emulator::start("migrate", &environment).await, Emulator::start("migrate", &environment).await);
    let empty = json!({});
    let (first, second) = tokio::join!(first_function.invoke(&empty), second_function.invoke(&empty));
    let migrations: BTreeSet<_> = applied(&first).into_iter().chain(applied(&second)).collect();
    assert_eq!(migrations.len(), SYNC.len() + MIGRATIONS.iter().count(), "{migrations:?}");
    assert_eq!(applied(&first_function.invoke(&empty).await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_ends_all_cursors() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let function = Emulator::start("migrate", &[("DATABASE_URL", &postgres), ("TURSO_DATABASE_URL", &url)]).await;
    function.invoke(&json!({})).await;
    let database = Hrana::new(&url.clone().into(), None, Arc::new(SystemRandom)).expect("a valid URL");
    let head = "INSERT INTO sync_heads (user_id, head) VALUES ('5f0f3f6c-6c86-4b0e-9d0e-0c3a3f0b6c11', 1000)";
    database.script("test", head.to_owned()).await.expect("the row is inserted");
    let invalidate = json!({ "command": "invalidate-cursors" });
    assert_eq!(function.invoke(&invalidate).await, json!({ "invalidated": 1 }));
    assert_eq!(function.invoke(&invalidate).await, json!({ "invalidated": 1 }), "it may be repeated");
    let error = function.invoke(&json!({ "command": "drop-tables" })).await;
    assert!(error["errorMessage"].as_str().is_some_and(|message| message.contains("unknown command")), "{error}");
}

/// CloudFormation deployment that waits for the response of a custom resource.
struct Deployment(MockServer);

impl Deployment {
    async fn start() -> Self {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        Self(server)
    }

    /// Invokes `function` with an event of `request_type` and returns the response that the deployment receives.
    async fn request(&self, function: &Emulator, request_type: &str) -> Value {
        self.request_with(function, request_type, |_| {}).await
    }

    /// Invokes `function` with a modified event.
    async fn request_with(&self, function: &Emulator, request_type: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut event = example_event("deployment");
        change(&mut event);
        event["RequestType"] = request_type.into();
        event["ResponseURL"] = format!("{}/response?signature=abc", self.0.uri()).into();
        function.invoke(&event).await;
        let requests = self.0.received_requests().await.expect("requests are recorded");
        let response = requests.last().unwrap_or_else(|| panic!("the function sent no response: {}", function.log()));
        assert!(!response.headers.contains_key("content-type"));
        let response: Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!((&response["RequestId"], &response["LogicalResourceId"]), (&json!("request"), &json!("Migrations")));
        assert_eq!(response["PhysicalResourceId"], "migrations");
        response
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_result_is_reported_to_the_deployment() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let deployment = Deployment::start().await;
    let function = Emulator::start("migrate", &[("DATABASE_URL", &postgres), ("TURSO_DATABASE_URL", &url)]).await;
    for request_type in ["Create", "Update", "Delete"] {
        assert_eq!(deployment.request(&function, request_type).await["Status"], "SUCCESS", "{request_type}");
    }

    let unreachable = "postgres://studio:sesame@127.0.0.1:1/studio";
    let failing = Emulator::start("migrate", &[("DATABASE_URL", unreachable), ("TURSO_DATABASE_URL", &url)]).await;
    let response = deployment.request(&failing, "Update").await;
    let reason = response["Reason"].as_str().expect("a reason");
    assert_eq!(response["Status"], "FAILED");
    assert!(reason.contains("DATABASE_URL") && !reason.contains("sesame"), "{reason}");
    assert_eq!(deployment.request(&failing, "Delete").await["Status"], "SUCCESS", "a failed deployment can be deleted");
    let rollback = deployment.request_with(&failing, "Update", |event| {
        event["OldResourceProperties"]["Version"] =
            "arn:aws:lambda:eu-central-1:123456789012:function:migrate:8".into();
    });
    assert_eq!(rollback.await["Status"], "SUCCESS", "a failed deployment can be rolled back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_runs_on_databases_with_a_newer_migration() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let function = Emulator::start("migrate", &[("DATABASE_URL", &postgres), ("TURSO_DATABASE_URL", &url)]).await;
    function.invoke(&json!({})).await;
    let mut connection = PgConnection::connect(&postgres).await.expect("a connection");
    let ahead = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'of the next release', true, '', 0)";
    sqlx::query(ahead).execute(&mut connection).await.expect("the row is inserted");
    assert_eq!(applied(&function.invoke(&json!({})).await), Vec::<String>::new());
}
