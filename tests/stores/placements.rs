//! Placements of users for suites about sync data, which create no accounts.

use async_trait::async_trait;
use shared::models::{DatabaseId, Timestamp, UserId};
use shared::placement::choose_database;
use shared::storage::embedded::Embedded;
use shared::storage::{Accounts, DatabaseSet, MoveEpoch, NewAccount, Placement, Placements, StoreResult};

use crate::accounts::new_account;

/// Embedded accounts in which every user has an account.
pub(crate) struct AnyUser(pub(crate) Embedded);

#[async_trait]
impl Placements for AnyUser {
    async fn database_set(&self) -> StoreResult<DatabaseSet> {
        self.0.database_set().await
    }

    async fn register(&self, databases: &[(DatabaseId, u32)]) -> StoreResult<Vec<DatabaseId>> {
        self.0.register(databases).await
    }

    async fn close_to_new_users(&self, database: DatabaseId) -> StoreResult<()> {
        self.0.close_to_new_users(database).await
    }

    async fn placement(&self, user: UserId) -> StoreResult<Placement> {
        let placement = self.0.placement(user).await?;
        if placement != Placement::NoUser {
            return Ok(placement);
        }
        let database = choose_database(user, &self.0.database_set().await?.members);
        let named = new_account(&user.to_string(), &format!("{user}@example.com"));
        let account = NewAccount { id: user, database, ..named };
        self.0.create(&account).await?;
        self.0.placement(user).await
    }

    async fn record(&self, users: &[UserId], database: DatabaseId) -> StoreResult<()> {
        self.0.record(users, database).await
    }

    async fn unrecorded(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        self.0.unrecorded(limit).await
    }

    async fn users_in(&self, database: DatabaseId, after: Option<UserId>, limit: usize) -> StoreResult<Vec<UserId>> {
        self.0.users_in(database, after, limit).await
    }

    async fn begin_move(&self, user: UserId, now: Timestamp) -> StoreResult<Option<(DatabaseId, MoveEpoch)>> {
        self.0.begin_move(user, now).await
    }

    async fn finish_move(&self, user: UserId, epoch: MoveEpoch, database: DatabaseId) -> StoreResult<bool> {
        self.0.finish_move(user, epoch, database).await
    }
}
