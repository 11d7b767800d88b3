//! The three tables of items: encoding and decoding of their rows.

use std::sync::Arc;

use serde::Serialize;

use super::{RowReader, Statement};
use crate::models::{
    ChangeId, Connection, Content, DatabaseType, DeviceId, Extra, Item, ItemId, ItemKey, ItemType, KnownFields,
    QueryHistory, RecentChange, SavedQuery, Stored, SyncVersion, Timestamp, UserId,
};
use crate::storage::StoreResult;

/// JSON of a row that is written: the item in the format of clients, and the other columns.
#[derive(Serialize)]
pub(super) struct RowJson<'a> {
    id: &'a ItemId,
    item: Option<KnownFields<'a>>,
    created_at: Option<i64>,
    updated_at: i64,
    executed_at: Option<i64>,
    version: i64,
    deleted_at: Option<i64>,
    seq: i64,
    device: &'a DeviceId,
    bytes: usize,
    // Absent instead of `null`, so that `->` returns NULL.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<&'a Extra>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recent: Option<Vec<RecentJson<'a>>>,
}

/// JSON of a [`RecentChange`].
type RecentJson<'a> = (&'a ChangeId, &'a DeviceId, SyncVersion, bool);

/// Returns the row of `stored`.
pub(super) fn to_row<'a>(id: &'a ItemId, stored: &'a Stored) -> RowJson<'a> {
    let content = stored.item.as_ref().map(|item| &*item.content);
    RowJson {
        id,
        item: content.map(Content::known),
        created_at: stored.item.as_ref().map(|item| item.created_at.micros()),
        updated_at: stored.updated_at.micros(),
        executed_at: content.and_then(Content::executed_at).map(Timestamp::micros),
        version: stored.version,
        deleted_at: stored.deleted_at.map(Timestamp::micros),
        seq: stored.seq.micros(),
        device: &stored.device,
        bytes: stored.bytes,
        extra: content.map(Content::extra).filter(|extra| !extra.is_empty()),
        recent: (!stored.recent.is_empty()).then(|| stored.recent.iter().map(recent_json).collect()),
    }
}

fn recent_json(recent: &RecentChange) -> RecentJson<'_> {
    (&recent.change, &recent.device, recent.version, recent.merged)
}

/// Prefix of a statement that names the rows of the JSON array `?2` `j`.
///
/// Without `MATERIALIZED` SQLite builds the text of a value of `json_each` again for every column that is read from it, which
/// takes longer than writing the rows.
macro_rules! with_rows {
    () => {
        "WITH j AS MATERIALIZED (SELECT key, value FROM json_each(?2)) "
    };
}
pub(super) use with_rows;

/// Returns the statement that inserts or replaces rows. `?1` user, `?2` rows in the format of [`to_row`], as a JSON array.
pub(super) const fn upsert(item_type: ItemType) -> &'static str {
    match item_type {
        ItemType::Connection => UPSERT_CONNECTIONS,
        ItemType::SavedQuery => UPSERT_SAVED_QUERIES,
        ItemType::QueryHistory => UPSERT_QUERY_HISTORY,
    }
}

const UPSERT_CONNECTIONS: &str = concat!(
    with_rows!(),
    "INSERT INTO connections (user_id, id, name, type, host, port, database_name, username, use_ssh, ssh_host, ssh_port,
    ssh_user, color, icon, metadata, created_at, updated_at, sync_version, deleted_at, seq, device_id, bytes, extra, recent)
SELECT ?1, j.value ->> '$.id', j.value ->> '$.item.name', j.value ->> '$.item.type', j.value ->> '$.item.host',
    j.value ->> '$.item.port', j.value ->> '$.item.database', j.value ->> '$.item.username',
    j.value ->> '$.item.use_ssh', j.value ->> '$.item.ssh_host', j.value ->> '$.item.ssh_port',
    j.value ->> '$.item.ssh_user', j.value ->> '$.item.color', j.value ->> '$.item.icon',
    j.value -> '$.item.metadata', j.value ->> '$.created_at', j.value ->> '$.updated_at', j.value ->> '$.version',
    j.value ->> '$.deleted_at', j.value ->> '$.seq', j.value ->> '$.device', j.value ->> '$.bytes',
    j.value -> '$.extra', j.value -> '$.recent'
FROM j WHERE true
ON CONFLICT (user_id, id) DO UPDATE SET name = excluded.name, type = excluded.type, host = excluded.host,
    port = excluded.port, database_name = excluded.database_name, username = excluded.username,
    use_ssh = excluded.use_ssh, ssh_host = excluded.ssh_host, ssh_port = excluded.ssh_port,
    ssh_user = excluded.ssh_user, color = excluded.color, icon = excluded.icon, metadata = excluded.metadata,
    created_at = excluded.created_at, updated_at = excluded.updated_at, sync_version = excluded.sync_version,
    deleted_at = excluded.deleted_at, seq = excluded.seq, device_id = excluded.device_id, bytes = excluded.bytes,
    extra = excluded.extra, recent = excluded.recent"
);

const UPSERT_SAVED_QUERIES: &str = concat!(
    with_rows!(),
    "INSERT INTO saved_queries (user_id, id, name, description, query, connection_id, tags, favorite, metadata, created_at,
    updated_at, sync_version, deleted_at, seq, device_id, bytes, extra, recent)
SELECT ?1, j.value ->> '$.id', j.value ->> '$.item.name', j.value ->> '$.item.description',
    j.value ->> '$.item.query', j.value ->> '$.item.connection_id', j.value -> '$.item.tags',
    j.value ->> '$.item.favorite', j.value -> '$.item.metadata', j.value ->> '$.created_at',
    j.value ->> '$.updated_at', j.value ->> '$.version', j.value ->> '$.deleted_at', j.value ->> '$.seq',
    j.value ->> '$.device', j.value ->> '$.bytes',
    j.value -> '$.extra', j.value -> '$.recent'
FROM j WHERE true
ON CONFLICT (user_id, id) DO UPDATE SET name = excluded.name, description = excluded.description,
    query = excluded.query, connection_id = excluded.connection_id, tags = excluded.tags,
    favorite = excluded.favorite, metadata = excluded.metadata, created_at = excluded.created_at,
    updated_at = excluded.updated_at, sync_version = excluded.sync_version, deleted_at = excluded.deleted_at,
    seq = excluded.seq, device_id = excluded.device_id, bytes = excluded.bytes,
    extra = excluded.extra, recent = excluded.recent"
);

/// Start of a statement that inserts the rows `j` of the history at the positions `$seq`. The caller adds the `FROM` clause.
macro_rules! insert_query_history {
    ($seq:literal) => {
        concat!(
            $crate::storage::libsql::items::with_rows!(),
            "INSERT INTO query_history (user_id, id, query, connection_id, executed_at, duration_ms, rows_affected, success,
                error, metadata, sync_version, deleted_at, seq, device_id, bytes, extra)
            SELECT ?1, j.value ->> '$.id', j.value ->> '$.item.query', j.value ->> '$.item.connection_id',
                j.value ->> '$.executed_at', j.value ->> '$.item.duration_ms', j.value ->> '$.item.rows_affected',
                j.value ->> '$.item.success', j.value ->> '$.item.error', j.value -> '$.item.metadata',
                j.value ->> '$.version', j.value ->> '$.deleted_at', ",
            $seq,
            ", j.value ->> '$.device', j.value ->> '$.bytes', j.value -> '$.extra' "
        )
    };
}
pub(super) use insert_query_history;

/// Inserts history entries, or turns existing ones into tombstones: nothing else of an entry ever changes.
const UPSERT_QUERY_HISTORY: &str = concat!(
    insert_query_history!("j.value ->> '$.seq'"),
    "FROM j WHERE true
    ON CONFLICT (user_id, id) DO UPDATE SET sync_version = excluded.sync_version, deleted_at = excluded.deleted_at,
        seq = excluded.seq, device_id = excluded.device_id"
);

/// Turns history entries into tombstones. Their content was not loaded, and stays as it is. `?1` user, `?2` rows.
pub(super) const DELETE_QUERY_HISTORY: &str = concat!(
    with_rows!(),
    "UPDATE query_history SET sync_version = j.value ->> '$.version', deleted_at = j.value ->> '$.deleted_at',
    seq = j.value ->> '$.seq', device_id = j.value ->> '$.device'
FROM j WHERE user_id = ?1 AND query_history.id = j.value ->> '$.id'"
);

/// Columns of an item in the order that [`read`] expects. `i` is the table.
macro_rules! columns {
    (connections) => {
        "i.id, i.name, i.type, i.host, i.port, i.database_name, i.username, i.use_ssh, i.ssh_host, i.ssh_port, \
         i.ssh_user, i.color, i.icon, i.metadata, i.created_at, i.updated_at, i.sync_version, i.seq, i.device_id, \
         i.deleted_at, i.bytes, i.extra, i.recent"
    };
    (saved_queries) => {
        "i.id, i.name, i.description, i.query, i.connection_id, i.tags, i.favorite, i.metadata, i.created_at, \
         i.updated_at, i.sync_version, i.seq, i.device_id, i.deleted_at, i.bytes, i.extra, i.recent"
    };
    (query_history) => {
        "i.id, i.query, i.connection_id, i.executed_at, i.duration_ms, i.rows_affected, i.success, i.error, \
         i.metadata, i.sync_version, i.seq, i.device_id, i.deleted_at, i.bytes, i.extra, NULL"
    };
}
pub(super) use columns;

const ONE_CONNECTION: &str =
    concat!("SELECT ", columns!(connections), " FROM connections AS i WHERE i.user_id = ?1 AND i.id = ?2");
const ONE_SAVED_QUERY: &str =
    concat!("SELECT ", columns!(saved_queries), " FROM saved_queries AS i WHERE i.user_id = ?1 AND i.id = ?2");
const ONE_HISTORY_ENTRY: &str =
    concat!("SELECT ", columns!(query_history), " FROM query_history AS i WHERE i.user_id = ?1 AND i.id = ?2");

/// Returns the statement that loads one item; [`read`] decodes its row.
pub(super) fn load_one(user: UserId, key: &ItemKey) -> Statement {
    let sql = match key.item_type {
        ItemType::Connection => ONE_CONNECTION,
        ItemType::SavedQuery => ONE_SAVED_QUERY,
        ItemType::QueryHistory => ONE_HISTORY_ENTRY,
    };
    Statement::new(sql, [user.into(), key.id.as_str().into()])
}

/// Decodes an item without its content: id, time of the edit, version, position, device, time of the deletion, and size. Returns also
/// a reader of the columns after them.
pub(super) fn read_key(item_type: ItemType, mut row: RowReader) -> StoreResult<((ItemKey, Stored), RowReader)> {
    let id = ItemId::new_unchecked(row.text("id")?);
    let stored = Stored {
        item: None,
        updated_at: row.time("updated_at")?,
        version: row.integer("sync_version")?,
        seq: row.time("seq")?,
        device: DeviceId::new_unchecked(row.text("device_id")?),
        deleted_at: row.optional_time("deleted_at")?,
        bytes: row.size("bytes")?,
        recent: Arc::default(),
    };
    Ok(((ItemKey { item_type, id }, stored), row))
}

/// Decodes a row of the table of `item_type`.
pub(super) fn read(item_type: ItemType, row: super::Row) -> StoreResult<(ItemKey, Stored)> {
    Ok(read_columns(item_type, row)?.0)
}

/// Decodes a row of the table of `item_type` and returns also a reader of the columns after it.
pub(super) fn read_columns(item_type: ItemType, row: super::Row) -> StoreResult<((ItemKey, Stored), RowReader)> {
    let (id, mut content, created_at, updated_at, mut row) = match item_type {
        ItemType::Connection => read_connection(row)?,
        ItemType::SavedQuery => read_saved_query(row)?,
        ItemType::QueryHistory => read_query_history(row)?,
    };
    let version = row.integer("sync_version")?;
    let seq = row.time("seq")?;
    let device = DeviceId::new_unchecked(row.text("device_id")?);
    let deleted_at = row.optional_time("deleted_at")?;
    let bytes = row.size("bytes")?;
    *content.extra_mut() = row.optional_json("extra")?.unwrap_or_default();
    let recent = Arc::new(read_recent(&mut row)?);
    let item = Some(Item { content: Arc::new(content), created_at });
    let stored = Stored { item, updated_at, version, seq, device, deleted_at, bytes, recent };
    Ok(((ItemKey { item_type, id }, stored), row))
}

fn read_recent(row: &mut RowReader) -> StoreResult<Vec<RecentChange>> {
    let recent: Option<Vec<(String, String, SyncVersion, bool)>> = row.optional_json("recent")?;
    let read = |(change, device, version, merged)| RecentChange {
        change: ChangeId::new_unchecked(change),
        device: DeviceId::new_unchecked(device),
        version,
        merged,
    };
    Ok(recent.unwrap_or_default().into_iter().map(read).collect())
}

/// Columns that differ between the tables: the id, the content without unknown fields, when the item was created and updated,
/// and a reader of the common columns.
type OwnColumns = (ItemId, Content, Timestamp, Timestamp, RowReader);

fn read_connection(row: super::Row) -> StoreResult<OwnColumns> {
    let mut row = RowReader::new("connections", row);
    let id = ItemId::new_unchecked(row.text("id")?);
    let connection = Connection {
        name: row.text("name")?,
        database_type: row.named("type", database_type)?,
        host: row.optional_text("host")?,
        port: row.optional_integer("port")?,
        database: row.text("database_name")?,
        username: row.optional_text("username")?,
        use_ssh: row.flag("use_ssh")?,
        ssh_host: row.optional_text("ssh_host")?,
        ssh_port: row.optional_integer("ssh_port")?,
        ssh_user: row.optional_text("ssh_user")?,
        color: row.optional_text("color")?,
        icon: row.optional_text("icon")?,
        metadata: row.json("metadata")?,
        extra: Extra::default(),
    };
    let (created_at, updated_at) = (row.time("created_at")?, row.time("updated_at")?);
    Ok((id, Content::Connection(connection), created_at, updated_at, row))
}

fn database_type(name: &str) -> Option<DatabaseType> {
    serde_json::from_value(name.into()).ok()
}

fn read_saved_query(row: super::Row) -> StoreResult<OwnColumns> {
    let mut row = RowReader::new("saved_queries", row);
    let id = ItemId::new_unchecked(row.text("id")?);
    let query = SavedQuery {
        name: row.text("name")?,
        description: row.optional_text("description")?,
        query: row.text("query")?,
        connection_id: row.optional_text("connection_id")?,
        tags: row.json("tags")?,
        favorite: row.flag("favorite")?,
        metadata: row.json("metadata")?,
        extra: Extra::default(),
    };
    let (created_at, updated_at) = (row.time("created_at")?, row.time("updated_at")?);
    Ok((id, Content::SavedQuery(query), created_at, updated_at, row))
}

fn read_query_history(row: super::Row) -> StoreResult<OwnColumns> {
    let mut row = RowReader::new("query_history", row);
    let id = ItemId::new_unchecked(row.text("id")?);
    let entry = QueryHistory {
        query: row.text("query")?,
        connection_id: row.text("connection_id")?,
        executed_at: row.time("executed_at")?,
        duration_ms: row.integer("duration_ms")?,
        rows_affected: row.integer("rows_affected")?,
        success: row.flag("success")?,
        error: row.optional_text("error")?,
        metadata: row.json("metadata")?,
        extra: Extra::default(),
    };
    let executed_at = entry.executed_at;
    Ok((id, Content::QueryHistory(entry), executed_at, executed_at, row))
}
