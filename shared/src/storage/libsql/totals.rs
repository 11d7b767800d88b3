//! Size and digest of an account in its head row: reading, writing, and computing them anew.

use super::{RowReader, Statement, StatementResult, Transport, Value};
use crate::models::{ItemId, ItemKey, ItemType, UserId};
use crate::storage::StoreResult;
use crate::sync::{Digest, ItemsDigest, Size, Totals};

/// Accounts whose digest does not cover their newest write. Where a user is not, or not yet, the rows are incomplete. `?1` limit.
const WITHOUT_DIGEST: &str = "
SELECT user_id FROM sync_heads WHERE digest_head <> head AND closed_at IS NULL AND moved_to IS NULL LIMIT ?1";

/// Head and recorded size. `?1` user.
const RECORDED: &str = "
SELECT head, bytes, history_bytes FROM sync_heads WHERE user_id = ?1 AND closed_at IS NULL AND moved_to IS NULL";

/// Live items of a table. `?1` user.
macro_rules! live {
    ($table:literal) => {
        concat!("SELECT id, sync_version, updated_at FROM ", $table, " WHERE user_id = ?1 AND deleted_at IS NULL")
    };
}
const CONNECTIONS: &str = live!("connections");
const SAVED_QUERIES: &str = live!("saved_queries");

/// Size of the receipts in a table of items, as `Receipt::bytes_of` computes it. `?1` user.
macro_rules! recent_bytes {
    ($table:literal) => {
        concat!(
            "(SELECT coalesce(sum(64 + octet_length(r.value ->> 0) + octet_length(r.value ->> 1) + octet_length(i.id)), 0)
            FROM ",
            $table,
            " AS i CROSS JOIN json_each(i.recent) AS r WHERE i.user_id = ?1 AND i.recent IS NOT NULL)"
        )
    };
}

/// Size of all rows, size of the history, and number of live entries of the history. `?1` user.
const SIZES: &str = concat!(
    "SELECT (SELECT coalesce(sum(bytes), 0) FROM connections WHERE user_id = ?1)
    + (SELECT coalesce(sum(bytes), 0) FROM saved_queries WHERE user_id = ?1)
    + (SELECT coalesce(sum(bytes), 0) FROM query_history WHERE user_id = ?1)
    + (SELECT coalesce(sum(bytes), 0) FROM item_versions WHERE user_id = ?1)
    + (SELECT coalesce(sum(bytes), 0) FROM conflicts WHERE user_id = ?1)
    + (SELECT coalesce(sum(64 + octet_length(change_id) + octet_length(device_id) + octet_length(item_id)), 0)
        FROM receipts WHERE user_id = ?1) + ",
    recent_bytes!("connections"),
    " + ",
    recent_bytes!("saved_queries"),
    ", (SELECT coalesce(sum(bytes), 0) FROM query_history WHERE user_id = ?1),
    (SELECT count(*) FROM query_history WHERE user_id = ?1 AND deleted_at IS NULL)"
);

/// Writes size and digest, unless something was written since they were computed, them included. `?1` user, `?2` head, `?3` and
/// `?4` differences to the recorded sizes, and the digest. A purge changes the sizes without moving the head, so that they must
/// not be replaced.
const REPAIR: &str = "
UPDATE sync_heads SET bytes = bytes + ?3, history_bytes = history_bytes + ?4, connections_count = ?5, connections_hash = ?6,
    saved_queries_count = ?7, saved_queries_hash = ?8, history_count = ?9, digest_head = head
WHERE user_id = ?1 AND head = ?2 AND digest_head <> head AND closed_at IS NULL";

/// Columns of the totals in the order that [`read`] expects.
macro_rules! totals_columns {
    () => {
        "bytes, history_bytes, connections_count, connections_hash, saved_queries_count, saved_queries_hash, history_count, \
         digest_head <> head"
    };
}
pub(super) use totals_columns;

/// Decodes [`totals_columns!`].
pub(super) fn read(row: &mut RowReader) -> StoreResult<Totals> {
    let size = Size { bytes: row.integer("bytes")?, history_bytes: row.integer("history_bytes")? };
    let connections = read_items(row, "connections_count", "connections_hash")?;
    let saved_queries = read_items(row, "saved_queries_count", "saved_queries_hash")?;
    let digest = Digest { connections, saved_queries, query_history: row.integer("history_count")? };
    Ok(Totals { size, digest, is_digest_stale: row.flag("digest_head")? })
}

fn read_items(row: &mut RowReader, count: &'static str, hash: &'static str) -> StoreResult<ItemsDigest> {
    Ok(ItemsDigest { count: row.integer(count)?, hash: row.integer(hash)?.cast_unsigned() })
}

/// Returns the values of the digest columns: count and hash of connections and saved queries, and the count of the history.
pub(super) fn digest_values(digest: &Digest) -> [Value; 5] {
    let hash = |items: ItemsDigest| Value::Integer(items.hash.cast_signed());
    let Digest { connections, saved_queries, query_history } = *digest;
    [connections.count.into(), hash(connections), saved_queries.count.into(), hash(saved_queries), query_history.into()]
}

/// Computes size and digest of at most `batch` accounts whose digest does not cover their newest write. Returns the number of
/// accounts that have them now.
pub(super) async fn repair(database: &dyn Transport, batch: usize) -> StoreResult<u64> {
    let select = Statement::new(WITHOUT_DIGEST, [Value::count(batch)]);
    let [users] = database.read_batch("accounts_without_digest", [select]).await?;
    let mut repaired = 0;
    for row in users.rows {
        let user = RowReader::new("sync_heads", row).parsed("user_id")?;
        repaired += u64::from(repair_account(database, user).await?);
    }
    Ok(repaired)
}

/// Computes size and digest of an account. Returns whether it has written them: not if the account was written meanwhile.
async fn repair_account(database: &dyn Transport, user: UserId) -> StoreResult<bool> {
    let statements = [RECORDED, CONNECTIONS, SAVED_QUERIES, SIZES].map(|sql| Statement::new(sql, [user.into()]));
    let [recorded, connections, saved_queries, sizes] = database.read_batch("account_totals", statements).await?;
    let Some(row) = recorded.into_first_row() else { return Ok(false) };
    let mut recorded = RowReader::with_key("sync_heads", user, row);
    let mut sizes = RowReader::with_key("sizes", user, sizes.into_first_row().unwrap_or_default());
    let head = recorded.time("head")?;
    let bytes = sizes.integer("bytes")? - recorded.integer("bytes")?;
    let history_bytes = sizes.integer("history_bytes")? - recorded.integer("history_bytes")?;
    let digest = Digest {
        connections: digest_of(ItemType::Connection, connections)?,
        saved_queries: digest_of(ItemType::SavedQuery, saved_queries)?,
        query_history: sizes.integer("history_count")?,
    };
    let parameters = [user.into(), head.into(), bytes.into(), history_bytes.into()];
    let repair = Statement::new(REPAIR, parameters.into_iter().chain(digest_values(&digest)));
    let [repaired] = database.write_batch("repair_totals", [repair]).await?;
    Ok(repaired.written > 0)
}

fn digest_of(item_type: ItemType, rows: StatementResult) -> StoreResult<ItemsDigest> {
    let mut digest = ItemsDigest::default();
    for row in rows.rows {
        let mut row = RowReader::new("items", row);
        let id = ItemId::new_unchecked(row.text("id")?);
        digest.add(&ItemKey { item_type, id }, row.integer("sync_version")?, row.time("updated_at")?);
    }
    Ok(digest)
}
