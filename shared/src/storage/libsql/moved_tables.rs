//! The rows of a user in each table: reading and inserting them in batches, for a move to another database.

use sha2::{Digest, Sha256};

use super::{RowReader, Statement, Transport, Value};
use crate::models::UserId;
use crate::storage::StoreResult;

/// Maximum number of rows in a batch.
const MAX_ROWS: usize = 500;
/// Maximum size of the rows in a batch, in bytes. One row may be larger.
const MAX_BYTES: usize = 1_000_000;

/// A table with rows of users, apart from `sync_heads`.
struct Table {
    /// Reads the rows after a key. `?1` user, `?2` maximum number, `?3` maximum size, `?4` and `?5` key.
    read: &'static str,
    /// Inserts rows. `?1` user, `?2` rows, a JSON array.
    insert: &'static str,
    /// Key before all rows.
    start: [Start; 2],
}

/// Value before all values of a key column.
enum Start {
    /// Of a column with text.
    Text,
    /// Of a column with integers.
    Integer,
    /// There is no such column.
    Absent,
}

/// Defines a table with one or two key columns besides the user, an expression for the size of a row, and all other columns. The
/// size decides which rows are in a batch before any of them is encoded.
macro_rules! table {
    ($table:ident, [$first:ident $(, $second:ident)?], [$start:expr, $second_start:expr], $size:literal, [$($column:ident),+]) => {
        Table {
            read: concat!(
                "SELECT json_object('", stringify!($first), "', r.", stringify!($first),
                $(", '", stringify!($second), "', r.", stringify!($second),)?
                $(", '", stringify!($column), "', r.", stringify!($column),)+
                "), first_key", $(", second_key", table!(@nothing $second),)?
                " FROM (SELECT *, total(size) OVER w AS total, row_number() OVER w AS place
                    FROM (SELECT ", stringify!($first), " AS first_key, ", $(stringify!($second), " AS second_key, ",)?
                $size, " AS size FROM ", stringify!($table), " WHERE user_id = ?1 AND (",
                stringify!($first), $(", ", stringify!($second),)? ") > (?4", $(", ?5", table!(@nothing $second),)? ")
                    ORDER BY ", stringify!($first), $(", ", stringify!($second),)? " LIMIT ?2)
                    WINDOW w AS (ORDER BY first_key", $(", second_key", table!(@nothing $second),)? " ROWS UNBOUNDED PRECEDING))
                CROSS JOIN ", stringify!($table), " AS r
                WHERE (total <= ?3 OR place = 1) AND r.user_id = ?1 AND r.", stringify!($first), " = first_key",
                $(" AND r.", stringify!($second), " = second_key",)? " ORDER BY place"
            ),
            insert: concat!(
                "INSERT INTO ", stringify!($table), " (user_id, ", stringify!($first), $(", ", stringify!($second),)?
                $(", ", stringify!($column),)+ ")
                SELECT ?1, j.value ->> '$.", stringify!($first), "'",
                $(", j.value ->> '$.", stringify!($second), "'",)?
                $(", j.value ->> '$.", stringify!($column), "'",)+
                " FROM json_each(?2) AS j WHERE true ON CONFLICT DO NOTHING"
            ),
            start: [$start, $second_start],
        }
    };
    (@nothing $column:ident) => { "" };
}

/// All tables with rows of users, apart from `sync_heads` and `walks`, which no release reads any more.
static TABLES: [Table; 8] = [
    table!(connections, [id], [Start::Text, Start::Absent], "bytes", [
        name, type, host, port, database_name, username, use_ssh, ssh_host, ssh_port, ssh_user, color, icon, metadata, created_at,
        updated_at, sync_version, deleted_at, seq, device_id, bytes, extra, recent
    ]),
    table!(
        saved_queries,
        [id],
        [Start::Text, Start::Absent],
        "bytes",
        [
            name,
            description,
            query,
            connection_id,
            tags,
            favorite,
            metadata,
            created_at,
            updated_at,
            sync_version,
            deleted_at,
            seq,
            device_id,
            bytes,
            extra,
            recent
        ]
    ),
    table!(
        query_history,
        [id],
        [Start::Text, Start::Absent],
        "bytes",
        [
            query,
            connection_id,
            executed_at,
            duration_ms,
            rows_affected,
            success,
            error,
            metadata,
            sync_version,
            deleted_at,
            seq,
            device_id,
            bytes,
            extra
        ]
    ),
    table!(
        conflicts,
        [id],
        [Start::Text, Start::Absent],
        "bytes",
        [
            item_type,
            item_id,
            local_version,
            remote_version,
            item_version,
            detected_at,
            resolved_at,
            resolution,
            winner,
            copy_id,
            seq,
            bytes
        ]
    ),
    table!(
        item_versions,
        [replaced_at],
        [Start::Integer, Start::Absent],
        "bytes",
        [item_type, item_id, sync_version, seq, bytes, created_at, updated_at, device_id, extra, data]
    ),
    table!(
        receipts,
        [device_id, change_id],
        [Start::Text, Start::Text],
        "256",
        [item_type, item_id, sync_version, conflict_id, seq, merged]
    ),
    table!(
        sync_metadata,
        [device_id],
        [Start::Text, Start::Absent],
        "256",
        [last_sync_at, total_synced, conflicts_count, version]
    ),
    table!(head_gaps, [from_seq], [Start::Integer, Start::Absent], "256", [to_seq]),
];

/// The rows of a user in all tables, read in batches.
pub(super) struct UserRows<'a> {
    database: &'a dyn Transport,
    user: UserId,
    tables: std::slice::Iter<'static, Table>,
    /// Table that is being read, and the key after which its next batch starts.
    position: Option<(&'static Table, Vec<Value>)>,
    /// Digest of the rows so far.
    pub(super) digest: RowsDigest,
}

impl<'a> UserRows<'a> {
    pub(super) fn new(database: &'a dyn Transport, user: UserId) -> Self {
        Self { database, user, tables: TABLES.iter(), position: None, digest: RowsDigest::default() }
    }

    /// Reads a batch. Returns the statement that inserts its rows; `None` after the last one.
    pub(super) async fn next(&mut self) -> StoreResult<Option<Statement>> {
        loop {
            let (table, key) = match self.position.take() {
                Some(position) => position,
                None => match self.tables.next() {
                    Some(table) => (table, table.start.iter().filter_map(Start::value).collect()),
                    None => return Ok(None),
                },
            };
            let limits = [self.user.into(), Value::count(MAX_ROWS), Value::count(MAX_BYTES)];
            let select = Statement::new(table.read, limits.into_iter().chain(key));
            let [found] = self.database.read_batch("read_rows", [select]).await?;
            let mut rows = Vec::with_capacity(found.rows.len());
            for mut row in found.rows {
                self.position = Some((table, row.split_off(1)));
                rows.push(RowReader::with_key("moved_rows", self.user, row).text("content")?);
            }
            if !rows.is_empty() {
                self.digest.add(&rows);
                let rows = Value::Text(format!("[{}]", rows.join(",")));
                return Ok(Some(Statement::new(table.insert, [self.user.into(), rows])));
            }
        }
    }
}

impl Start {
    fn value(&self) -> Option<Value> {
        match self {
            Self::Text => Some(Value::Text(String::new())),
            Self::Integer => Some(Value::Integer(i64::MIN)),
            Self::Absent => None,
        }
    }
}

/// Number of rows of a user, and the hash of all of them in order: equal in two databases only if all rows of each table are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowsDigest {
    pub(super) rows: u64,
    hash: [u8; 32],
}

impl RowsDigest {
    fn add(&mut self, rows: &[String]) {
        self.rows += rows.len() as u64;
        for row in rows {
            self.hash = Sha256::new().chain_update(self.hash).chain_update(row).finalize().into();
        }
    }

    /// Computes the digest of all rows in a database.
    pub(super) async fn of(database: &dyn Transport, user: UserId) -> StoreResult<Self> {
        let mut rows = UserRows::new(database, user);
        while rows.next().await?.is_some() {}
        Ok(rows.digest)
    }
}
