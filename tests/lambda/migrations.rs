//! The function that a deployment starts before all others.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::storage::libsql::SYNC;
use shared::storage::postgres::MIGRATIONS;
use sqlx::{Connection, PgConnection};
use tests::{Emulator, PostgresServer, Sqld};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::cloud::kept;

fn applied(answer: &Value) -> Vec<String> {
    let steps = answer["applied"].as_array().unwrap_or_else(|| panic!("{answer}"));
    steps.iter().map(|step| step.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_takes_once_though_two_run_at_once() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let environment = [("DATABASE_URL", postgres.as_str()), ("TURSO_DATABASE_URL", url.as_str())];
    let (one, other) = (Emulator::start("migrate", &environment).await, Emulator::start("migrate", &environment).await);
    let nothing = json!({});
    let (first, second) = tokio::join!(one.invoke(&nothing), other.invoke(&nothing));
    let steps: BTreeSet<_> = applied(&first).into_iter().chain(applied(&second)).collect();
    assert_eq!(steps.len(), SYNC.len() + MIGRATIONS.iter().count(), "{steps:?}");
    assert_eq!(applied(&one.invoke(&nothing).await), Vec::<String>::new());
}

/// A deployment, which waits for an answer.
struct Deployment(MockServer);

impl Deployment {
    async fn start() -> Self {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        Self(server)
    }

    /// Has `function` do `what`, and returns what the deployment is told.
    async fn asks(&self, function: &Emulator, what: &str) -> Value {
        self.asks_by(function, what, |_| {}).await
    }

    /// The same by a changed event.
    async fn asks_by(&self, function: &Emulator, what: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut event = kept("deployment");
        change(&mut event);
        event["RequestType"] = what.into();
        event["ResponseURL"] = format!("{}/answer?signature=abc", self.0.uri()).into();
        function.invoke(&event).await;
        let told = self.0.received_requests().await.expect("requests are recorded");
        let answer = told.last().unwrap_or_else(|| panic!("nothing was told: {}", function.log()));
        assert!(!answer.headers.contains_key("content-type"));
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((&answer["RequestId"], &answer["LogicalResourceId"]), (&json!("request"), &json!("Migrations")));
        assert_eq!(answer["PhysicalResourceId"], "migrations");
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_told_how_it_went() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let deployment = Deployment::start().await;
    let function = Emulator::start("migrate", &[("DATABASE_URL", &postgres), ("TURSO_DATABASE_URL", &url)]).await;
    for what in ["Create", "Update", "Delete"] {
        assert_eq!(deployment.asks(&function, what).await["Status"], "SUCCESS", "{what}");
    }

    let nowhere = "postgres://studio:sesame@127.0.0.1:1/studio";
    let failing = Emulator::start("migrate", &[("DATABASE_URL", nowhere), ("TURSO_DATABASE_URL", &url)]).await;
    let told = deployment.asks(&failing, "Update").await;
    let reason = told["Reason"].as_str().expect("a reason");
    assert_eq!(told["Status"], "FAILED");
    assert!(reason.contains("DATABASE_URL") && !reason.contains("sesame"), "{reason}");
    assert_eq!(deployment.asks(&failing, "Delete").await["Status"], "SUCCESS", "what failed can be taken away");
    let back = deployment.asks_by(&failing, "Update", |event| {
        event["OldResourceProperties"]["Version"] =
            "arn:aws:lambda:eu-central-1:123456789012:function:migrate:8".into();
    });
    assert_eq!(back.await["Status"], "SUCCESS", "what failed can be rolled back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_works_with_databases_that_are_a_step_ahead() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let function = Emulator::start("migrate", &[("DATABASE_URL", &postgres), ("TURSO_DATABASE_URL", &url)]).await;
    function.invoke(&json!({})).await;
    let mut connection = PgConnection::connect(&postgres).await.expect("a connection");
    let ahead = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'of the next release', true, '', 0)";
    sqlx::query(ahead).execute(&mut connection).await.expect("it takes");
    assert_eq!(applied(&function.invoke(&json!({})).await), Vec::<String>::new());
}
