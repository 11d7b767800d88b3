use async_trait::async_trait;

use super::items::{self, columns};
use super::load::{HEAD, read_head};
use super::versions::version_page;
use super::{
    BatchError, LibsqlSync, Member, RowReader, Statement, StatementResult, Transport, Value, conflicts, cursors,
};
use crate::models::{Device, DeviceId, ItemKey, ItemType, PlacedUser, Stored, SyncVersion, UserId, limits};
use crate::storage::{ChangeFeed, Page, PageRequest, Status, StoreError, StoreResult, VersionPage};

/// Size of a page without its items and conflicts, in bytes.
const EMPTY_PAGE_BYTES: usize = 1_024;

/// Positions of one kind of row from which the end of a page is found, by an index on `seq` alone. A removed row, `$removed`,
/// consists of ids and takes up a kilobyte at most.
macro_rules! candidates {
    ($table:literal, $wanted:literal, $removed:literal, $bytes:literal) => {
        concat!(
            "SELECT * FROM (SELECT seq, ",
            $bytes,
            " AS bytes FROM ",
            $table,
            " WHERE ",
            $wanted,
            " AND user_id = ?1 AND seq > ?2 AND (?5 OR ",
            $removed,
            " IS NULL) ORDER BY seq LIMIT ?3 + 1)"
        )
    };
}

/// The end of a page, as the prefix of the statements that return its rows. `?1` user, `?2` since, `?3` limit, `?4` bytes, `?5` whether to
/// include tombstones and resolved conflicts, `?6` to `?8` whether to include connections, saved queries and the history.
///
/// Rows of one position are on one page: a release that gave a conflict the position of its item has written such rows. The frame
/// of the windows includes all rows of a position.
macro_rules! with_page {
    () => {
        concat!(
            "WITH candidates AS (",
            candidates!("connections", "?6", "deleted_at", "iif(deleted_at IS NULL, bytes, 1024)"),
            " UNION ALL ",
            candidates!("saved_queries", "?7", "deleted_at", "iif(deleted_at IS NULL, bytes, 1024)"),
            " UNION ALL ",
            candidates!("query_history", "?8", "deleted_at", "iif(deleted_at IS NULL, bytes, 1024)"),
            " UNION ALL ",
            candidates!("conflicts", "iif(item_type = 'connection', ?6, ?7)", "resolved_at", "bytes"),
            "), fitting AS (
                SELECT seq, count(*) OVER w AS place, sum(bytes) OVER w AS total FROM candidates WINDOW w AS (ORDER BY seq)),
            page AS (SELECT max(seq) AS end FROM fitting
                WHERE (place <= ?3 AND total <= ?4) OR seq = (SELECT min(seq) FROM candidates)) "
        )
    };
}

/// Expression that says whether anything follows the page.
macro_rules! has_more {
    () => {
        "(SELECT max(seq) > (SELECT end FROM page) FROM candidates)"
    };
}

/// Condition for the rows of a page. If the cursor is the head, as in most polls, SQLite evaluates nothing after the first term, because
/// that depends on no row.
macro_rules! on_page {
    () => {
        "?2 < (SELECT head FROM sync_heads WHERE user_id = ?1)
            AND user_id = ?1 AND seq > ?2 AND seq <= (SELECT end FROM page)"
    };
}

/// Rows of one table on a page. `$condition` says which.
macro_rules! page_of {
    ($columns:expr, $table:literal, $condition:literal) => {
        concat!(
            with_page!(),
            "SELECT ",
            $columns,
            ", ",
            has_more!(),
            " FROM ",
            $table,
            " WHERE ",
            $condition,
            " AND ",
            on_page!(),
            " ORDER BY seq"
        )
    };
}

const CONNECTIONS: &str = page_of!(columns!(connections), "connections AS i", "?6 AND deleted_at IS NULL");
const SAVED_QUERIES: &str = page_of!(columns!(saved_queries), "saved_queries AS i", "?7 AND deleted_at IS NULL");
const QUERY_HISTORY: &str = page_of!(columns!(query_history), "query_history AS i", "?8 AND deleted_at IS NULL");
const CONFLICTS: &str = page_of!(
    conflicts::columns!(),
    "conflicts AS c",
    // Most users have none: then the end of the page need not be found.
    "EXISTS (SELECT 1 FROM conflicts WHERE user_id = ?1 AND seq > ?2 AND (?5 OR resolved_at IS NULL))
        AND iif(item_type = 'connection', ?6, ?7) AND (?5 OR resolved_at IS NULL)"
);

/// Tombstones of one table on a page, without the content that they keep until the purge.
macro_rules! tombstones_of {
    ($item_type:literal, $table:literal, $updated_at:literal, $wanted:literal) => {
        concat!(
            "SELECT '",
            $item_type,
            "' AS item_type, id, ",
            $updated_at,
            ", sync_version, seq, device_id, deleted_at, bytes FROM ",
            $table,
            " WHERE ?5 AND ",
            $wanted,
            " AND deleted_at IS NOT NULL AND ",
            on_page!()
        )
    };
}

/// Tombstones on a page.
const TOMBSTONES: &str = concat!(
    with_page!(),
    "SELECT *, ",
    has_more!(),
    " FROM (",
    tombstones_of!("connection", "connections", "updated_at", "?6"),
    " UNION ALL ",
    tombstones_of!("saved_query", "saved_queries", "updated_at", "?7"),
    " UNION ALL ",
    tombstones_of!("query_history", "query_history", "executed_at", "?8"),
    ") ORDER BY seq"
);

const DEVICES: &str = "
SELECT device_id, last_sync_at, total_synced, conflicts_count, version FROM sync_metadata
WHERE user_id = ?1 ORDER BY last_sync_at DESC, device_id LIMIT 1000";

const COUNTS: &str = "
SELECT (SELECT count(*) FROM connections WHERE user_id = ?1 AND deleted_at IS NULL),
    (SELECT count(*) FROM saved_queries WHERE user_id = ?1 AND deleted_at IS NULL),
    (SELECT count(*) FROM query_history WHERE user_id = ?1 AND deleted_at IS NULL),
    (SELECT count(*) FROM conflicts WHERE user_id = ?1 AND resolved_at IS NULL)";

#[async_trait]
impl ChangeFeed for LibsqlSync {
    async fn page(&self, user: PlacedUser, request: &PageRequest) -> StoreResult<Page> {
        self.run_for(user, |database| async move { page(&*database, user.id, request).await }).await
    }

    async fn status(&self, user: PlacedUser) -> StoreResult<Status> {
        self.run_for(user, |database| async move { status(&*database, user.id).await }).await
    }

    async fn item(&self, user: PlacedUser, key: &ItemKey) -> StoreResult<Option<Stored>> {
        self.run_for(user, |database| async move {
            let statements = [Statement::new(HEAD, [user.id.into()]), items::load_one(user.id, key)];
            let [head, item] = database.read_batch("item", statements).await?;
            // Unlike the other reads it also works while the account is being deleted.
            if let Err(error @ StoreError::Moved { .. }) = read_head(user.id, head) {
                return Err(error);
            }
            item.into_first_row().map(|row| Ok(items::read(key.item_type, row)?.1)).transpose()
        })
        .await
    }

    async fn versions(
        &self,
        user: PlacedUser,
        key: &ItemKey,
        before: Option<SyncVersion>,
        limit: usize,
    ) -> StoreResult<Option<VersionPage>> {
        self.run_for(user, |database| async move { version_page(&*database, user.id, key, before, limit).await }).await
    }

    async fn ping(&self) -> StoreResult<()> {
        let ping = |member: Member| async move {
            let select = Statement::new("SELECT 1 FROM sync_heads LIMIT 1", []);
            member.transport.read("ping", vec![select]).await?;
            Ok(())
        };
        self.run_on_all(ping).await.map(drop)
    }
}

async fn page(database: &dyn Transport, user: UserId, request: &PageRequest) -> StoreResult<Page> {
    let parameters = page_parameters(user, request);
    let statements = [
        Statement::new(HEAD, [user.into()]),
        cursors::find_gap(user, request.since),
        Statement::new(CONFLICTS, parameters.clone()),
        Statement::new(TOMBSTONES, parameters.clone()),
        Statement::new(CONNECTIONS, parameters.clone()),
        Statement::new(SAVED_QUERIES, parameters.clone()),
        Statement::new(QUERY_HISTORY, parameters),
    ];
    let results = database.read_batch("page", statements).await;
    let [head, gap, conflicts, tombstones, connections, saved_queries, query_history] =
        results.map_err(BatchError::for_small_response)?;
    let (head, totals) = read_head(user, head)?;
    let mut page = Page {
        head,
        is_in_gap: is_in_gap(user, gap)?,
        digest: Some(totals.digest).filter(|_| !totals.is_digest_stale),
        ..Page::default()
    };
    for row in conflicts.rows {
        let (conflict, mut rest) = conflicts::read_columns(row)?;
        page.has_more |= rest.flag("has_more")?;
        page.conflicts.push(conflict);
    }
    for row in tombstones.rows {
        let mut row = RowReader::new("tombstones", row);
        let item_type = row.named("item_type", ItemType::from_name)?;
        let (tombstone, mut rest) = items::read_key(item_type, row)?;
        page.has_more |= rest.flag("has_more")?;
        page.items.push(tombstone);
    }
    read_items(&mut page, ItemType::Connection, connections)?;
    read_items(&mut page, ItemType::SavedQuery, saved_queries)?;
    read_items(&mut page, ItemType::QueryHistory, query_history)?;
    page.items.sort_by_key(|(_, stored)| stored.seq);
    Ok(page)
}

async fn status(database: &dyn Transport, user: UserId) -> StoreResult<Status> {
    let statements = [HEAD, DEVICES, COUNTS].map(|sql| Statement::new(sql, [user.into()]));
    let [head, devices, counts] = database.read_batch("status", statements).await?;
    let (head, totals) = read_head(user, head)?;
    let devices = devices.rows.into_iter().map(read_device).collect::<StoreResult<_>>()?;
    let mut counts = RowReader::with_key("counts", user, counts.into_first_row().unwrap_or_default());
    let items = [counts.integer("connections")?, counts.integer("saved_queries")?, counts.integer("query_history")?];
    Ok(Status { head, totals, devices, items, open_conflicts: counts.integer("conflicts")? })
}

/// Returns the parameters of [`page_of!`].
fn page_parameters(user: UserId, request: &PageRequest) -> [Value; 8] {
    let number = |number: usize| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let [connections, saved_queries, query_history] =
        ItemType::ALL.map(|item_type| request.item_types.contains(&item_type).into());
    [
        user.into(),
        request.since.into(),
        number(request.limit),
        number(limits::PAGE_BYTES - EMPTY_PAGE_BYTES),
        request.with_removed.into(),
        connections,
        saved_queries,
        query_history,
    ]
}

/// Decodes the result of [`cursors::find_gap`]. Without a gap before the position there is no row.
fn is_in_gap(user: UserId, result: StatementResult) -> StoreResult<bool> {
    result.into_first_row().map_or(Ok(false), |row| RowReader::with_key("head_gaps", user, row).flag("is_in_gap"))
}

/// Adds the items of one type to `page`.
fn read_items(page: &mut Page, item_type: ItemType, result: StatementResult) -> StoreResult<()> {
    for row in result.rows {
        let (item, mut rest) = items::read_columns(item_type, row)?;
        page.has_more |= rest.flag("has_more")?;
        page.items.push(item);
    }
    Ok(())
}

fn read_device(row: super::Row) -> StoreResult<Device> {
    let mut row = RowReader::new("sync_metadata", row);
    Ok(Device {
        id: DeviceId::new_unchecked(row.text("device_id")?),
        last_sync_at: row.time("last_sync_at")?,
        total_synced: row.integer("total_synced")?,
        conflicts_count: row.integer("conflicts_count")?,
        version: row.text("version")?,
    })
}
