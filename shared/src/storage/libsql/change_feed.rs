use async_trait::async_trait;

use super::items::{self, columns};
use super::load::{HEAD, read_full_sync_cursor, read_head};
use super::{BatchError, LibsqlSync, RowReader, Statement, StatementResult, Value, conflicts};
use crate::models::{Device, DeviceId, ItemKey, ItemType, Stored, SyncVersion, UserId, limits};
use crate::storage::{ChangeFeed, Page, PageRequest, Status, StoreResult, VersionPage};
use crate::sync::FullSyncCursor;

/// Size of a page without its items and conflicts, in bytes.
const EMPTY_PAGE_BYTES: usize = 1_024;

const FULL_SYNC_CURSOR: &str = "SELECT head, cursor, previous FROM walks WHERE user_id = ?1 AND device_id = ?2";

/// Writes nothing if the account is being deleted.
const SAVE_FULL_SYNC_CURSOR: &str = "
INSERT INTO walks (user_id, device_id, head, cursor, previous) SELECT ?1, ?2, ?3, ?4, ?5
WHERE NOT EXISTS (SELECT 1 FROM sync_heads WHERE user_id = ?1 AND closed_at IS NOT NULL)
ON CONFLICT (user_id, device_id) DO UPDATE SET head = excluded.head, cursor = excluded.cursor,
    previous = excluded.previous";

/// Newest open conflicts that fit a page. `?1` user, `?6` limit, `?7` bytes.
///
/// `?6 + 0` keeps the statement prepared: SQLite plans by the value of a `LIMIT` that is a bare parameter, and prepares the
/// statement again for each binding. That took most of the time of a poll.
macro_rules! open_conflicts {
    () => {
        "open AS (
            SELECT id, row_number() OVER w AS place, sum(bytes) OVER w AS total
            FROM (SELECT id, seq, bytes FROM conflicts WHERE user_id = ?1 AND resolved_at IS NULL
                ORDER BY seq DESC LIMIT ?6 + 0)
            WINDOW w AS (ORDER BY seq DESC)),
        shown AS (SELECT id, total FROM open WHERE total <= ?7 OR place = 1)"
    };
}

/// Items of one of the three types on a page. `?2` since, `?3` limit, `?4` bytes including the conflicts, `?5` whether to
/// include tombstones.
///
/// The query first finds the end of the page over all types, by the indexes on `seq` alone. A tombstone consists of ids and
/// takes up a kilobyte at most. The last column says whether items follow the page.
macro_rules! page_of {
    ($table:ident) => {
        concat!(
            "WITH ",
            open_conflicts!(),
            ", candidates AS (
                SELECT * FROM (SELECT seq, iif(deleted_at IS NULL, bytes, 1024) AS bytes FROM connections
                    WHERE user_id = ?1 AND seq > ?2 AND (?5 OR deleted_at IS NULL) ORDER BY seq LIMIT ?3 + 1)
                UNION ALL
                SELECT * FROM (SELECT seq, iif(deleted_at IS NULL, bytes, 1024) FROM saved_queries
                    WHERE user_id = ?1 AND seq > ?2 AND (?5 OR deleted_at IS NULL) ORDER BY seq LIMIT ?3 + 1)
                UNION ALL
                SELECT * FROM (SELECT seq, iif(deleted_at IS NULL, bytes, 1024) FROM query_history
                    WHERE user_id = ?1 AND seq > ?2 AND (?5 OR deleted_at IS NULL) ORDER BY seq LIMIT ?3 + 1)),
            fitting AS (
                SELECT seq, row_number() OVER w AS place,
                    sum(bytes) OVER w + (SELECT coalesce(max(total), 0) FROM shown) AS total
                FROM candidates WINDOW w AS (ORDER BY seq)),
            page AS (SELECT max(seq) AS end FROM fitting WHERE place <= ?3 AND (total <= ?4 OR place = 1))
            SELECT ",
            columns!($table),
            ", (SELECT max(seq) > (SELECT end FROM page) FROM candidates) FROM ",
            stringify!($table),
            " AS i WHERE i.user_id = ?1 AND i.seq > ?2 AND i.seq <= (SELECT end FROM page)
                AND (?5 OR i.deleted_at IS NULL)"
        )
    };
}

const CONNECTIONS: &str = page_of!(connections);
const SAVED_QUERIES: &str = page_of!(saved_queries);
const QUERY_HISTORY: &str = page_of!(query_history);

const OPEN_CONFLICTS: &str = concat!(
    "WITH ",
    open_conflicts!(),
    " SELECT ",
    conflicts::columns!(),
    " FROM shown CROSS JOIN conflicts AS c WHERE c.user_id = ?1 AND c.id = shown.id ORDER BY c.seq DESC"
);

/// Removes the full syncs that began first, if there are too many. `?1` user, `?2` maximum.
const TRIM_FULL_SYNCS: &str = "
DELETE FROM walks WHERE user_id = ?1 AND device_id IN (
    SELECT device_id FROM walks WHERE user_id = ?1 ORDER BY head DESC, device_id LIMIT -1 OFFSET ?2 + 0)";

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
    async fn page(&self, user: UserId, request: &PageRequest) -> StoreResult<Page> {
        let device = [user.into(), request.device.as_str().into()];
        let parameters = page_parameters(user, request);
        let statements = [
            Statement::new(HEAD, [user.into()]),
            Statement::new(FULL_SYNC_CURSOR, device),
            Statement::new(OPEN_CONFLICTS, parameters.clone()),
            Statement::new(CONNECTIONS, parameters.clone()),
            Statement::new(SAVED_QUERIES, parameters.clone()),
            Statement::new(QUERY_HISTORY, parameters),
        ];
        let results = self.database_of(user).read_batch("page", statements).await;
        let [head, full_sync, conflicts, connections, saved_queries, query_history] =
            results.map_err(BatchError::for_small_response)?;
        let (head, totals) = read_head(user, head)?;
        let mut page = Page {
            head,
            digest: Some(totals.digest).filter(|_| !totals.is_digest_stale),
            full_sync: read_full_sync_cursor(user, &request.device, full_sync)?,
            conflicts: conflicts.rows.into_iter().map(conflicts::read).collect::<StoreResult<_>>()?,
            ..Page::default()
        };
        read_items(&mut page, ItemType::Connection, connections)?;
        read_items(&mut page, ItemType::SavedQuery, saved_queries)?;
        read_items(&mut page, ItemType::QueryHistory, query_history)?;
        page.items.sort_by_key(|(_, stored)| stored.seq);
        Ok(page)
    }

    async fn save_full_sync_cursor(
        &self,
        user: UserId,
        device: &DeviceId,
        full_sync: FullSyncCursor,
    ) -> StoreResult<()> {
        let parameters = [
            user.into(),
            device.as_str().into(),
            full_sync.head.into(),
            full_sync.cursor.into(),
            full_sync.previous.into(),
        ];
        let save = Statement::new(SAVE_FULL_SYNC_CURSOR, parameters);
        let trim = Statement::new(TRIM_FULL_SYNCS, [user.into(), Value::Integer(limits::DEVICES as i64)]);
        self.database_of(user).write("save_full_sync_cursor", vec![save, trim]).await?;
        Ok(())
    }

    async fn status(&self, user: UserId) -> StoreResult<Status> {
        let statements = [HEAD, DEVICES, COUNTS].map(|sql| Statement::new(sql, [user.into()]));
        let [head, devices, counts] = self.database_of(user).read_batch("status", statements).await?;
        let (head, totals) = read_head(user, head)?;
        let devices = devices.rows.into_iter().map(read_device).collect::<StoreResult<_>>()?;
        let mut counts = RowReader::with_key("counts", user, counts.into_first_row().unwrap_or_default());
        let items =
            [counts.integer("connections")?, counts.integer("saved_queries")?, counts.integer("query_history")?];
        Ok(Status { head, totals, devices, items, open_conflicts: counts.integer("conflicts")? })
    }

    async fn item(&self, user: UserId, key: &ItemKey) -> StoreResult<Option<Stored>> {
        let [item] = self.database_of(user).read_batch("item", [items::load_one(user, key)]).await?;
        item.into_first_row().map(|row| Ok(items::read(key.item_type, row)?.1)).transpose()
    }

    async fn versions(
        &self,
        user: UserId,
        key: &ItemKey,
        before: Option<SyncVersion>,
        limit: usize,
    ) -> StoreResult<Option<VersionPage>> {
        self.version_page(user, key, before, limit).await
    }

    async fn ping(&self) -> StoreResult<()> {
        for database in &*self.databases {
            database.read("ping", vec![Statement::new("SELECT 1 FROM sync_heads LIMIT 1", [])]).await?;
        }
        Ok(())
    }
}

/// Returns the parameters of all queries of a page but the first two.
fn page_parameters(user: UserId, request: &PageRequest) -> [Value; 7] {
    let number = |number: usize| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    [
        user.into(),
        request.since.into(),
        number(request.limit),
        number(limits::PAGE_BYTES - EMPTY_PAGE_BYTES),
        request.tombstones.into(),
        number(limits::PAGE_CONFLICTS),
        number(limits::PAGE_CONFLICT_BYTES),
    ]
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
