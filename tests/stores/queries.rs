//! `.sqlx` says of every query what PostgreSQL says of it.

use std::path::Path;

use secrecy::SecretString;
use serde_json::Value;
use shared::storage::postgres::PostgresAccounts;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr};
use tests::PostgresServer;

fn workspace() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is kept of the queries.
fn kept() -> Vec<Value> {
    let files = std::fs::read_dir(workspace().join(".sqlx")).expect(".sqlx is there");
    let read =
        |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.expect("readable").path()).expect("readable");
    files.map(|file| serde_json::from_slice(&read(file)).expect("JSON")).collect()
}

/// The text of the accounts' sources.
fn sources() -> String {
    let folder = workspace().join("shared/src/storage/postgres");
    let files = std::fs::read_dir(folder).expect("the sources are there");
    files.map(|file| std::fs::read_to_string(file.expect("readable").path()).expect("readable")).collect()
}

#[tokio::test]
async fn what_is_kept_of_each_query_is_true() {
    let url = PostgresServer::shared().await.database().await;
    let postgres = PostgresAccounts::new(SecretString::from(url.as_str()).into(), 1).expect("the URL is right");
    postgres.migrate().await.expect("the database is brought up to date");
    let mut connection = PgConnection::connect(&url).await.expect("the database is there");
    let (queries, sources) = (kept(), sources());
    assert!(queries.len() >= 10, "{}", queries.len());
    for query in queries {
        let sql = query["query"].as_str().expect("a query").to_owned();
        assert!(sources.contains(&sql), "no longer used: {sql}");
        let described = connection.describe(AssertSqlSafe(sql.clone()).into_sql_str()).await;
        let described = serde_json::to_value(described.expect("the query fits the tables")).expect("JSON");
        assert_eq!(described, query["describe"], "{sql}\nmigrations/README.md tells how to renew .sqlx");
    }
}
