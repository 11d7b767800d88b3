//! Contents of libSQL databases.

use shared::storage::libsql::{Statement, Transport, Value};

/// Returns the tables of a libSQL database, each with all its rows.
///
/// # Panics
/// If the database is unreachable.
pub async fn dump(database: &dyn Transport) -> Vec<String> {
    let mut lines = Vec::new();
    for row in select(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").await {
        let [Value::Text(table)] = row.as_slice() else { panic!("a name, not {row:?}") };
        lines.push(table.clone());
        for row in select(database, &format!("SELECT * FROM \"{table}\" ORDER BY 1, 2")).await {
            lines.push(format!("{table}: {row:?}"));
        }
    }
    lines
}

/// Returns the rows of a query of a libSQL database.
///
/// # Panics
/// If the database is unreachable or refuses the query.
pub async fn select(database: &dyn Transport, sql: &str) -> Vec<Vec<Value>> {
    // A statement lives as long as the process.
    let statement = Statement::new(Box::leak(sql.to_owned().into_boxed_str()), []);
    let results = database.read("test", vec![statement]).await.expect("the read succeeds");
    results.into_iter().flat_map(|result| result.rows).collect()
}
