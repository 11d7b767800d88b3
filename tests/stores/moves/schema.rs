//! The tables with rows of users, as a migrated database describes them: a table or column that is added later is included.

use std::collections::BTreeMap;

use shared::models::UserId;
use shared::storage::libsql::{FileDatabase, Row, SYNC, Statement, Transport, Value, migrate};

/// Table that a move does not copy: no release reads it any more.
const NOT_COPIED: &str = "walks";
/// State of a move, which differs between the databases.
const MOVE_COLUMNS: [&str; 4] = ["moved_to", "moving", "move_epoch", "moved_at"];

const TABLES: &str = "
SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_master AS m JOIN pragma_table_xinfo(m.name) AS c
WHERE m.type = 'table' AND c.hidden = 0 AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'user_id')
ORDER BY m.name, c.cid";

/// Rows of a user in each table, without the id of the user.
pub(super) type Rows = BTreeMap<&'static str, Vec<Row>>;

/// A column of a table.
struct Column {
    name: String,
    is_integer: bool,
    is_nullable: bool,
}

/// A table with rows of users.
struct Table {
    name: &'static str,
    /// Its columns, apart from the id of the user, generated ones, and the state of a move.
    columns: Vec<Column>,
    /// Statement that reads the rows of a user.
    read: &'static str,
    /// Statement that inserts a row.
    insert: &'static str,
}

/// All tables with rows of users.
pub(super) struct Schema(Vec<Table>);

/// Statements of the product are constants, so those of the tests have to live as long.
fn leak(sql: String) -> &'static str {
    Box::leak(sql.into_boxed_str())
}

impl Schema {
    /// Reads the schema of a new database.
    pub(super) async fn of_new_database() -> Self {
        let folder = tests::scratch_dir();
        let file = FileDatabase::open(&folder.path().join("schema.db")).await.expect("the file opens");
        migrate(&file, SYNC).await.expect("the migrations succeed");
        let found = file.read("schema", vec![Statement::new(TABLES, [])]).await.expect("the read succeeds").remove(0);
        let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for row in found.rows {
            let [Value::Text(table), Value::Text(name), Value::Text(kind), Value::Integer(not_null)] = &row[..] else {
                panic!("{row:?} is not a column")
            };
            let columns = tables.entry(table.clone()).or_default();
            if name != "user_id" && !MOVE_COLUMNS.contains(&name.as_str()) {
                let (is_integer, is_nullable) = (kind == "INTEGER", *not_null == 0);
                columns.push(Column { name: name.clone(), is_integer, is_nullable });
            }
        }
        assert!(tables.remove(NOT_COPIED).is_some(), "the table is removed: the exception can go");
        Self(tables.into_iter().map(|(name, columns)| Table::new(name, columns)).collect())
    }

    /// Reads all rows of `user`.
    pub(super) async fn rows(&self, database: &dyn Transport, user: UserId) -> Rows {
        let reads = self.0.iter().map(|table| Statement::new(table.read, [user.into()])).collect();
        let found = database.read("snapshot", reads).await.expect("the read succeeds");
        self.0.iter().zip(found).map(|(table, result)| (table.name, result.rows)).collect()
    }

    /// Inserts `count` rows into each table, each with `bytes` bytes of text. Of four rows, one has NULL wherever it may.
    pub(super) async fn fill(&self, database: &dyn Transport, user: UserId, count: usize, bytes: usize) {
        for table in &self.0 {
            let count = if table.name == "sync_heads" { 1 } else { count };
            for first in (0..count).step_by(500) {
                let rows = (first..count.min(first + 500)).map(|number| table.insert(user, number, bytes)).collect();
                database.write("fill", rows).await.unwrap_or_else(|error| panic!("{}: {error}", table.name));
            }
        }
    }

    /// Asserts that every table has rows, and every column is not NULL in one of them.
    pub(super) fn assert_complete(&self, rows: &Rows) {
        for table in &self.0 {
            for (index, column) in table.columns.iter().enumerate() {
                let is_set = rows[table.name].iter().any(|row| row[index] != Value::Null);
                // An account that is being deleted cannot be moved.
                assert!(is_set || column.name == "closed_at", "{}.{} is NULL everywhere", table.name, column.name);
            }
        }
    }
}

impl Table {
    fn new(name: String, columns: Vec<Column>) -> Self {
        let names: Vec<_> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let (list, places) = (names.join(", "), (2..=names.len() + 1).map(|place| format!("?{place}")));
        let places = places.collect::<Vec<_>>().join(", ");
        let conflict = if name == "sync_heads" { "OR REPLACE " } else { "" };
        let insert = leak(format!("INSERT {conflict}INTO {name} (user_id, {list}) VALUES (?1, {places})"));
        let read = leak(format!("SELECT {list} FROM {name} WHERE user_id = ?1 ORDER BY {list}"));
        Self { name: leak(name), columns, read, insert }
    }

    fn insert(&self, user: UserId, number: usize, bytes: usize) -> Statement {
        let long = self.columns.iter().rposition(|column| !column.is_integer && !column.is_nullable);
        let values = self.columns.iter().enumerate().map(|(index, column)| {
            let bytes = if Some(index) == long { bytes } else { 0 };
            let is_null = column.name == "closed_at" || (column.is_nullable && number % 4 == 1);
            match (is_null, column.is_integer) {
                (true, _) => Value::Null,
                // Integers beyond those that a double holds exactly, and negative ones, as hashes are.
                (_, true) => {
                    Value::Integer((1 << 60) * if index % 2 == 0 { 1 } else { -1 } + (number * 100 + index) as i64)
                }
                (_, false) => Value::Text(text(number, index, bytes)),
            }
        });
        Statement::new(self.insert, [user.into()].into_iter().chain(values))
    }
}

/// Returns JSON with characters that JSON, SQL or a careless conversion treat specially. Generated columns need JSON.
fn text(number: usize, index: usize, bytes: usize) -> String {
    let special = "\"'\\\u{1}\u{7f}\u{2028}é💻\u{10ffff}%00; -- $.a";
    let padding = "x".repeat(bytes);
    serde_json::json!({ "device_id": special, "sync_version": number, "column": index, "padding": padding }).to_string()
}
