//! Moves of all users of a database, and an overview of the databases.

use async_trait::async_trait;
use futures_util::future::join_all;

use super::databases::{Identity, ListedDatabase, PlacedDatabases};
use super::{Databases, LibsqlSync};
use crate::clock::Clock;
use crate::models::{DatabaseId, UserId};
use crate::placement::{MemberDatabase, choose_database};
use crate::storage::{DatabaseOverview, Drained, MoveError, MoveOutcome, StoreResult, UserMoves};
use crate::telemetry;

/// Number of users who are moved at the same time.
const CONCURRENT_MOVES: usize = 8;
/// Number of users that one look-up returns.
const LOOKED_UP_USERS: usize = 1_000;

#[async_trait]
impl UserMoves for LibsqlSync {
    async fn overview(&self) -> StoreResult<Vec<DatabaseOverview>> {
        let Databases::Placed(databases) = &self.databases else { return Ok(Vec::new()) };
        let identities = join_all(databases.listed.iter().map(ListedDatabase::identity)).await;
        // The position of a database that does not respond is not known.
        let identities: Vec<_> = identities.into_iter().map(|identity| identity.ok().flatten()).collect();
        let mut overview = Vec::new();
        for database in databases.directory.placements.database_set().await?.members {
            let is_it = |identity: &Option<Identity>| identity.is_some_and(|identity| identity.id == database.id);
            let position = identities.iter().position(is_it).map(|index| index + 1);
            let users = databases.count_users(database.id).await?;
            overview.push(DatabaseOverview { database, position, users });
        }
        Ok(overview)
    }

    async fn move_user(&self, user: UserId, to: DatabaseId, clock: &dyn Clock) -> Result<MoveOutcome, MoveError> {
        self.move_to(user, to, clock).await
    }

    async fn drain(
        &self,
        database: DatabaseId,
        clock: &dyn Clock,
        must_stop: &(dyn Fn() -> bool + Sync),
        report: &(dyn Fn(Drained) + Sync),
    ) -> Result<Drained, MoveError> {
        let Databases::Placed(databases) = &self.databases else { return Err(MoveError::OneDatabase) };
        let placements = &databases.directory.placements;
        let targets = databases.targets(database).await?;
        placements.close_to_new_users(database).await?;
        let (mut drained, mut last) = (Drained::default(), None);
        loop {
            let users = placements.users_in(database, last, LOOKED_UP_USERS).await?;
            let Some(newest) = users.last() else { return Ok(drained) };
            last = Some(*newest);
            for users in users.chunks(CONCURRENT_MOVES) {
                if must_stop() {
                    return Ok(Drained { unfinished: true, ..drained });
                }
                let moves = users.iter().map(|user| self.move_away(*user, &targets, clock));
                let moved = join_all(moves).await.into_iter().filter(|is_moved| *is_moved).count() as u64;
                drained.moved += moved;
                drained.failed += users.len() as u64 - moved;
                report(drained);
            }
        }
    }
}

impl LibsqlSync {
    /// Moves a user to one of `targets`. Returns whether that succeeded.
    async fn move_away(&self, user: UserId, targets: &[MemberDatabase], clock: &dyn Clock) -> bool {
        let Some(target) = choose_database(user, targets) else { return false };
        match self.move_to(user, target, clock).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(user = telemetry::pseudonym(user), %error, "user not moved");
                false
            }
        }
    }
}

impl PlacedDatabases {
    /// Returns the databases to which users of `database` are moved.
    async fn targets(&self, database: DatabaseId) -> Result<Vec<MemberDatabase>, MoveError> {
        let members = self.directory.placements.database_set().await?.members;
        if members.iter().all(|member| member.id != database) {
            return Err(MoveError::UnknownDatabase(database));
        }
        let targets: Vec<_> = members.into_iter().filter(|member| member.id != database).collect();
        if targets.iter().all(|target| target.weight == 0) {
            return Err(MoveError::NoTarget);
        }
        Ok(targets)
    }

    async fn count_users(&self, database: DatabaseId) -> StoreResult<u64> {
        let (mut count, mut last) = (0, None);
        loop {
            let users = self.directory.placements.users_in(database, last, LOOKED_UP_USERS).await?;
            count += users.len() as u64;
            let Some(newest) = users.last() else { return Ok(count) };
            last = Some(*newest);
        }
    }
}
