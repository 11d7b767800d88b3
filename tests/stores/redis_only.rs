//! Properties of Redis only: the keys of each call share a cluster slot, every key expires, and uploads are spaced by a
//! minimum interval.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use shared::models::Session;
use shared::storage::redis::RedisSessions;
use shared::storage::{RateLimitPolicy, RateLimitRequest, RateLimiter, Rotation, Sessions, TokenHash};
use tests::RedisServer;

use crate::fixtures::{at_second, new_user_id};
use crate::sessions::{LIFETIME, authenticate, open};

#[tokio::test(flavor = "multi_thread")]
async fn calls_use_one_slot_and_every_key_expires() {
    let server = RedisServer::start_cluster().await;
    let store = Arc::new(RedisSessions::new(SecretString::from(server.url()).into()).expect("the URL is valid"));
    store.ping().await.expect("the read succeeds");
    for _ in 0..20 {
        let user = new_user_id();
        let [kept, other] = [open(&*store, user, "kept", 1).await, open(&*store, user, "other", 2).await];
        let rate_limit = RateLimitRequest {
            key: format!("{{{user}}}:upload"),
            policy: RateLimitPolicy::per_minute(10),
            min_interval: Duration::ZERO,
        };
        let outcome =
            store.authenticate(user, kept.id, Some(&rate_limit), at_second(3)).await.expect("the read succeeds");
        assert!(outcome.session.is_some() && outcome.rate_limit.is_some_and(|bucket| bucket.remaining == 9));
        assert!(store.take(std::slice::from_ref(&rate_limit), at_second(3)).await.expect("the read succeeds").taken);
        let [presented, next] = ["kept", "next"].map(|token| TokenHash::of(token.as_bytes()));
        let rotation =
            store.rotate(&presented, &next, at_second(3 + LIFETIME), at_second(3)).await.expect("the read succeeds");
        assert!(matches!(rotation, Rotation::Rotated(session) if session.id == kept.id));
        // Each further use yields another token, of which the oldest are deleted.
        for fork in 0..20 {
            let fork = TokenHash::of(format!("fork {fork}").as_bytes());
            let rotation = store.rotate(&presented, &fork, at_second(3 + LIFETIME), at_second(4)).await;
            assert!(matches!(rotation.expect("the write succeeds"), Rotation::Rotated(_)));
        }
        let (all, persistent) = server.keys().await;
        assert!(all >= 8 && persistent == 0, "{persistent} of {all} keys have no TTL");
        store.end_others(user, Some(kept.id)).await.expect("the write succeeds");
        assert!(authenticate(&*store, &other, at_second(4)).await.is_none());
        assert_eq!(store.list(user, at_second(4)).await.expect("the read succeeds").len(), 1);
        assert!(store.end(user, kept.id).await.expect("the write succeeds"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_uploads_wait_one_interval_longer_each() {
    let server = RedisServer::start().await;
    let store = RedisSessions::new(SecretString::from(server.url()).into()).expect("the URL is valid");
    let (ada, bob) = (new_user_id(), new_user_id());
    let [session, other] = [open(&store, ada, "ada", 1).await, open(&store, bob, "bob", 1).await];
    let min_interval = Duration::from_millis(30);
    let wait = async |session: &Session, now| {
        let rate_limit =
            RateLimitRequest { key: session.user.to_string(), policy: RateLimitPolicy::per_minute(60), min_interval };
        let outcome =
            store.authenticate(session.user, session.id, Some(&rate_limit), now).await.expect("the read succeeds");
        outcome.wait
    };
    for position in 0..20 {
        assert_eq!(wait(&session, at_second(2)).await, position * min_interval);
    }
    assert_eq!(wait(&other, at_second(2)).await, Duration::ZERO, "the interval is per user");
    assert_eq!(wait(&session, at_second(3)).await, Duration::ZERO, "no upload is waiting any more");
    for _ in 0..50 {
        assert!(wait(&session, at_second(3)).await <= 20 * min_interval, "the wait is bounded");
    }
}
