//! A purge while one of the databases is down.

use std::sync::Arc;

use async_trait::async_trait;
use purge::Purge;
use shared::models::limits;
use shared::storage::libsql::{BatchError, Statement, StatementResult, Transport};

use super::world::World;
use crate::fixtures::{at_day, content, query};

/// A database that does not respond, apart from its identity.
struct Down(Arc<dyn Transport>);

fn down() -> BatchError {
    BatchError::Unavailable("the server is down".to_owned())
}

#[async_trait]
impl Transport for Down {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        if name == "identity" { self.0.read(name, statements).await } else { Err(down()) }
    }

    async fn write(&self, _: &'static str, _: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        Err(down())
    }

    async fn script(&self, _: &'static str, _: String) -> Result<(), BatchError> {
        Err(down())
    }
}

#[tokio::test]
async fn the_purge_of_the_other_databases_completes() {
    let mut world = World::on_files(2).await;
    let store = world.new_writer().await;
    let left = world.new_user(Some(1)).await;
    world.moved(left.user, 0).await;
    world.moved(left.user, 1).await;
    store.write(|builder| builder.version(2).tombstone(&query("a"), content(&query("a"), "second"))).await;
    let down = Arc::new(Down(world.databases[1].clone()));
    world.replace(1, down).await;
    let embedded = world.embedded().await;
    let purge = Purge::new(world.sync.clone(), world.accounts.clone(), embedded.clone(), vec![embedded]);
    let error = purge.run(at_day(2 * limits::RETENTION_DAYS)).await.expect_err("a database is down");
    assert!(error.to_string().contains("the server is down"), "{error}");
    assert_eq!(store.item(&query("a")).await, None, "the tombstone is removed");
}
