//! Contract of [`shared::storage::Expiry`] for sessions.

use crate::fixtures::{at_second, new_user_id};
use crate::sessions::{LIFETIME, authenticate, open};
use crate::store_factory::{ExpiringSessions, StoreFactory};
use shared::storage::{Rotation, TokenHash};

type SessionFactory<'a> = &'a dyn StoreFactory<dyn ExpiringSessions>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, session_expiry:
            expired_sessions_are_purged_in_batches,
            valid_sessions_and_their_tokens_are_kept,
        }
    };
}
pub(crate) use suite;

pub(crate) async fn expired_sessions_are_purged_in_batches(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    for index in 0..7 {
        open(&*store, new_user_id(), &index.to_string(), index).await;
    }
    let (mut removed, mut calls) = (0, 0);
    loop {
        let batch = store.purge_expired(at_second(LIFETIME + 10), 3).await.expect("the write succeeds");
        // Three sessions and three refresh tokens.
        assert!(batch <= 6, "{batch} rows in a batch");
        (removed, calls) = (removed + batch, calls + 1);
        if batch == 0 {
            break;
        }
    }
    assert_eq!((removed, calls), (14, 4));
}

pub(crate) async fn valid_sessions_and_their_tokens_are_kept(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let [old, young] = [open(&*store, new_user_id(), "old", 0).await, open(&*store, new_user_id(), "young", 100).await];
    store.purge_expired(at_second(LIFETIME), 100).await.expect("the write succeeds");
    assert_eq!(authenticate(&*store, &old, at_second(1)).await, None, "the session was purged");
    assert!(authenticate(&*store, &young, at_second(LIFETIME)).await.is_some());
    let (presented, next) = (TokenHash::of(b"young"), TokenHash::of(b"next"));
    let rotation = store
        .rotate(&presented, &next, at_second(2 * LIFETIME), at_second(LIFETIME))
        .await
        .expect("the write succeeds");
    assert!(matches!(rotation, Rotation::Rotated(_)), "{rotation:?}");
}
