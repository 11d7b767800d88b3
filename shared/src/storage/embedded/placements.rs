use async_trait::async_trait;

use super::Embedded;
use crate::models::{DatabaseId, Timestamp, UserId};
use crate::placement::MemberDatabase;
use crate::storage::libsql::{RowReader, Statement, Value};
use crate::storage::{DatabaseSet, MoveEpoch, Placement, Placements, StoreResult};

const SET: &str = "SELECT id FROM database_set";
const MEMBERS: &str = "
SELECT id, ordinal, weight, EXISTS (SELECT 1 FROM users WHERE database_id = d.id) FROM databases AS d ORDER BY ordinal
LIMIT 1000";

/// Members that are not in the list and used. `?1` list, as in [`REMOVE`] and [`ADD`].
const MISSING: &str = "
SELECT id FROM databases AS d WHERE id NOT IN (SELECT value ->> 0 FROM json_each(?1))
    AND EXISTS (SELECT 1 FROM users WHERE database_id = d.id) ORDER BY ordinal LIMIT 1000";
/// Removes the members that are not in the list, unless one of them is used.
const REMOVE: &str = "
DELETE FROM databases WHERE id NOT IN (SELECT value ->> 0 FROM json_each(?1)) AND NOT EXISTS (
    SELECT 1 FROM users WHERE database_id IS NOT NULL AND database_id NOT IN (SELECT value ->> 0 FROM json_each(?1)))";
/// Adds the list to the members, unless one that is used is not in the list.
const ADD: &str = "
INSERT INTO databases (id, ordinal, weight)
SELECT j.value ->> 0, coalesce((SELECT max(ordinal) + 1 FROM databases), 0) + j.key, j.value ->> 1 FROM json_each(?1) AS j
WHERE NOT EXISTS (
    SELECT 1 FROM users WHERE database_id IS NOT NULL AND database_id NOT IN (SELECT value ->> 0 FROM json_each(?1)))
ON CONFLICT (id) DO UPDATE SET weight = excluded.weight";

const CLOSE: &str = "UPDATE databases SET weight = 0 WHERE id = ?1";
const PLACEMENT: &str = "SELECT database_id FROM users WHERE id = ?1";
const RECORD: &str = "
UPDATE users SET database_id = ?2 WHERE id IN (SELECT value FROM json_each(?1)) AND database_id IS NULL";
const UNRECORDED: &str = "SELECT id FROM users WHERE database_id IS NULL LIMIT ?1";
const USERS: &str = "
SELECT id FROM users WHERE database_id = ?1 AND id > ?2 AND deleted_at IS NULL ORDER BY id LIMIT ?3";
const BEGIN_MOVE: &str = "
UPDATE users SET move_epoch = max(move_epoch + 1, ?2) WHERE id = ?1 AND database_id IS NOT NULL AND deleted_at IS NULL
RETURNING database_id, move_epoch";
const FINISH_MOVE: &str = "
UPDATE users SET database_id = ?3 WHERE id = ?1 AND move_epoch = ?2 AND deleted_at IS NULL";

#[async_trait]
impl Placements for Embedded {
    async fn database_set(&self) -> StoreResult<DatabaseSet> {
        let statements = [SET, MEMBERS].map(|sql| Statement::new(sql, []));
        let [set, members] = self.file.read_batch("database_set", statements).await?;
        let mut set = RowReader::new("database_set", set.into_first_row().unwrap_or_default());
        let mut set = DatabaseSet { id: set.parsed("id")?, members: Vec::new(), used: Vec::new() };
        for row in members.rows {
            let mut row = RowReader::new("databases", row);
            let id = row.parsed("id")?;
            let mut number = |column| -> StoreResult<u32> {
                row.integer(column)?.try_into().map_err(|_| row.corrupt(column, "out of range"))
            };
            set.members.push(MemberDatabase { id, ordinal: number("ordinal")?, weight: number("weight")? });
            set.used.extend(row.flag("is_used")?.then_some(id));
        }
        Ok(set)
    }

    async fn register(&self, databases: &[(DatabaseId, u32)]) -> StoreResult<Vec<DatabaseId>> {
        let list = Value::Text(serde_json::to_string(databases).expect("ids and numbers are always valid JSON"));
        let statements = [MISSING, REMOVE, ADD].map(|sql| Statement::new(sql, [list.clone()]));
        let [missing, ..] = self.file.write_batch("register", statements).await?;
        missing.rows.into_iter().map(|row| RowReader::new("databases", row).parsed("id")).collect()
    }

    async fn close_to_new_users(&self, database: DatabaseId) -> StoreResult<()> {
        self.file.write("close_to_new_users", vec![Statement::new(CLOSE, [database.into()])]).await?;
        Ok(())
    }

    async fn placement(&self, user: UserId) -> StoreResult<Placement> {
        let [found] = self.file.read_batch("placement", [Statement::new(PLACEMENT, [user.into()])]).await?;
        let Some(row) = found.into_first_row() else { return Ok(Placement::NoUser) };
        let database = RowReader::with_key("users", user, row).optional_parsed("database_id")?;
        Ok(database.map_or(Placement::Unrecorded, Placement::In))
    }

    async fn record(&self, users: &[UserId], database: DatabaseId) -> StoreResult<()> {
        let users = serde_json::to_string(users).expect("ids are always valid JSON");
        let record = Statement::new(RECORD, [users.into(), database.into()]);
        self.file.write("record_placement", vec![record]).await?;
        Ok(())
    }

    async fn unrecorded(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        let [users] =
            self.file.read_batch("unrecorded_placements", [Statement::new(UNRECORDED, [Value::count(limit)])]).await?;
        users.rows.into_iter().map(|row| RowReader::new("users", row).parsed("id")).collect()
    }

    async fn users_in(&self, database: DatabaseId, after: Option<UserId>, limit: usize) -> StoreResult<Vec<UserId>> {
        let after = after.map_or_else(|| Value::Text(String::new()), Value::from);
        let select = Statement::new(USERS, [database.into(), after, Value::count(limit)]);
        let [users] = self.file.read_batch("users_in_database", [select]).await?;
        users.rows.into_iter().map(|row| RowReader::new("users", row).parsed("id")).collect()
    }

    async fn begin_move(&self, user: UserId, now: Timestamp) -> StoreResult<Option<(DatabaseId, MoveEpoch)>> {
        let [begun] =
            self.file.write_batch("begin_move", [Statement::new(BEGIN_MOVE, [user.into(), now.into()])]).await?;
        let Some(row) = begun.into_first_row() else { return Ok(None) };
        let mut row = RowReader::with_key("users", user, row);
        Ok(Some((row.parsed("database_id")?, MoveEpoch(row.integer("move_epoch")?))))
    }

    async fn finish_move(&self, user: UserId, epoch: MoveEpoch, database: DatabaseId) -> StoreResult<bool> {
        let finish = Statement::new(FINISH_MOVE, [user.into(), epoch.0.into(), database.into()]);
        let [finished] = self.file.write_batch("finish_move", [finish]).await?;
        Ok(finished.written > 0)
    }
}
