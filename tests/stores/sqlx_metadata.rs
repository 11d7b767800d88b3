//! The query metadata in `.sqlx` matches what PostgreSQL reports.

use std::path::Path;

use secrecy::SecretString;
use serde_json::Value;
use shared::storage::postgres::PostgresAccounts;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr};
use tests::PostgresServer;

fn workspace() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads the stored metadata of all queries.
fn stored_queries() -> Vec<Value> {
    let files = std::fs::read_dir(workspace().join(".sqlx")).expect(".sqlx exists");
    let read =
        |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.expect("readable").path()).expect("readable");
    files.map(|file| serde_json::from_slice(&read(file)).expect("JSON")).collect()
}

/// Reads the source of the PostgreSQL accounts.
fn sources() -> String {
    let folder = workspace().join("shared/src/storage/postgres");
    let files = std::fs::read_dir(folder).expect("the folder exists");
    files.map(|file| std::fs::read_to_string(file.expect("readable").path()).expect("readable")).collect()
}

#[tokio::test]
async fn stored_metadata_matches_the_database() {
    let url = PostgresServer::shared().await.database().await;
    let postgres = PostgresAccounts::new(SecretString::from(url.as_str()).into(), None, 1).expect("the URL is valid");
    postgres.migrate().await.expect("the migrations succeed");
    let mut connection = PgConnection::connect(&url).await.expect("the database accepts connections");
    let (sqlx_metadata, sources) = (stored_queries(), sources());
    assert!(sqlx_metadata.len() >= 10, "{}", sqlx_metadata.len());
    for query in sqlx_metadata {
        let sql = query["query"].as_str().expect("a query").to_owned();
        assert!(sources.contains(&sql), "no longer used: {sql}");
        let described = connection.describe(AssertSqlSafe(sql.clone()).into_sql_str()).await;
        let described = serde_json::to_value(described.expect("the query matches the schema")).expect("JSON");
        assert_eq!(described, query["describe"], "{sql}\nmigrations/README.md describes how to regenerate .sqlx");
    }
}
