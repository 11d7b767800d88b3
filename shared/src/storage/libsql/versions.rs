//! The table `item_versions`: replaced versions of connections and saved queries, which triggers write.
//!
//! The versions of an item form a chain: each was replaced at the `seq` of the next one, the newest at that of the item.

use std::sync::Arc;

use super::items;
use super::load::{HEAD, read_head};
use super::{BatchError, Row, RowReader, Statement, Transport, Value};
use crate::models::{
    Content, DeviceId, Extra, Item, ItemId, ItemKey, ItemType, ItemVersion, SyncVersion, UserId, limits,
};
use crate::storage::{KeptVersion, StoreResult, VersionPage};

/// Size of the items on a page, in bytes. The rest is for what a version has besides: at most 1 KiB, most of it the device id.
const PAGE_BYTES: usize = limits::PAGE_BYTES - 1_024 * limits::PAGE_VERSIONS;

/// Columns of a version in the order that [`read`] expects. `v` is the table.
macro_rules! version_columns {
    () => {
        "v.item_id, v.sync_version, v.updated_at, v.device_id, v.created_at, v.data, v.extra"
    };
}

/// Expression for the rest of the chain of an item: its row at depth 0, and its versions, the newest first. `?1` user. `$items`
/// selects the items `i`; the walk ends at the depth `$depth`.
macro_rules! chain {
    ($table:literal, $items:literal, $depth:literal) => {
        concat!(
            "WITH RECURSIVE chain (id, seq, replaced_at, sync_version, bytes, depth) AS (
                SELECT i.id, i.seq, 9223372036854775807, i.sync_version, i.bytes, 0 FROM ",
            $items,
            $table,
            " AS i WHERE i.user_id = ?1 AND i.id = j.value
                UNION ALL
                SELECT c.id, v.seq, v.replaced_at, v.sync_version, v.bytes, c.depth + 1
                FROM chain AS c CROSS JOIN item_versions AS v
                WHERE v.user_id = ?1 AND v.replaced_at = c.seq AND c.depth < ",
            $depth,
            ") "
        )
    };
}

/// The chain of one item. `?2` id.
macro_rules! chain_of_item {
    ($table:literal) => {
        chain!($table, "(SELECT ?2 AS value) AS j CROSS JOIN ", "100")
    };
}

/// Versions and sizes of an item and its chain before the version `?3`, the newest first. `?2` id.
macro_rules! version_sizes {
    ($table:literal) => {
        concat!(chain_of_item!($table), "SELECT sync_version FROM chain WHERE sync_version < ?3 ORDER BY depth")
    };
}

/// The versions on a page. The row of the item takes a place and its bytes on the first page. `?2` id, `?3` version before which
/// the page starts, `?4` limit, `?5` bytes.
macro_rules! version_page {
    ($table:literal) => {
        concat!(
            chain_of_item!($table),
            ", fitting AS (
                SELECT replaced_at, depth, row_number() OVER w AS place, sum(bytes) OVER w AS total FROM chain
                WHERE sync_version < ?3 WINDOW w AS (ORDER BY depth))
            SELECT ",
            version_columns!(),
            ", v.replaced_at FROM fitting AS f CROSS JOIN item_versions AS v
            WHERE f.depth > 0 AND f.place <= ?4 AND (f.total <= ?5 OR f.place = 1)
                AND v.user_id = ?1 AND v.replaced_at = f.replaced_at
            ORDER BY f.depth"
        )
    };
}

/// The version `?3` of an item, and those that receipts name. `?2` id, `?4` changes of no device, a JSON array.
macro_rules! some_versions {
    ($table:literal) => {
        concat!(
            chain_of_item!($table),
            "SELECT ",
            version_columns!(),
            " FROM chain AS c CROSS JOIN item_versions AS v
            WHERE c.depth > 0 AND c.sync_version IN (
                    SELECT ?3 UNION ALL SELECT r.sync_version FROM json_each(?4) AS j CROSS JOIN receipts AS r
                    WHERE r.user_id = ?1 AND r.device_id = '' AND r.change_id = j.value)
                AND v.user_id = ?1 AND v.replaced_at = c.replaced_at"
        )
    };
}

/// For each branch whose item another device has written since: the version to merge against, and the base version of the branch.
/// That is the newest version that the device `?2` wrote itself after the base version, or the base version. `?3` branches.
macro_rules! bases {
    ($table:literal, $item_type:literal) => {
        concat!(
            "WITH RECURSIVE chain (base, seq, replaced_at, is_found) AS (
                SELECT j.value ->> 2, i.seq, 0, false FROM json_each(?3) AS j CROSS JOIN ",
            $table,
            " AS i WHERE j.value ->> 0 = '",
            $item_type,
            "' AND i.user_id = ?1 AND i.id = j.value ->> 1 AND i.sync_version > j.value ->> 2 AND i.device_id <> ?2
                UNION ALL
                SELECT c.base, v.seq, v.replaced_at, v.sync_version = c.base OR v.device_id = ?2
                FROM chain AS c CROSS JOIN item_versions AS v
                WHERE v.user_id = ?1 AND v.replaced_at = c.seq AND v.sync_version >= c.base AND NOT c.is_found)
            SELECT ",
            version_columns!(),
            ", c.base FROM chain AS c CROSS JOIN item_versions AS v
            WHERE c.is_found AND v.user_id = ?1 AND v.replaced_at = c.replaced_at"
        )
    };
}

/// Subtracts the size of the versions that [`delete_oldest!`] removes. `?2` ids of items.
macro_rules! subtract_oldest {
    ($table:literal) => {
        concat!(
            chain!($table, "json_each(?2) AS j CROSS JOIN ", "1000"),
            "UPDATE sync_heads SET bytes = bytes - (SELECT coalesce(sum(bytes), 0) FROM chain WHERE depth > 100)
            WHERE user_id = ?1"
        )
    };
}

/// Removes the versions of items that 100 newer ones follow. `?2` ids of items.
macro_rules! delete_oldest {
    ($table:literal) => {
        concat!(
            chain!($table, "json_each(?2) AS j CROSS JOIN ", "1000"),
            "DELETE FROM item_versions
            WHERE user_id = ?1 AND replaced_at IN (SELECT replaced_at FROM chain WHERE depth > 100)"
        )
    };
}

/// Statements about the versions of one table of items.
struct Sql {
    sizes: &'static str,
    page: &'static str,
    some: &'static str,
    bases: &'static str,
    subtract_oldest: &'static str,
    delete_oldest: &'static str,
}

macro_rules! sql {
    ($table:literal, $item_type:literal) => {
        Sql {
            sizes: version_sizes!($table),
            page: version_page!($table),
            some: some_versions!($table),
            bases: bases!($table, $item_type),
            subtract_oldest: subtract_oldest!($table),
            delete_oldest: delete_oldest!($table),
        }
    };
}

const CONNECTIONS: Sql = sql!("connections", "connection");
const SAVED_QUERIES: Sql = sql!("saved_queries", "saved_query");

/// Returns the statements for `item_type`; `None` for history, which has no versions.
const fn sql_of(item_type: ItemType) -> Option<&'static Sql> {
    match item_type {
        ItemType::Connection => Some(&CONNECTIONS),
        ItemType::SavedQuery => Some(&SAVED_QUERIES),
        ItemType::QueryHistory => None,
    }
}

/// Number of versions after which the oldest ones of an item are removed, so that a write rarely walks along its chain.
const TRIM_INTERVAL: SyncVersion = 25;

/// Returns whether a write from the version `before` to `after` removes the oldest versions of an item.
pub(super) const fn is_trimmed(before: SyncVersion, after: SyncVersion) -> bool {
    after > limits::VERSIONS as SyncVersion && before / TRIM_INTERVAL != after / TRIM_INTERVAL
}

/// Returns the statements that remove the oldest versions of the items `ids`, a JSON array.
pub(super) fn trim(user: UserId, item_type: ItemType, ids: &str) -> Vec<Statement> {
    let sql = sql_of(item_type).map_or(Vec::new(), |sql| vec![sql.subtract_oldest, sql.delete_oldest]);
    sql.into_iter().map(|sql| Statement::new(sql, [user.into(), ids.into()])).collect()
}

/// Returns the statements that load the versions to merge the `branches`, a JSON array, against.
pub(super) fn load_bases(user: UserId, device: &DeviceId, branches: &str) -> [(ItemType, Statement); 2] {
    [(ItemType::Connection, CONNECTIONS.bases), (ItemType::SavedQuery, SAVED_QUERIES.bases)].map(|(item_type, sql)| {
        (item_type, Statement::new(sql, [user.into(), device.as_str().into(), branches.into()]))
    })
}

/// Returns the statement that loads a version of an item, and those that the receipts of `changes`, a JSON array, name.
pub(super) fn load_some(user: UserId, key: &ItemKey, version: SyncVersion, changes: String) -> Option<Statement> {
    let parameters = [user.into(), key.id.as_str().into(), version.into(), changes.into()];
    Some(Statement::new(sql_of(key.item_type)?.some, parameters))
}

/// Decodes a row of [`version_columns!`] and returns also the id of the item and a reader of the columns after them.
pub(super) fn read(item_type: ItemType, row: Row) -> StoreResult<(ItemId, ItemVersion, RowReader)> {
    let mut row = RowReader::new("item_versions", row);
    let id = ItemId::new_unchecked(row.text("item_id")?);
    let sync_version = row.integer("sync_version")?;
    let updated_at = row.time("updated_at")?;
    let device = DeviceId::new_unchecked(row.text("device_id")?);
    let created_at = row.time("created_at")?;
    let data: Option<serde_json::Map<String, serde_json::Value>> = row.optional_json("data")?;
    let extra: Option<Extra> = row.optional_json("extra")?;
    let item = match data {
        None => None,
        Some(data) => {
            let mut content =
                Content::from_stored(item_type, data).map_err(|error| row.corrupt("data", error.message))?;
            *content.extra_mut() = extra.unwrap_or_default();
            Some(Item { content: Arc::new(content), created_at })
        }
    };
    Ok((id, ItemVersion { item, updated_at, sync_version, device }, row))
}

/// Implements [`ChangeFeed::versions`](crate::storage::ChangeFeed::versions).
pub(super) async fn version_page(
    database: &dyn Transport,
    user: UserId,
    key: &ItemKey,
    before: Option<SyncVersion>,
    limit: usize,
) -> StoreResult<Option<VersionPage>> {
    let Some(sql) = sql_of(key.item_type) else { return only_version(database, user, key, before).await };
    let start = before.unwrap_or(SyncVersion::MAX);
    let sizes = [user.into(), key.id.as_str().into(), start.into()];
    let number = |number: usize| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let [id, bytes] = [key.id.as_str().into(), number(PAGE_BYTES)];
    let page = [user.into(), id, start.into(), number(limit), bytes];
    let statements = [
        Statement::new(HEAD, [user.into()]),
        items::load_one(user, key),
        Statement::new(sql.sizes, sizes),
        Statement::new(sql.page, page),
    ];
    let results = database.read_batch("versions", statements).await;
    let [head, item, sizes, page] = results.map_err(BatchError::for_small_response)?;
    // Fails if the account is being deleted.
    read_head(user, head)?;
    let Some(row) = item.into_first_row() else { return Ok(None) };
    let (_, stored) = items::read(key.item_type, row)?;
    let mut versions = Vec::with_capacity(page.rows.len() + 1);
    if stored.version < start {
        versions.push(KeptVersion { version: ItemVersion::of(Some(&stored)), replaced_at: None });
    }
    for row in page.rows {
        let (_, version, mut row) = read(key.item_type, row)?;
        versions.push(KeptVersion { version, replaced_at: Some(row.time("replaced_at")?) });
    }
    let has_more = sizes.rows.len() > versions.len();
    let next = versions.last().map(|last| last.version.sync_version).filter(|_| has_more);
    Ok(Some(VersionPage { versions, next }))
}

/// Returns the only version of a history entry.
async fn only_version(
    database: &dyn Transport,
    user: UserId,
    key: &ItemKey,
    before: Option<SyncVersion>,
) -> StoreResult<Option<VersionPage>> {
    let statements = [Statement::new(HEAD, [user.into()]), items::load_one(user, key)];
    let [head, item] = database.read_batch("versions", statements).await?;
    // Fails if the account is being deleted.
    read_head(user, head)?;
    let Some(row) = item.into_first_row() else { return Ok(None) };
    let (_, stored) = items::read(key.item_type, row)?;
    let is_on_page = before.is_none_or(|before| stored.version < before);
    let version = KeptVersion { version: ItemVersion::of(Some(&stored)), replaced_at: None };
    let versions = Some(version).into_iter().filter(|_| is_on_page).collect();
    Ok(Some(VersionPage { versions, next: None }))
}
