use serde::Serialize;

use super::items::{self, columns};
use super::totals::{self, totals_columns};
use super::{
    LibsqlSync, MAX_RESPONSE_BYTES, Row, RowReader, Statement, StatementResult, Transport, Value, conflicts, versions,
};
use crate::models::{ChangeId, ConflictId, DeviceId, ItemId, ItemKey, ItemType, PlacedUser, UserId};
use crate::storage::{StoreError, StoreResult};
use crate::sync::{Head, ReadSet, Receipt, Records, Snapshot, Totals, resolution_copy_id};

/// Head and totals of a user, in the order that [`read_head`] expects. `?1` user.
pub(super) const HEAD: &str = concat!(
    "SELECT head, purged_through, conflicts_purged_through, purge_generation, purged_version, version_floor, closed_at, moved_to, ",
    totals_columns!(),
    " FROM sync_heads WHERE user_id = ?1"
);

/// Items by their ids. `?1` user, `?2` ids.
///
/// `CROSS JOIN` fixes the join order: each id is looked up in the table. With a plain join SQLite may scan the whole table for
/// each id.
const CONNECTIONS: &str = concat!(
    "SELECT ",
    columns!(connections),
    " FROM json_each(?2) AS j CROSS JOIN connections AS i WHERE i.user_id = ?1 AND i.id = j.value"
);
const SAVED_QUERIES: &str = concat!(
    "SELECT ",
    columns!(saved_queries),
    " FROM json_each(?2) AS j CROSS JOIN saved_queries AS i WHERE i.user_id = ?1 AND i.id = j.value"
);
/// Added history entries that exist, by their ids. Their content is compared with that of the change. `?1` user, `?2` ids.
const ADDED_HISTORY: &str = concat!(
    "SELECT ",
    columns!(query_history),
    " FROM json_each(?2) AS j CROSS JOIN query_history AS i WHERE i.user_id = ?1 AND i.id = j.value"
);
/// Deleted history entries by their ids, without their content. `?1` user, `?2` ids.
const QUERY_HISTORY: &str = "
SELECT i.id, i.executed_at, i.sync_version, i.seq, i.device_id, i.deleted_at, i.bytes
FROM json_each(?2) AS j CROSS JOIN query_history AS i WHERE i.user_id = ?1 AND i.id = j.value";

/// One row if the user has any conflict, else none. Most users have none, and the lookups joined to it are skipped.
macro_rules! if_any_conflict {
    () => {
        "(SELECT 1 FROM conflicts WHERE user_id = ?1 LIMIT 1)"
    };
}

/// Receipts. `?1` user, `?2` device, `?3` ids of changes.
const RECEIPTS: &str = "
SELECT r.change_id, r.device_id, r.item_type, r.item_id, r.sync_version, r.conflict_id, r.merged, r.seq
FROM json_each(?3) AS j CROSS JOIN receipts AS r
WHERE r.user_id = ?1 AND r.device_id = ?2 AND r.change_id = j.value";

/// Conflicts that receipts refer to. Parameters as for [`RECEIPTS`].
const CONFLICTS_OF_RECEIPTS: &str = concat!(
    "SELECT ",
    conflicts::columns!(),
    " FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN receipts AS r CROSS JOIN conflicts AS c
    WHERE r.user_id = ?1 AND r.device_id = ?2 AND r.change_id = j.value AND c.user_id = ?1 AND c.id = r.conflict_id"
);

/// Newest conflict of each branch and kind. The kinds are open and each way of resolution, with a copy and without. Those that a
/// renewal left behind are of no kind. `?1` user, `?2` device, `?3` branches.
///
/// Next to `max()` the other columns are those of the row with the maximum
/// (<https://www.sqlite.org/lang_select.html#bareagg>).
const CONFLICTS_OF_BRANCHES: &str = concat!(
    "SELECT ",
    conflicts::columns!(),
    ", max(c.seq) FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN conflicts AS c
    WHERE c.user_id = ?1 AND c.item_type = j.value ->> 0 AND c.item_id = j.value ->> 1 AND c.device_id = ?2
        AND c.base_version = j.value ->> 2 AND (c.resolution IS NOT 'last_write_wins' OR c.winner IS NOT NULL)
    GROUP BY c.item_type, c.item_id, c.base_version, c.resolution, c.copy_id IS NULL"
);

/// Connections that are copies made by branches of the upload. Parameters as for [`CONFLICTS_OF_BRANCHES`].
const COPIED_CONNECTIONS: &str = concat!(
    "SELECT ",
    columns!(connections),
    " FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN conflicts AS c CROSS JOIN connections AS i
    WHERE c.user_id = ?1 AND c.item_type = j.value ->> 0 AND c.item_id = j.value ->> 1 AND c.device_id = ?2
        AND c.base_version = j.value ->> 2 AND i.user_id = ?1 AND i.id = c.copy_id AND c.item_type = 'connection'"
);
/// Saved queries that are copies made by branches of the upload. Parameters as for [`CONFLICTS_OF_BRANCHES`].
const COPIED_SAVED_QUERIES: &str = concat!(
    "SELECT ",
    columns!(saved_queries),
    " FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN conflicts AS c CROSS JOIN saved_queries AS i
    WHERE c.user_id = ?1 AND c.item_type = j.value ->> 0 AND c.item_id = j.value ->> 1 AND c.device_id = ?2
        AND c.base_version = j.value ->> 2 AND i.user_id = ?1 AND i.id = c.copy_id AND c.item_type = 'saved_query'"
);

/// Conflict to resolve. `?1` user, `?2` id.
const CONFLICT: &str =
    concat!("SELECT ", conflicts::columns!(), " FROM conflicts AS c WHERE c.user_id = ?1 AND c.id = ?2");

/// Items of one type that belong to a conflict: its item, the copy that it made, and the copy that its resolution would make.
/// `?1` user, `?2` conflict, `?3` id of the copy that its resolution would make.
macro_rules! of_conflict {
    ($table:ident, $item_type:literal) => {
        concat!(
            "SELECT ",
            columns!($table),
            " FROM conflicts AS c CROSS JOIN ",
            stringify!($table),
            " AS i WHERE c.user_id = ?1 AND c.id = ?2 AND c.item_type = '",
            $item_type,
            "' AND i.user_id = ?1 AND i.id IN (c.item_id, c.copy_id, ?3)"
        )
    };
}
const CONNECTIONS_OF_CONFLICT: &str = of_conflict!(connections, "connection");
const SAVED_QUERIES_OF_CONFLICT: &str = of_conflict!(saved_queries, "saved_query");

/// Maximum number of attempts at a load in parts. A concurrent write makes an attempt fail.
const ATTEMPTS: usize = 10;

/// Kind of rows that a statement of a load returns.
enum Part {
    Items(ItemType),
    HistoryKeys,
    Receipts,
    HistoryReceipts,
    Conflicts,
    BranchConflicts,
    Bases(ItemType),
    Versions(ItemType),
}

impl LibsqlSync {
    /// Loads the read set: in one call, or in several if the rows exceed the limit of one call.
    pub(super) async fn load_read_set(&self, user: PlacedUser, read_set: &ReadSet) -> StoreResult<Snapshot> {
        match self.load_at_once(user, read_set).await {
            Err(StoreError::TooLarge) => self.load_in_parts(user, read_set).await,
            other => Ok(other?.0),
        }
    }

    /// Loads the read set in parts, and starts over after a concurrent write.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after [`ATTEMPTS`] attempts.
    async fn load_in_parts(&self, user: PlacedUser, read_set: &ReadSet) -> StoreResult<Snapshot> {
        for _ in 0..ATTEMPTS {
            if let Some(snapshot) = self.try_load_in_parts(user, read_set).await? {
                return Ok(snapshot);
            }
        }
        let reason = "the data changed during every attempt to load it in parts".to_owned();
        Err(StoreError::Unavailable { store: "libsql", reason })
    }

    /// Loads the read set in parts. Returns `None` if the head moved between them. Every write moves the head, so parts with the
    /// same head form a consistent snapshot.
    async fn try_load_in_parts(&self, user: PlacedUser, read_set: &ReadSet) -> StoreResult<Option<Snapshot>> {
        let mut whole: Option<Snapshot> = None;
        let mut room = MAX_RESPONSE_BYTES;
        let overloaded =
            || StoreError::Unavailable { store: "libsql", reason: "no memory for the smallest response".to_owned() };
        let mut pending: Vec<ReadSet> = read_set.split().ok_or_else(overloaded)?.into();
        while let Some(part) = pending.pop() {
            let (snapshot, bytes) = match self.load_at_once(user, &part).await {
                Err(StoreError::TooLarge) => {
                    pending.extend(part.split().ok_or_else(overloaded)?);
                    continue;
                }
                other => other?,
            };
            room = room.checked_sub(bytes).ok_or(StoreError::TooLarge)?;
            match &mut whole {
                None => whole = Some(snapshot),
                Some(whole) => {
                    if whole.merge(snapshot).is_err() {
                        return Ok(None);
                    }
                }
            }
        }
        whole.ok_or_else(overloaded).map(Some)
    }

    /// Loads the read set in one call. Returns also the size of the rows in bytes.
    async fn load_at_once(&self, user: PlacedUser, read_set: &ReadSet) -> StoreResult<(Snapshot, usize)> {
        self.run_for(user, |database| async move { load(&*database, user.id, read_set).await }).await
    }
}

/// Loads the read set in one call. Returns also the size of the rows in bytes.
async fn load(database: &dyn Transport, user: UserId, read_set: &ReadSet) -> StoreResult<(Snapshot, usize)> {
    let (parts, mut statements): (Vec<Part>, Vec<Statement>) = statements(user, read_set).into_iter().unzip();
    statements.insert(0, Statement::new(HEAD, [user.into()]));
    let results = database.read("load", statements).await?;
    let bytes = results.iter().flat_map(|result| &result.rows).flatten().map(Value::bytes).sum();
    let mut results = results.into_iter();
    let (head, totals) = read_head(user, results.next().unwrap_or_default())?;
    let mut records = Records::default();
    for (part, result) in parts.into_iter().zip(results) {
        insert_rows(&mut records, &part, result)?;
    }
    Ok((Snapshot::from_batch(head, totals, records), bytes))
}

/// Returns the statements that load `read_set`, each with the kind of rows that it returns.
fn statements(user: UserId, read_set: &ReadSet) -> Vec<(Part, Statement)> {
    let mut statements = Vec::new();
    for item_type in ItemType::ALL {
        let ids: Vec<&str> =
            read_set.items.iter().filter(|key| key.item_type == item_type).map(|key| key.id.as_str()).collect();
        if ids.is_empty() {
            continue;
        }
        let (part, sql) = match item_type {
            ItemType::Connection => (Part::Items(item_type), CONNECTIONS),
            ItemType::SavedQuery => (Part::Items(item_type), SAVED_QUERIES),
            ItemType::QueryHistory => (Part::HistoryKeys, QUERY_HISTORY),
        };
        statements.push((part, Statement::new(sql, [user.into(), to_json_list(&ids).into()])));
    }
    if !read_set.added_history.is_empty() {
        let by_entry = of_device(user, &DeviceId::none(), to_json_list(&read_set.history_receipts));
        let added = [user.into(), to_json_list(&read_set.added_history).into()];
        statements.extend([
            (Part::Items(ItemType::QueryHistory), Statement::new(ADDED_HISTORY, added)),
            (Part::HistoryReceipts, Statement::new(RECEIPTS, by_entry)),
        ]);
    }
    if !read_set.changes.is_empty() {
        let by_change = of_device(user, &read_set.device, to_json_list(&read_set.changes));
        statements.extend([
            (Part::Receipts, Statement::new(RECEIPTS, by_change.clone())),
            (Part::Conflicts, Statement::new(CONFLICTS_OF_RECEIPTS, by_change)),
        ]);
    }
    if !read_set.branches.is_empty() {
        let branches: Vec<_> = read_set.branches.iter().map(|(key, base)| (key.item_type, &key.id, base)).collect();
        let branches = to_json_list(&branches);
        if read_set.with_bases {
            let bases = versions::load_bases(user, &read_set.device, &branches);
            statements.extend(bases.map(|(item_type, statement)| (Part::Bases(item_type), statement)));
        }
        let by_branch = of_device(user, &read_set.device, branches);
        statements.extend([
            (Part::BranchConflicts, Statement::new(CONFLICTS_OF_BRANCHES, by_branch.clone())),
            (Part::Items(ItemType::Connection), Statement::new(COPIED_CONNECTIONS, by_branch.clone())),
            (Part::Items(ItemType::SavedQuery), Statement::new(COPIED_SAVED_QUERIES, by_branch)),
        ]);
    }
    if let Some(id) = &read_set.conflict {
        let with_copy = [user.into(), id.as_str().into(), resolution_copy_id(id).as_str().into()];
        statements.extend([
            (Part::Conflicts, Statement::new(CONFLICT, [user.into(), id.as_str().into()])),
            (Part::Items(ItemType::Connection), Statement::new(CONNECTIONS_OF_CONFLICT, with_copy.clone())),
            (Part::Items(ItemType::SavedQuery), Statement::new(SAVED_QUERIES_OF_CONFLICT, with_copy)),
        ]);
    }
    if let Some((key, version)) = &read_set.version
        && let Some(statement) = versions::load_some(user, key, *version, to_json_list(&read_set.changes))
    {
        statements.push((Part::Versions(key.item_type), statement));
    }
    statements
}

/// Encodes a list as JSON.
pub(super) fn to_json_list(values: &impl Serialize) -> String {
    serde_json::to_string(values).expect("strings and numbers are always valid JSON")
}

fn of_device(user: UserId, device: &DeviceId, keys: String) -> [Value; 3] {
    [user.into(), device.as_str().into(), keys.into()]
}

/// Decodes the rows of one statement into `records`.
fn insert_rows(records: &mut Records, part: &Part, result: StatementResult) -> StoreResult<()> {
    for row in result.rows {
        match part {
            Part::Items(item_type) => {
                let (key, stored) = items::read(*item_type, row)?;
                records.items.insert(key, stored);
            }
            Part::HistoryKeys => {
                let (key, stored) = items::read_key(ItemType::QueryHistory, RowReader::new("query_history", row))?.0;
                records.items.insert(key, stored);
            }
            Part::Receipts => {
                let receipt = read_receipt(row)?;
                records.receipts.insert(receipt.change.clone(), receipt);
            }
            Part::HistoryReceipts => {
                records.history_receipts.insert(read_receipt(row)?.change);
            }
            Part::Conflicts => {
                let conflict = conflicts::read(row)?;
                records.conflicts.insert(conflict.id.clone(), conflict);
            }
            Part::BranchConflicts => {
                let conflict = conflicts::read(row)?;
                let branch = (conflict.key.clone(), conflict.local.sync_version);
                records.branches.entry(branch).or_default().insert(conflict.id.clone());
                records.conflicts.insert(conflict.id.clone(), conflict);
            }
            Part::Bases(item_type) => {
                let (id, version, mut rest) = versions::read(*item_type, row)?;
                records.bases.insert((ItemKey { item_type: *item_type, id }, rest.integer("base")?), version);
            }
            Part::Versions(item_type) => {
                let (_, version, _) = versions::read(*item_type, row)?;
                records.versions.insert(version.sync_version, version);
            }
        }
    }
    Ok(())
}

/// Decodes the result of [`HEAD`]. A user without a row has not written yet.
///
/// # Errors
/// [`StoreError::AccountDeleted`] if the account is being deleted, [`StoreError::Moved`] if the data is in another database.
pub(super) fn read_head(user: UserId, result: StatementResult) -> StoreResult<(Head, Totals)> {
    let Some(row) = result.into_first_row() else { return Ok((Head::default(), Totals::default())) };
    let mut row = RowReader::with_key("sync_heads", user, row);
    let head = Head {
        time: row.time("head")?,
        purged_through: row.time("purged_through")?,
        conflicts_purged_through: row.time("conflicts_purged_through")?,
        purge_generation: row.integer("purge_generation")?,
        purged_version: row.integer("purged_version")?,
        version_floor: row.integer("version_floor")?,
    };
    if row.optional_time("closed_at")?.is_some() {
        return Err(StoreError::AccountDeleted);
    }
    if let Some(to) = row.optional_parsed("moved_to")? {
        return Err(StoreError::Moved { to });
    }
    Ok((head, totals::read(&mut row)?))
}

fn read_receipt(row: Row) -> StoreResult<Receipt> {
    let mut row = RowReader::new("receipts", row);
    Ok(Receipt {
        change: ChangeId::new_unchecked(row.text("change_id")?),
        device: DeviceId::new_unchecked(row.text("device_id")?),
        key: ItemKey {
            item_type: row.named("item_type", ItemType::from_name)?,
            id: ItemId::new_unchecked(row.text("item_id")?),
        },
        version: row.integer("sync_version")?,
        conflict: row.optional_text("conflict_id")?.map(ConflictId::new_unchecked),
        merged: row.flag("merged")?,
        seq: row.time("seq")?,
    })
}
