//! What only Redis does: on a cluster each call's keys lie in one slot, none stays for ever, and uploads are given turns.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use shared::models::Session;
use shared::storage::redis::RedisSessions;
use shared::storage::{Buckets, Policy, Rotation, Sessions, TokenHash, Toll};
use tests::RedisServer;

use crate::fixtures::{second, somebody};
use crate::sessions::{LIFE, admit, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_refuses_no_call_and_no_key_stays_for_ever() {
    let server = RedisServer::start_cluster().await;
    let store = Arc::new(RedisSessions::new(SecretString::from(server.url()).into()).expect("the URL is right"));
    store.ping().await.expect("the store answers");
    for _ in 0..20 {
        let user = somebody();
        let [kept, other] = [open(&*store, user, "kept", 1).await, open(&*store, user, "other", 2).await];
        let toll = Toll { key: format!("upload:{user}"), policy: Policy { per_minute: 10 }, pace: Duration::ZERO };
        let admission = store.admit(user, kept.id, Some(&toll), second(3)).await.expect("the store answers");
        assert!(admission.session.is_some() && admission.bucket.is_some_and(|bucket| bucket.remaining == 9));
        assert!(store.take(&toll, second(3)).await.expect("the store answers").taken);
        let [presented, next] = ["kept", "next"].map(|token| TokenHash::of(token.as_bytes()));
        let rotation = store.rotate(&presented, &next, second(3 + LIFE), second(3)).await.expect("the store answers");
        assert!(matches!(rotation, Rotation::Rotated(session) if session.id == kept.id));
        let (all, without_end) = server.keys().await;
        assert!(all >= 8 && without_end == 0, "of {all} keys {without_end} have no time to live");
        store.end_others(user, Some(kept.id)).await.expect("the store writes");
        assert!(admit(&*store, &other, second(4)).await.is_none());
        assert_eq!(store.list(user, second(4)).await.expect("the store answers").len(), 1);
        assert!(store.end(user, kept.id).await.expect("the store writes"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_at_once_waits_a_turn_longer_than_the_one_before() {
    let server = RedisServer::start().await;
    let store = RedisSessions::new(SecretString::from(server.url()).into()).expect("the URL is right");
    let (ada, bob) = (somebody(), somebody());
    let [session, other] = [open(&store, ada, "ada", 1).await, open(&store, bob, "bob", 1).await];
    let pace = Duration::from_millis(30);
    let wait = async |session: &Session, now| {
        let toll = Toll { key: session.user.to_string(), policy: Policy { per_minute: 60 }, pace };
        let admission = store.admit(session.user, session.id, Some(&toll), now).await.expect("the store answers");
        admission.wait
    };
    for turn in 0..20 {
        assert_eq!(wait(&session, second(2)).await, turn * pace);
    }
    assert_eq!(wait(&other, second(2)).await, Duration::ZERO, "users have turns of their own");
    assert_eq!(wait(&session, second(3)).await, Duration::ZERO, "the queue has gone by");
    for _ in 0..50 {
        assert!(wait(&session, second(3)).await <= 20 * pace, "nobody waits for ever");
    }
}
