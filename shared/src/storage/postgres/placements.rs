use async_trait::async_trait;
use sqlx::{query, query_scalar};
use uuid::Uuid;

use super::deletions::limit_of;
use super::{PostgresAccounts, unavailable};
use crate::models::{DatabaseId, Timestamp, UserId};
use crate::placement::MemberDatabase;
use crate::storage::{DatabaseSet, MoveEpoch, Placement, Placements, StoreError, StoreResult};

#[async_trait]
impl Placements for PostgresAccounts {
    async fn database_set(&self) -> StoreResult<DatabaseSet> {
        self.run("database_set", async |connection| {
            // With EXISTS the planner scans all users for a database that has none.
            let rows = query!(
                r#"SELECT s.id AS set_id, d.id AS "id?", d.ordinal AS "ordinal?", d.weight AS "weight?",
                       (SELECT id FROM users WHERE database_id = d.id ORDER BY database_id, id LIMIT 1) IS NOT NULL AS "is_used!"
                   FROM database_set AS s LEFT JOIN databases AS d ON true ORDER BY d.ordinal"#
            )
            .fetch_all(&mut **connection)
            .await?;
            let Some(first) = rows.first() else { return Err(unavailable("the table database_set is empty")) };
            let mut set = DatabaseSet { id: first.set_id, members: Vec::new(), used: Vec::new() };
            for row in rows {
                let (Some(id), Some(ordinal), Some(weight)) = (row.id, row.ordinal, row.weight) else { continue };
                let id = DatabaseId::new(id);
                let [ordinal, weight] = [("ordinal", ordinal), ("weight", weight)].map(|(column, number)| {
                    u32::try_from(number).map_err(|error| StoreError::Corrupt {
                        table: "databases",
                        column,
                        key: id.to_string(),
                        reason: error.to_string(),
                    })
                });
                set.members.push(MemberDatabase { id, ordinal: ordinal?, weight: weight? });
                set.used.extend(row.is_used.then_some(id));
            }
            Ok(set)
        })
        .await
    }

    async fn register(&self, databases: &[(DatabaseId, u32)]) -> StoreResult<Vec<DatabaseId>> {
        let ids: Vec<Uuid> = databases.iter().map(|(id, _)| id.as_uuid()).collect();
        let weights: Vec<i32> =
            databases.iter().map(|(_, weight)| i32::try_from(*weight).unwrap_or(i32::MAX)).collect();
        self.run_in_transaction("register", async |connection| {
            // Waits for sign-ups that have chosen a database, and lets later ones wait.
            query!("LOCK TABLE databases IN EXCLUSIVE MODE").execute(&mut **connection).await?;
            let missing = query_scalar!(
                "SELECT id FROM databases AS d
                 WHERE id <> ALL ($1) AND (SELECT u.id FROM users AS u WHERE database_id = d.id ORDER BY database_id, u.id LIMIT 1) IS NOT NULL
                 ORDER BY ordinal",
                &ids,
            )
            .fetch_all(&mut **connection)
            .await?;
            if !missing.is_empty() {
                return Ok(missing.into_iter().map(DatabaseId::new).collect());
            }
            query!("DELETE FROM databases WHERE id <> ALL ($1)", &ids).execute(&mut **connection).await?;
            query!(
                "INSERT INTO databases (id, ordinal, weight)
                 SELECT id, coalesce((SELECT max(ordinal) + 1 FROM databases), 0) + place - 1, weight
                 FROM unnest($1::uuid[], $2::integer[]) WITH ORDINALITY AS new (id, weight, place)
                 ON CONFLICT (id) DO UPDATE SET weight = excluded.weight",
                &ids,
                &weights,
            )
            .execute(&mut **connection)
            .await?;
            Ok(Vec::new())
        })
        .await
    }

    async fn close_to_new_users(&self, database: DatabaseId) -> StoreResult<()> {
        self.run("close_to_new_users", async |connection| {
            query!("UPDATE databases SET weight = 0 WHERE id = $1", database.as_uuid())
                .execute(&mut **connection)
                .await?;
            Ok(())
        })
        .await
    }

    async fn placement(&self, user: UserId) -> StoreResult<Placement> {
        self.run("placement", async |connection| {
            let found = query_scalar!("SELECT database_id FROM users WHERE id = $1", user.as_uuid())
                .fetch_optional(&mut **connection)
                .await?;
            Ok(match found {
                None => Placement::NoUser,
                Some(None) => Placement::Unrecorded,
                Some(Some(id)) => Placement::In(DatabaseId::new(id)),
            })
        })
        .await
    }

    async fn record(&self, users: &[UserId], database: DatabaseId) -> StoreResult<()> {
        let users: Vec<Uuid> = users.iter().map(|user| user.as_uuid()).collect();
        self.run("record_placement", async |connection| {
            query!(
                "UPDATE users SET database_id = $2 WHERE id = ANY ($1) AND database_id IS NULL",
                &users,
                database.as_uuid(),
            )
            .execute(&mut **connection)
            .await?;
            Ok(())
        })
        .await
    }

    async fn unrecorded(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        self.run("unrecorded_placements", async |connection| {
            let users = query_scalar!("SELECT id FROM users WHERE database_id IS NULL LIMIT $1", limit_of(limit))
                .fetch_all(&mut **connection)
                .await?;
            Ok(users.into_iter().map(UserId::new).collect())
        })
        .await
    }

    async fn users_in(&self, database: DatabaseId, after: Option<UserId>, limit: usize) -> StoreResult<Vec<UserId>> {
        self.run("users_in_database", async |connection| {
            let users = query_scalar!(
                "SELECT id FROM users WHERE database_id = $1 AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT $3",
                database.as_uuid(),
                after.map_or(Uuid::nil(), UserId::as_uuid),
                limit_of(limit),
            )
            .fetch_all(&mut **connection)
            .await?;
            Ok(users.into_iter().map(UserId::new).collect())
        })
        .await
    }

    async fn begin_move(&self, user: UserId, now: Timestamp) -> StoreResult<Option<(DatabaseId, MoveEpoch)>> {
        self.run("begin_move", async |connection| {
            let begun = query!(
                r#"UPDATE users SET move_epoch = greatest(move_epoch + 1, $2)
                   WHERE id = $1 AND database_id IS NOT NULL AND deleted_at IS NULL
                   RETURNING database_id AS "database_id!", move_epoch"#,
                user.as_uuid(),
                now.micros(),
            )
            .fetch_optional(&mut **connection)
            .await?;
            Ok(begun.map(|row| (DatabaseId::new(row.database_id), MoveEpoch(row.move_epoch))))
        })
        .await
    }

    async fn finish_move(&self, user: UserId, epoch: MoveEpoch, database: DatabaseId) -> StoreResult<bool> {
        self.run("finish_move", async |connection| {
            let placed = query!(
                "UPDATE users SET database_id = $3 WHERE id = $1 AND move_epoch = $2 AND deleted_at IS NULL",
                user.as_uuid(),
                epoch.0,
                database.as_uuid(),
            )
            .execute(&mut **connection)
            .await?;
            Ok(placed.rows_affected() > 0)
        })
        .await
    }
}
