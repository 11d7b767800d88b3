//! What only Redis does: on a cluster each call's keys lie in one slot, none stays for ever, and uploads are given turns.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use shared::models::Session;
use shared::storage::redis::RedisSessions;
use shared::storage::{RateLimitPolicy, RateLimitRequest, RateLimiter, Rotation, Sessions, TokenHash};
use tests::RedisServer;

use crate::fixtures::{second, somebody};
use crate::sessions::{LIFE, authenticate, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_refuses_no_call_and_no_key_stays_for_ever() {
    let server = RedisServer::start_cluster().await;
    let store = Arc::new(RedisSessions::new(SecretString::from(server.url()).into()).expect("the URL is right"));
    store.ping().await.expect("the store answers");
    for _ in 0..20 {
        let user = somebody();
        let [kept, other] = [open(&*store, user, "kept", 1).await, open(&*store, user, "other", 2).await];
        let rate_limit = RateLimitRequest {
            key: format!("upload:{user}"),
            policy: RateLimitPolicy { per_minute: 10 },
            min_interval: Duration::ZERO,
        };
        let outcome = store.authenticate(user, kept.id, Some(&rate_limit), second(3)).await.expect("the store answers");
        assert!(outcome.session.is_some() && outcome.rate_limit.is_some_and(|bucket| bucket.remaining == 9));
        assert!(store.take(&rate_limit, second(3)).await.expect("the store answers").taken);
        let [presented, next] = ["kept", "next"].map(|token| TokenHash::of(token.as_bytes()));
        let rotation = store.rotate(&presented, &next, second(3 + LIFE), second(3)).await.expect("the store answers");
        assert!(matches!(rotation, Rotation::Rotated(session) if session.id == kept.id));
        let (all, without_end) = server.keys().await;
        assert!(all >= 8 && without_end == 0, "of {all} keys {without_end} have no time to live");
        store.end_others(user, Some(kept.id)).await.expect("the store writes");
        assert!(authenticate(&*store, &other, second(4)).await.is_none());
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
    let min_interval = Duration::from_millis(30);
    let wait = async |session: &Session, now| {
        let rate_limit = RateLimitRequest {
            key: session.user.to_string(),
            policy: RateLimitPolicy { per_minute: 60 },
            min_interval,
        };
        let outcome =
            store.authenticate(session.user, session.id, Some(&rate_limit), now).await.expect("the store answers");
        outcome.wait
    };
    for turn in 0..20 {
        assert_eq!(wait(&session, second(2)).await, turn * min_interval);
    }
    assert_eq!(wait(&other, second(2)).await, Duration::ZERO, "users have turns of their own");
    assert_eq!(wait(&session, second(3)).await, Duration::ZERO, "the queue has gone by");
    for _ in 0..50 {
        assert!(wait(&session, second(3)).await <= 20 * min_interval, "nobody waits for ever");
    }
}
