//! The function `migrate`, which a deployment invokes before all others.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::clock::SystemRandom;
use shared::storage::libsql::{Hrana, SYNC, Transport};
use shared::storage::postgres::MIGRATIONS;
use sqlx::{Connection, PgConnection};
use tests::{Emulator, PgBouncer, PostgresServer, RedisServer, Sqld};

use crate::custom_resource::CloudFormation;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_move_users() {
    let (postgres, redis) = (PostgresServer::shared().await.database().await, RedisServer::start().await);
    let (first, second) = (Sqld::start().await, Sqld::start().await);
    let (list, redis_url) = (format!("{},{}#weight=2", first.url(), second.url()), redis.url());
    let environment = [("DATABASE_URL", &*postgres), ("TURSO_DATABASE_URL", &list), ("REDIS_URL", &redis_url)];
    let function = Emulator::start("migrate", &environment).await;
    function.invoke(&json!({})).await;
    let listed = function.invoke(&json!({ "command": "databases" })).await;
    let ids = [&listed["databases"][0]["id"], &listed["databases"][1]["id"]];
    let overview = |users: [u64; 2], weight: u64| {
        json!({ "databases": [
            { "id": ids[0], "position": 1, "weight": 1, "users": users[0] },
            { "id": ids[1], "position": 2, "weight": weight, "users": users[1] },
        ] })
    };
    assert_eq!(listed, overview([0, 0], 2));

    let mut connection = PgConnection::connect(&postgres).await.expect("the server responds");
    let user = "5f0f3f6c-6c86-4b0e-9d0e-0c3a3f0b6c11";
    let insert = "INSERT INTO users (id, username, email, password_hash, created_at, database_id)
        VALUES ($1::uuid, 'ada', 'ada@example.com', '', now(), $2::uuid)";
    let insert = sqlx::query(insert).bind(user).bind(ids[0].as_str().expect("an id"));
    insert.execute(&mut connection).await.expect("the row is inserted");
    let move_user = json!({ "command": "move-user", "user": user, "database": ids[1] });
    assert_eq!(function.invoke(&move_user).await, json!({ "moved": true, "rows": 0 }));
    assert_eq!(function.invoke(&move_user).await, json!({ "moved": false }), "it may be repeated");
    assert_eq!(function.invoke(&json!({ "command": "databases" })).await, overview([0, 1], 2));
    let drain = json!({ "command": "drain-database", "database": ids[1] });
    let drained = |moved: u64| json!({ "moved": moved, "failed": 0, "unfinished": false });
    assert_eq!(function.invoke(&drain).await, drained(1));
    assert_eq!(function.invoke(&drain).await, drained(0), "it may be repeated");
    assert_eq!(function.invoke(&json!({ "command": "databases" })).await, overview([1, 0], 0));

    for (event, problem) in [
        (json!({ "command": "move-user", "user": user }), "missing field `database`"),
        (json!({ "command": "move-user", "user": user, "database": user }), "the service has no database"),
        (json!({ "command": "move-user", "user": ids[0], "database": ids[0] }), "there is no such user"),
        (json!({ "command": "drain-database", "database": ids[0] }), "no other database takes users"),
    ] {
        let error = function.invoke(&event).await;
        assert!(error["errorMessage"].as_str().is_some_and(|message| message.contains(problem)), "{event}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_result_is_reported_to_the_deployment() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let url = sqld.url();
    let deployment = CloudFormation::start("deployment").await;
    let function = Emulator::start("migrate", &[("DATABASE_URL", &postgres), ("TURSO_DATABASE_URL", &url)]).await;
    let created = deployment.request(&function, "Create").await;
    assert_eq!((&created["Status"], &created["PhysicalResourceId"]), (&json!("SUCCESS"), &json!("migrations")));
    for request_type in ["Update", "Delete"] {
        let id = |event: &mut Value| event["PhysicalResourceId"] = "of an older release".into();
        let response = deployment.request_with(&function, request_type, id).await;
        assert_eq!(response["Status"], "SUCCESS", "{request_type}");
        assert_eq!(response["PhysicalResourceId"], "of an older release");
    }

    let failing = unreachable_function().await;
    for request_type in ["Create", "Update"] {
        let response = deployment.request(&failing, request_type).await;
        let reason = response["Reason"].as_str().expect("a reason");
        assert_eq!(response["Status"], "FAILED", "{request_type}");
        assert!(reason.contains("DATABASE_URL") && !reason.contains("sesame"), "{reason}");
    }
    assert_eq!(deployment.request(&failing, "Delete").await["Status"], "SUCCESS", "a failed deployment can be deleted");
}

/// Starts the function with databases on which no server listens.
async fn unreachable_function() -> Emulator {
    let environment =
        [("DATABASE_URL", "postgres://studio:sesame@127.0.0.1:1/studio"), ("TURSO_DATABASE_URL", "http://127.0.0.1:1")];
    Emulator::start("migrate", &environment).await
}

/// Returns a change of a request: the number of the function's version before and after it, and the settings of the others.
fn update(old: u32, new: u32, settings: Value) -> impl FnOnce(&mut Value) {
    let version = |number| format!("arn:aws:lambda:eu-central-1:123456789012:function:migrate:{number}");
    move |event: &mut Value| {
        event["OldResourceProperties"] = json!({ "Version": version(old) });
        event["ResourceProperties"] = json!({ "Version": version(new), "Settings": settings });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_without_newer_code_succeeds_without_databases() {
    let (function, deployment) = (unreachable_function().await, CloudFormation::start("deployment").await);
    let settings = || json!(["production", "https://sqlstudio.app", "0"]);
    // printf '["production","https://sqlstudio.app","0"]' | sha256sum
    let hash = json!({ "Settings": "358110464ae86647" });
    for (old, new) in [(7, 7), (10, 9)] {
        let response = deployment.request_with(&function, "Update", update(old, new, settings())).await;
        assert_eq!((&response["Status"], &response["Data"]), (&json!("SUCCESS"), &hash), "{old} to {new}");
    }
    let deleted = deployment.request_with(&function, "Delete", update(7, 7, settings())).await;
    assert_eq!(deleted["Data"], hash, "each request type has the same hash");
    let other = deployment.request_with(&function, "Update", update(7, 7, json!(["staging"]))).await;
    assert_ne!(other["Data"], hash);
    let newer = deployment.request_with(&function, "Update", update(9, 10, settings())).await;
    assert_eq!(newer["Status"], "FAILED", "newer code needs its migrations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_bypass_the_pooler_of_the_other_functions() {
    let (postgres, sqld) = (PostgresServer::shared().await.database().await, Sqld::start().await);
    let (pooler, url) = (PgBouncer::in_front_of(&postgres).await.url(), sqld.url());
    let shared = [("DATABASE_URL", pooler.as_str()), ("TURSO_DATABASE_URL", url.as_str())];
    let refused = Emulator::start("migrate", &shared).await.invoke(&json!({})).await;
    let message = refused["errorMessage"].as_str().unwrap_or_else(|| panic!("{refused}"));
    assert!(message.starts_with("DATABASE_URL: ") && message.contains("set DATABASE_URL_DIRECT to"), "{message}");

    let function = Emulator::start("migrate", &[&shared[..], &[("DATABASE_URL_DIRECT", &postgres)]].concat()).await;
    assert_eq!(applied(&function.invoke(&json!({})).await).len(), SYNC.len() + MIGRATIONS.iter().count());
    let unreachable = ("DATABASE_URL_DIRECT", "postgres://studio@127.0.0.1:1/studio");
    let failed = Emulator::start("migrate", &[&shared[..], &[unreachable]].concat()).await.invoke(&json!({})).await;
    let message = failed["errorMessage"].as_str().unwrap_or_else(|| panic!("{failed}"));
    assert!(message.starts_with("DATABASE_URL_DIRECT: "), "{message}");
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
