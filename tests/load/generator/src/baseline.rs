use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::any;
use serde_json::json;
use shared::storage::libsql::{FileDatabase, SYNC, Statement, Transport, migrate};
use tests::Api;

use crate::account::data;

/// Inserts the items of an upload in one statement.
const INSERT: &str = "
INSERT INTO saved_queries (user_id, id, name, description, query, connection_id, tags, favorite, metadata, created_at,
    updated_at, sync_version, deleted_at, seq, device_id, bytes)
SELECT ?1, value ->> '$.id', value ->> '$.name', value ->> '$.description', value ->> '$.query', NULL,
    value -> '$.tags', value ->> '$.favorite', value -> '$.metadata', 1767225600000000, 1767225600000000, 1, NULL,
    1767225600000000 + key, 'laptop', 500
FROM json_each(?2)";

/// Inserts the receipts of the changes of an upload.
const INSERT_RECEIPTS: &str = "
INSERT INTO receipts (user_id, device_id, change_id, item_type, item_id, sync_version, conflict_id, seq)
SELECT ?1, 'laptop', value ->> '$.id', 'saved_query', value ->> '$.id', 1, NULL, 1767225600000000 + key
FROM json_each(?2)";

/// Tables of the service, written directly.
pub(crate) struct BareTable {
    file: FileDatabase,
    items: usize,
}

impl BareTable {
    pub(crate) async fn open(folder: &Path) -> Self {
        let file = FileDatabase::open(&folder.join("bare.db")).await.expect("the file opens");
        migrate(&file, SYNC).await.expect("the migrations succeed");
        Self { file, items: 0 }
    }

    /// Inserts `count` new items and returns the time taken.
    pub(crate) async fn insert(&mut self, count: usize) -> Duration {
        self.write(count, &[INSERT]).await
    }

    /// Inserts `count` new items with their receipts, the rows of an upload, and returns the time taken.
    pub(crate) async fn insert_all(&mut self, count: usize) -> Duration {
        self.write(count, &[INSERT, INSERT_RECEIPTS]).await
    }

    async fn write(&mut self, count: usize, sql: &[&'static str]) -> Duration {
        let row = |index: usize| {
            let mut row = data();
            row["id"] = json!(format!("q{}", self.items + index));
            row
        };
        let rows: Vec<_> = (0..count).map(row).collect();
        self.items += count;
        let rows = serde_json::to_string(&rows).expect("JSON");
        let statements = sql.iter().map(|sql| Statement::new(sql, ["the user".into(), rows.clone().into()])).collect();
        let start = Instant::now();
        self.file.write("bare", statements).await.expect("the rows are written");
        start.elapsed()
    }
}

/// Returns a handler that responds to every request with `body`.
pub(crate) fn empty_handler(body: Vec<u8>) -> Api {
    let response = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    Api::Router(Router::new().fallback(any(response)))
}
