//! The law of [`shared::storage::Expiry`], where sessions are what expires.

use crate::fixtures::{second, somebody};
use crate::place::{KeptSessions, Place};
use crate::sessions::{LIFE, authenticate, open};
use shared::storage::{Rotation, TokenHash};

type SessionPlace<'a> = &'a dyn Place<dyn KeptSessions>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, session_expiry:
            expired_sessions_go_in_batches,
            living_sessions_and_their_tokens_stay,
        }
    };
}
pub(crate) use suite;

pub(crate) async fn expired_sessions_go_in_batches(place: SessionPlace<'_>) {
    let store = place.open().await;
    for place in 0..7 {
        open(&*store, somebody(), &place.to_string(), place).await;
    }
    let (mut removed, mut calls) = (0, 0);
    loop {
        let batch = store.purge_expired(second(LIFE + 10), 3).await.expect("the store writes");
        // Three of each kind: sessions and their refresh tokens.
        assert!(batch <= 6, "{batch} rows in a batch");
        (removed, calls) = (removed + batch, calls + 1);
        if batch == 0 {
            break;
        }
    }
    assert_eq!((removed, calls), (14, 4));
}

pub(crate) async fn living_sessions_and_their_tokens_stay(place: SessionPlace<'_>) {
    let store = place.open().await;
    let [old, young] = [open(&*store, somebody(), "old", 0).await, open(&*store, somebody(), "young", 100).await];
    store.purge_expired(second(LIFE), 100).await.expect("the store writes");
    assert_eq!(authenticate(&*store, &old, second(1)).await, None, "it was purged");
    assert!(authenticate(&*store, &young, second(LIFE)).await.is_some());
    let (presented, next) = (TokenHash::of(b"young"), TokenHash::of(b"next"));
    let rotation = store.rotate(&presented, &next, second(2 * LIFE), second(LIFE)).await.expect("the store writes");
    assert!(matches!(rotation, Rotation::Rotated(_)), "{rotation:?}");
}
