use serde::Serialize;

use super::items::{self, columns};
use super::{LibsqlSync, MAX_RESPONSE_BYTES, Row, RowReader, Statement, StatementResult, Value, conflicts};
use crate::models::{ChangeId, ConflictId, DeviceId, ItemId, ItemKey, ItemType, Stored, UserId};
use crate::storage::{StoreError, StoreResult};
use crate::sync::{FullSyncCursor, Head, ReadSet, Receipt, Records, Snapshot, resolution_copy_id};

pub(super) const HEAD: &str =
    "SELECT head, purged_through, purged_version, closed_at FROM sync_heads WHERE user_id = ?1";

/// `CROSS JOIN` keeps the order: from each wanted key to its row. As a plain join SQLite may choose to walk the whole
/// table for each key.
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
/// Of the history only what exists is asked for: it never conflicts, so its content is not compared.
const QUERY_HISTORY: &str = "
SELECT i.id, i.executed_at, i.sync_version, i.seq, i.device_id, i.deleted_at
FROM json_each(?2) AS j CROSS JOIN query_history AS i WHERE i.user_id = ?1 AND i.id = j.value";

/// One row where the user has any conflict, and none where not, as is usual: then nothing is looked up.
macro_rules! if_any_conflict {
    () => {
        "(SELECT 1 FROM conflicts WHERE user_id = ?1 LIMIT 1)"
    };
}

const RECEIPTS: &str = "
SELECT r.change_id, r.device_id, r.item_type, r.item_id, r.sync_version, r.conflict_id, r.seq
FROM json_each(?3) AS j CROSS JOIN receipts AS r
WHERE r.user_id = ?1 AND r.device_id = ?2 AND r.change_id = j.value";

const CONFLICTS_OF_RECEIPTS: &str = concat!(
    "SELECT ",
    conflicts::columns!(),
    " FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN receipts AS r CROSS JOIN conflicts AS c
    WHERE r.user_id = ?1 AND r.device_id = ?2 AND r.change_id = j.value AND c.user_id = ?1 AND c.id = r.conflict_id"
);

/// Of each branch the newest conflict of each kind: open, settled in one of the ways, with a copy or without. With `max()`
/// the other columns are those of the row that has the maximum (<https://www.sqlite.org/lang_select.html#bareagg>).
const CONFLICTS_OF_BRANCHES: &str = concat!(
    "SELECT ",
    conflicts::columns!(),
    ", max(c.seq) FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN conflicts AS c
    WHERE c.user_id = ?1 AND c.item_type = j.value ->> 0 AND c.item_id = j.value ->> 1 AND c.device_id = ?2
        AND c.base_version = j.value ->> 2
    GROUP BY c.item_type, c.item_id, c.base_version, c.resolution, c.copy_id IS NULL"
);

/// The copies that the branches of the upload made: connections, then saved queries.
const COPIED_CONNECTIONS: &str = concat!(
    "SELECT ",
    columns!(connections),
    " FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN conflicts AS c CROSS JOIN connections AS i
    WHERE c.user_id = ?1 AND c.item_type = j.value ->> 0 AND c.item_id = j.value ->> 1 AND c.device_id = ?2
        AND c.base_version = j.value ->> 2 AND i.user_id = ?1 AND i.id = c.copy_id AND c.item_type = 'connection'"
);
const COPIED_SAVED_QUERIES: &str = concat!(
    "SELECT ",
    columns!(saved_queries),
    " FROM ",
    if_any_conflict!(),
    " CROSS JOIN json_each(?3) AS j CROSS JOIN conflicts AS c CROSS JOIN saved_queries AS i
    WHERE c.user_id = ?1 AND c.item_type = j.value ->> 0 AND c.item_id = j.value ->> 1 AND c.device_id = ?2
        AND c.base_version = j.value ->> 2 AND i.user_id = ?1 AND i.id = c.copy_id AND c.item_type = 'saved_query'"
);

/// A conflict that is to be resolved: `?2` its id.
const CONFLICT: &str =
    concat!("SELECT ", conflicts::columns!(), " FROM conflicts AS c WHERE c.user_id = ?1 AND c.id = ?2");

/// Its item, the copy it made, and the copy that it would make: `?3` the id of the last. One statement for each kind of
/// item that can be in conflict.
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

/// How often a large load that was overtaken by a write starts over.
const ATTEMPTS: usize = 10;

/// What each statement of a load returns.
enum Part {
    Items(ItemType),
    HistoryKeys,
    Receipts,
    HistoryTombstones,
    MetConflicts,
    BranchConflicts,
}

impl LibsqlSync {
    /// Loads what is touched: at once, or in as many parts as it takes where that is more than one answer carries.
    pub(super) async fn load_read_set(&self, user: UserId, read_set: &ReadSet) -> StoreResult<Snapshot> {
        match self.load_at_once(user, read_set).await {
            Err(StoreError::TooLarge) => self.load_in_parts(user, read_set).await,
            other => Ok(other?.0),
        }
    }

    /// Loads in parts until nothing is written meanwhile.
    async fn load_in_parts(&self, user: UserId, read_set: &ReadSet) -> StoreResult<Snapshot> {
        for _ in 0..ATTEMPTS {
            if let Some(snapshot) = self.try_in_parts(user, read_set).await? {
                return Ok(snapshot);
            }
        }
        let reason = "the data kept changing while a large part of it was read".to_owned();
        Err(StoreError::Unavailable { store: "libsql", reason })
    }

    /// The parts are of one moment if the head is the same in all of them: nothing is written without moving it. `None` if
    /// it is not.
    async fn try_in_parts(&self, user: UserId, read_set: &ReadSet) -> StoreResult<Option<Snapshot>> {
        let mut whole: Option<Snapshot> = None;
        let mut room = MAX_RESPONSE_BYTES;
        let full = || StoreError::Unavailable { store: "libsql", reason: "no room for an answer".to_owned() };
        let mut waiting: Vec<ReadSet> = read_set.split().ok_or_else(full)?.into();
        while let Some(part) = waiting.pop() {
            let (snapshot, bytes) = match self.load_at_once(user, &part).await {
                Err(StoreError::TooLarge) => {
                    waiting.extend(part.split().ok_or_else(full)?);
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
        whole.ok_or_else(full).map(Some)
    }

    /// What is touched, and how many bytes it took up.
    async fn load_at_once(&self, user: UserId, read_set: &ReadSet) -> StoreResult<(Snapshot, usize)> {
        let (parts, statements) = statements(user, read_set);
        let done = self.database_of(user).read("load", statements).await?;
        let bytes = done.iter().flat_map(|done| &done.rows).flatten().map(Value::bytes).sum();
        let mut done = done.into_iter();
        let head = read_head(done.next().unwrap_or_default())?;
        let mut records = Records::default();
        for (part, done) in parts.into_iter().zip(done) {
            fill(&mut records, &part, done)?;
        }
        Ok((Snapshot::from_batch(head, records), bytes))
    }
}

fn statements(user: UserId, read_set: &ReadSet) -> (Vec<Part>, Vec<Statement>) {
    let mut parts = Vec::new();
    let mut statements = vec![Statement::new(HEAD, [user.into()])];
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
        parts.push(part);
        statements.push(Statement::new(sql, [user.into(), to_json_list(&ids).into()]));
    }
    if !read_set.history_tombstones.is_empty() {
        let by_entry = of_device(user, &DeviceId::none(), to_json_list(&read_set.history_tombstones));
        parts.push(Part::HistoryTombstones);
        statements.push(Statement::new(RECEIPTS, by_entry));
    }
    if !read_set.changes.is_empty() {
        let by_change = of_device(user, &read_set.device, to_json_list(&read_set.changes));
        parts.extend([Part::Receipts, Part::MetConflicts]);
        statements.push(Statement::new(RECEIPTS, by_change.clone()));
        statements.push(Statement::new(CONFLICTS_OF_RECEIPTS, by_change));
    }
    if !read_set.branches.is_empty() {
        let branches: Vec<_> = read_set.branches.iter().map(|(key, base)| (key.item_type, &key.id, base)).collect();
        let by_branch = of_device(user, &read_set.device, to_json_list(&branches));
        parts.extend([Part::BranchConflicts, Part::Items(ItemType::Connection), Part::Items(ItemType::SavedQuery)]);
        statements.push(Statement::new(CONFLICTS_OF_BRANCHES, by_branch.clone()));
        statements.push(Statement::new(COPIED_CONNECTIONS, by_branch.clone()));
        statements.push(Statement::new(COPIED_SAVED_QUERIES, by_branch));
    }
    if let Some(id) = &read_set.conflict {
        let with_copy = [user.into(), id.as_str().into(), resolution_copy_id(id).as_str().into()];
        parts.extend([Part::MetConflicts, Part::Items(ItemType::Connection), Part::Items(ItemType::SavedQuery)]);
        statements.push(Statement::new(CONFLICT, [user.into(), id.as_str().into()]));
        statements.push(Statement::new(CONNECTIONS_OF_CONFLICT, with_copy.clone()));
        statements.push(Statement::new(SAVED_QUERIES_OF_CONFLICT, with_copy));
    }
    (parts, statements)
}

/// A list as JSON, for a parameter.
pub(super) fn to_json_list(values: &impl Serialize) -> String {
    serde_json::to_string(values).expect("a list of texts and numbers")
}

fn of_device(user: UserId, device: &DeviceId, keys: String) -> [Value; 3] {
    [user.into(), device.as_str().into(), keys.into()]
}

fn fill(records: &mut Records, part: &Part, done: StatementResult) -> StoreResult<()> {
    for row in done.rows {
        match part {
            Part::Items(item_type) => {
                let (key, stored) = items::read(*item_type, row)?;
                records.items.insert(key, stored);
            }
            Part::HistoryKeys => {
                let (key, stored) = read_history_key(row)?;
                records.items.insert(key, stored);
            }
            Part::Receipts => {
                let receipt = read_receipt(row)?;
                records.receipts.insert(receipt.change.clone(), receipt);
            }
            Part::HistoryTombstones => {
                records.history_tombstones.insert(read_receipt(row)?.change);
            }
            Part::MetConflicts => {
                let conflict = conflicts::read(row)?;
                records.conflicts.insert(conflict.id.clone(), conflict);
            }
            Part::BranchConflicts => {
                let conflict = conflicts::read(row)?;
                let branch = (conflict.key.clone(), conflict.local.sync_version);
                records.branches.entry(branch).or_default().insert(conflict.id.clone());
                records.conflicts.insert(conflict.id.clone(), conflict);
            }
        }
    }
    Ok(())
}

/// Reads the result of [`HEAD`]; a user without a row has not written yet.
pub(super) fn read_head(done: StatementResult) -> StoreResult<Head> {
    let Some(row) = done.rows.into_iter().next() else { return Ok(Head::default()) };
    let mut row = RowReader::of("sync_heads", row);
    let head = Head {
        time: row.time("head")?,
        purged_through: row.time("purged_through")?,
        purged_version: row.integer("purged_version")?,
    };
    if row.optional_time("closed_at")?.is_some() { Err(StoreError::AccountDeleted) } else { Ok(head) }
}

/// Reads the result of a query for a row of `walks`.
pub(super) fn read_full_sync(done: StatementResult) -> StoreResult<Option<FullSyncCursor>> {
    let Some(row) = done.rows.into_iter().next() else { return Ok(None) };
    let mut row = RowReader::of("walks", row);
    Ok(Some(FullSyncCursor { head: row.time("head")?, cursor: row.time("cursor")?, previous: row.time("previous")? }))
}

fn read_history_key(row: Row) -> StoreResult<(ItemKey, Stored)> {
    let mut row = RowReader::of("query_history", row);
    let id = ItemId::new_unchecked(row.text("id")?);
    let stored = Stored {
        item: None,
        updated_at: row.time("executed_at")?,
        version: row.integer("sync_version")?,
        seq: row.time("seq")?,
        device: DeviceId::new_unchecked(row.text("device_id")?),
        deleted_at: row.optional_time("deleted_at")?,
    };
    Ok((ItemKey { item_type: ItemType::QueryHistory, id }, stored))
}

fn read_receipt(row: Row) -> StoreResult<Receipt> {
    let mut row = RowReader::of("receipts", row);
    Ok(Receipt {
        change: ChangeId::new_unchecked(row.text("change_id")?),
        device: DeviceId::new_unchecked(row.text("device_id")?),
        key: ItemKey {
            item_type: row.named("item_type", ItemType::named)?,
            id: ItemId::new_unchecked(row.text("item_id")?),
        },
        version: row.integer("sync_version")?,
        conflict: row.optional_text("conflict_id")?.map(ConflictId::new_unchecked),
        seq: row.time("seq")?,
    })
}
