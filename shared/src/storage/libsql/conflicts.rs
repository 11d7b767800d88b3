//! The table `conflicts`: encoding, decoding, and listing.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::items::with_rows;
use super::load::{HEAD, read_head, to_json_list};
use super::{BatchError, LibsqlSync, Row, RowReader, Statement, StatementResult};
use crate::models::{
    Conflict, ConflictId, Content, DeviceId, Item, ItemId, ItemKey, ItemType, ItemVersion, PlacedUser, Resolution,
    ResolvedBy, SyncVersion, Timestamp, UserId, VersionRecord, Winner, limits,
};
use crate::storage::{ConflictFilter, ConflictPage, ConflictStore, StoreResult};

/// Columns of a conflict in the order that [`read`] expects. `c` is the table.
macro_rules! columns {
    () => {
        "c.id, c.item_type, c.item_id, c.local_version, c.remote_version, c.item_version, c.detected_at, \
         c.resolved_at, c.resolution, c.winner, c.copy_id, c.seq"
    };
}
pub(super) use columns;

/// Inserts or replaces rows. `?1` user, `?2` rows in the format of [`to_row`], as a JSON array.
pub(super) const UPSERT: &str = concat!(
    with_rows!(),
    "INSERT INTO conflicts (user_id, id, item_type, item_id, local_version, remote_version, item_version, detected_at,
    resolved_at, resolution, winner, copy_id, seq, bytes)
SELECT ?1, j.value ->> '$.id', j.value ->> '$.item_type', j.value ->> '$.item_id', j.value -> '$.local_version',
    j.value -> '$.remote_version', j.value ->> '$.item_version', j.value ->> '$.detected_at',
    j.value ->> '$.resolved_at', j.value ->> '$.resolution', j.value ->> '$.winner', j.value ->> '$.copy_id',
    j.value ->> '$.seq', j.value ->> '$.bytes'
FROM j WHERE true
ON CONFLICT (user_id, id) DO UPDATE SET local_version = excluded.local_version,
    remote_version = excluded.remote_version, item_version = excluded.item_version,
    resolved_at = excluded.resolved_at, resolution = excluded.resolution, winner = excluded.winner,
    copy_id = excluded.copy_id, seq = excluded.seq, bytes = excluded.bytes"
);

/// JSON of a row that is written.
#[derive(Serialize)]
pub(super) struct RowJson<'a> {
    id: &'a ConflictId,
    item_type: ItemType,
    item_id: &'a ItemId,
    local_version: VersionRecord,
    remote_version: VersionRecord,
    item_version: SyncVersion,
    detected_at: i64,
    resolved_at: Option<i64>,
    resolution: Option<&'static str>,
    bytes: usize,
    winner: Option<&'static str>,
    copy_id: Option<&'a ItemId>,
    seq: i64,
}

/// Returns the row of `conflict`.
pub(super) fn to_row(conflict: &Conflict) -> RowJson<'_> {
    let resolution = conflict.resolution.as_ref();
    RowJson {
        id: &conflict.id,
        item_type: conflict.key.item_type,
        item_id: &conflict.key.id,
        local_version: VersionRecord::new(&conflict.key.id, &conflict.local),
        remote_version: VersionRecord::new(&conflict.key.id, &conflict.remote),
        item_version: conflict.item_version,
        detected_at: conflict.detected_at.micros(),
        resolved_at: resolution.map(|resolution| resolution.at.micros()),
        resolution: resolution.map(|resolution| column_of(resolution.by)),
        bytes: conflict.bytes(),
        winner: resolution.and_then(|resolution| Some(resolution.winner?.name())),
        copy_id: resolution.and_then(|resolution| resolution.copy_id.as_ref()),
        seq: conflict.seq.micros(),
    }
}

/// Returns the value of the column `resolution`. That of [`ResolvedBy::Renewed`] is the one of last-write-wins, which always has
/// a winner, without one: the release before this one reads such a row, and lets the user choose from it, too.
const fn column_of(by: ResolvedBy) -> &'static str {
    match by {
        ResolvedBy::Renewed => ResolvedBy::LastWriteWins.name(),
        other => other.name(),
    }
}

/// Decodes a row of [`columns!`].
pub(super) fn read(row: Row) -> StoreResult<Conflict> {
    Ok(read_columns(row)?.0)
}

/// Decodes a row of [`columns!`] and returns also a reader of the columns after them.
pub(super) fn read_columns(row: Row) -> StoreResult<(Conflict, RowReader)> {
    let mut row = RowReader::new("conflicts", row);
    let id = ConflictId::new_unchecked(row.text("id")?);
    let item_type = row.named("item_type", ItemType::from_name)?;
    let key = ItemKey { item_type, id: ItemId::new_unchecked(row.text("item_id")?) };
    let local = read_version(&mut row, "local_version", item_type)?;
    let remote = read_version(&mut row, "remote_version", item_type)?;
    let item_version = row.integer("item_version")?;
    let detected_at = row.time("detected_at")?;
    let resolved_at = row.optional_time("resolved_at")?;
    let by = row.optional_named("resolution", ResolvedBy::from_name)?;
    let winner = row.optional_named("winner", Winner::from_name)?;
    let by = by.map(|by| if by == ResolvedBy::LastWriteWins && winner.is_none() { ResolvedBy::Renewed } else { by });
    let copy_id = row.optional_text("copy_id")?.map(ItemId::new_unchecked);
    let resolution = resolved_at.zip(by).map(|(at, by)| Resolution { at, by, winner, copy_id });
    let seq = row.time("seq")?;
    Ok((Conflict { id, key, local, remote, item_version, detected_at, resolution, seq }, row))
}

/// Conflicts that a renewal left behind, of the items `?2`, with their place from the newest one. `?1` user.
macro_rules! left_behind {
    () => {
        "WITH left_behind AS (
            SELECT c.rowid AS row, c.bytes, row_number() OVER (PARTITION BY c.item_type, c.item_id ORDER BY c.seq DESC) AS place
            FROM json_each(?2) AS j CROSS JOIN conflicts AS c
            WHERE c.user_id = ?1 AND c.item_type = j.value ->> 0 AND c.item_id = j.value ->> 1
                AND c.resolution = 'last_write_wins' AND c.winner IS NULL) "
    };
}

/// Subtracts the size of the conflicts that [`DELETE_OLDEST`] removes. `?1` user, `?2` items.
const SUBTRACT_OLDEST: &str = concat!(
    left_behind!(),
    "UPDATE sync_heads SET bytes = bytes - (SELECT coalesce(sum(bytes), 0) FROM left_behind WHERE place > 100)
    WHERE user_id = ?1"
);

/// Removes the conflicts that a renewal left behind and that 100 newer ones of the item follow. `?1` user, `?2` items.
const DELETE_OLDEST: &str =
    concat!(left_behind!(), "DELETE FROM conflicts WHERE rowid IN (SELECT row FROM left_behind WHERE place > 100)");

/// Returns the statements that remove the oldest conflicts which a renewal left behind, if `written` has any.
pub(super) fn trim(user: UserId, written: &[Conflict]) -> Vec<Statement> {
    let is_left_behind = |conflict: &&Conflict| {
        conflict.resolution.as_ref().is_some_and(|resolution| resolution.by == ResolvedBy::Renewed)
    };
    let items: BTreeSet<_> = written.iter().filter(is_left_behind).map(|conflict| &conflict.key).collect();
    if items.is_empty() {
        return Vec::new();
    }
    let items: Vec<_> = items.into_iter().map(|key| (key.item_type, &key.id)).collect();
    let items = to_json_list(&items);
    [SUBTRACT_OLDEST, DELETE_OLDEST].map(|sql| Statement::new(sql, [user.into(), items.as_str().into()])).into()
}

/// JSON of a version in its column. Clients receive the same JSON.
#[derive(Deserialize)]
struct VersionJson {
    data: Option<serde_json::Map<String, Json>>,
    updated_at: Timestamp,
    sync_version: SyncVersion,
    device_id: String,
}

fn read_version(row: &mut RowReader, column: &'static str, item_type: ItemType) -> StoreResult<ItemVersion> {
    let version: VersionJson = row.json(column)?;
    let read = |data: serde_json::Map<String, Json>| -> StoreResult<Item> {
        let created_at = data.get("created_at").and_then(|time| time.as_str()?.parse().ok());
        let content = Content::from_stored(item_type, data).map_err(|error| row.corrupt(column, error.message))?;
        Ok(Item { content: Arc::new(content), created_at: created_at.unwrap_or(version.updated_at) })
    };
    Ok(ItemVersion {
        item: version.data.map(read).transpose()?,
        updated_at: version.updated_at,
        sync_version: version.sync_version,
        device: DeviceId::new_unchecked(version.device_id),
    })
}

/// A page of conflicts. `?1` user, `?2` filter, `?3` before, `?4` limit, `?5` bytes.
///
/// Sorted by the time of detection: an update of a conflict does not change it, so pages miss no conflict that is updated
/// between them. The query looks at one row more than the limit. The last column is the number of these rows.
const LIST: &str = concat!(
    "WITH newest AS (
        SELECT id, detected_at, bytes FROM conflicts
        WHERE user_id = ?1 AND detected_at < ?3
            AND (?2 = 'all' OR (?2 = 'open' AND resolved_at IS NULL) OR (?2 = 'resolved' AND resolved_at IS NOT NULL))
        ORDER BY detected_at DESC LIMIT ?4 + 1),
    fitting AS (
        SELECT id, row_number() OVER w AS place, sum(bytes) OVER w AS total FROM newest WINDOW w AS (ORDER BY detected_at DESC))
    SELECT ",
    columns!(),
    ", (SELECT count(*) FROM newest) FROM fitting CROSS JOIN conflicts AS c
    WHERE c.user_id = ?1 AND c.id = fitting.id AND place <= ?4 AND (total <= ?5 OR place = 1)
    ORDER BY c.detected_at DESC"
);
/// Number of conflicts. `?1` user, `?2` filter.
const COUNT: &str = "
SELECT count(*) FROM conflicts
WHERE user_id = ?1
    AND (?2 = 'all' OR (?2 = 'open' AND resolved_at IS NULL) OR (?2 = 'resolved' AND resolved_at IS NOT NULL))";

#[async_trait]
impl ConflictStore for LibsqlSync {
    async fn list(
        &self,
        user: PlacedUser,
        filter: ConflictFilter,
        before: Option<Timestamp>,
        limit: usize,
    ) -> StoreResult<ConflictPage> {
        let filter = match filter {
            ConflictFilter::Open => "open",
            ConflictFilter::Resolved => "resolved",
            ConflictFilter::All => "all",
        };
        let before = before.unwrap_or(Timestamp::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let bytes = limits::PAGE_BYTES as i64;
        self.run_for(user, |database| async move {
            let page = [user.id.into(), filter.into(), before.into(), limit.into(), bytes.into()];
            let statements = [
                Statement::new(HEAD, [user.id.into()]),
                Statement::new(LIST, page),
                Statement::new(COUNT, [user.id.into(), filter.into()]),
            ];
            let results = database.read_batch("list_conflicts", statements).await;
            let [head, page, count] = results.map_err(BatchError::for_small_response)?;
            // Fails if the account is being deleted.
            read_head(user.id, head)?;
            read_page(user.id, page, count)
        })
        .await
    }
}

fn read_page(user: UserId, page: StatementResult, count: StatementResult) -> StoreResult<ConflictPage> {
    let count = count.into_first_row().unwrap_or_default();
    let count = RowReader::with_key("conflicts", user, count).integer("count")?;
    let mut conflicts = Vec::with_capacity(page.rows.len());
    let mut candidates = 0;
    for row in page.rows {
        let (conflict, mut rest) = read_columns(row)?;
        candidates = rest.integer("candidates")?;
        conflicts.push(conflict);
    }
    let has_more = usize::try_from(candidates).is_ok_and(|candidates| candidates > conflicts.len());
    let next = conflicts.last().map(|conflict| conflict.detected_at).filter(|_| has_more);
    Ok(ConflictPage { conflicts, count, next })
}
