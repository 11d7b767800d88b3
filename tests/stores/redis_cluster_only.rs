//! Properties of a Redis Cluster only: redirections, nodes that do not respond, lost responses, and rotated passwords.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use shared::models::{Session, UserId};
use shared::secret::{RotatingSecret, SecretSource};
use shared::storage::redis::RedisSessions;
use shared::storage::{RateLimitPolicy, RateLimitRequest, Rotation, Sessions, StoreError, TokenHash};
use tests::{Fault, RedisCluster, RedisServer, eventually};
use tokio::time::{Instant, sleep};

use crate::fixtures::{at_second, new_user_id};
use crate::sessions::{LIFETIME, authenticate, new_session, open};

fn store(url: String) -> RedisSessions {
    RedisSessions::new(SecretString::from(url).into()).expect("the URL is valid")
}

async fn slot(cluster: &RedisCluster, user: UserId) -> u16 {
    cluster.slot(&format!("{{{user}}}")).await
}

/// Returns a session of a new user whose slot `master` serves.
async fn open_at(cluster: &RedisCluster, store: &RedisSessions, master: usize) -> Session {
    loop {
        let user = new_user_id();
        if cluster.master_of(slot(cluster, user).await, 0).await == Some(master) {
            return open(store, user, &user.to_string(), 1).await;
        }
    }
}

/// Takes a token of the session's user, and returns how many remain.
async fn take(store: &RedisSessions, session: &Session) -> u32 {
    let rate_limit = RateLimitRequest::new(format!("{{{}}}:download", session.user), RateLimitPolicy::per_minute(10));
    let outcome = store.authenticate(session.user, session.id, Some(&rate_limit), at_second(2)).await;
    outcome.expect("the node responds").rate_limit.expect("the session is valid").remaining
}

#[track_caller]
fn expect_unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_follow_a_slot_while_it_is_moved() {
    let cluster = RedisCluster::start(0).await;
    let store = store(cluster.url());
    let session = open_at(&cluster, &store, 0).await;
    let slot = slot(&cluster, session.user).await;
    assert_eq!(take(&store, &session).await, 9);
    cluster.open_move(slot, 0, 2).await;
    assert_eq!(take(&store, &session).await, 8, "the source still has the keys");
    assert!(cluster.move_keys(slot, 0, 2, 1_000).await >= 4, "sessions, token, day, bucket");
    assert_eq!(take(&store, &session).await, 7, "the source redirects to the target");
    assert_eq!(store.list(session.user, at_second(2)).await.expect("the node responds").len(), 1);
    // Neither node executes a script if one of its keys does not exist: it may not have been moved yet, or be new.
    expect_unavailable(store.open(&new_session(session.user, "another", 2)).await);
    cluster.finish_move(slot, 2).await;
    assert_eq!(take(&store, &session).await, 6);
    let [presented, next] = [session.user.to_string(), "next".to_owned()].map(|token| TokenHash::of(token.as_bytes()));
    let rotation = store.rotate(&presented, &next, at_second(3 + LIFETIME), at_second(3)).await;
    assert!(matches!(rotation, Ok(Rotation::Rotated(rotated)) if rotated.id == session.id));
    assert_eq!(cluster.master_of(slot, 0).await, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_of_one_server_does_not_follow_redirections() {
    let cluster = RedisCluster::start(0).await;
    let through_cluster = store(cluster.url());
    let through_node = store(format!("redis://127.0.0.1:{}", cluster.port(0)));
    let [near, far] = [0, 1].map(|master| open_at(&cluster, &through_cluster, master));
    let (near, far) = tokio::join!(near, far);
    assert!(authenticate(&through_node, &near, at_second(2)).await.is_some());
    expect_unavailable(through_node.authenticate(far.user, far.id, None, at_second(2)).await);
    assert!(authenticate(&through_cluster, &far, at_second(2)).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_while_the_process_was_frozen_are_replaced() {
    let cluster = RedisCluster::start_proxied().await;
    let store = store(cluster.url());
    let mut sessions = Vec::new();
    for master in 0..3 {
        sessions.push(open_at(&cluster, &store, master).await);
    }
    for session in &sessions {
        for proxy in &cluster.proxies {
            proxy.stall_connections();
        }
        let started = Instant::now();
        for session in std::iter::once(session).chain(&sessions) {
            assert!(authenticate(&store, session, at_second(2)).await.is_some());
        }
        // One timeout of 2 s, and not one per node.
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_response_was_lost_is_known_to_be_repeated() {
    let cluster = RedisCluster::start_proxied().await;
    let store = store(cluster.url());
    for master in 0..3 {
        let session = open_at(&cluster, &store, master).await;
        cluster.proxies[master].inject(Fault::Cut(0), 0..1);
        assert!(store.end(session.user, session.id).await.expect("the node responds"), "it has ended the session");
        assert!(!store.end(session.user, session.id).await.expect("the node responds"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_without_a_master_fails_the_ping_and_its_own_calls() {
    let mut cluster = RedisCluster::start(0).await;
    let store = store(cluster.url());
    let written = cluster.slot("ping").await;
    let pinged = cluster.master_of(written, 0).await.expect("a master");
    let killed = (pinged + 1) % 3;
    let [live, lost] = [open_at(&cluster, &store, pinged).await, open_at(&cluster, &store, killed).await];
    for node in 0..3 {
        assert_eq!(cluster.run(node, "CONFIG SET cluster-require-full-coverage no").await, "OK");
    }
    store.ping().await.expect("all slots have a master");
    cluster.kill(killed).await;
    let started = Instant::now();
    expect_unavailable(store.authenticate(lost.user, lost.id, None, at_second(2)).await);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    eventually("a failed ping", async || store.ping().await.err()).await;
    assert!(authenticate(&store, &live, at_second(2)).await.is_some(), "its slot has a master");
}

/// Authenticates again and again for `duration`. Returns the longest time that a call took, and the number of failed ones.
async fn authenticate_for(duration: Duration, store: Arc<RedisSessions>, session: Session) -> (Duration, usize) {
    let (started, mut longest, mut failed) = (Instant::now(), Duration::ZERO, 0);
    while started.elapsed() < duration {
        let call = Instant::now();
        match store.authenticate(session.user, session.id, None, at_second(2)).await {
            Ok(outcome) => assert!(outcome.session.is_some()),
            Err(StoreError::Unavailable { .. }) => failed += 1,
            Err(other) => panic!("{other}"),
        }
        longest = longest.max(call.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    (longest, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_fails_its_own_calls_and_delays_the_others() {
    let cluster = RedisCluster::start_proxied().await;
    let store = Arc::new(store(cluster.url()));
    let mut sessions = Vec::new();
    for master in 0..3 {
        sessions.push(open_at(&cluster, &store, master).await);
    }
    // The other nodes still see it, so no replica would replace it.
    cluster.proxies[0].set_fault(Fault::BlackHole);
    // Several callers at each node.
    let callers = sessions.iter().flat_map(|session| std::iter::repeat_n(session, 3));
    let calls = callers.map(|session| authenticate_for(Duration::from_secs(8), store.clone(), session.clone()));
    let results = futures_util::future::join_all(calls).await;
    eprintln!("longest call and number of failed ones, three at the silent node, then at the others: {results:?}");
    let (silent, others) = results.split_at(3);
    assert!(silent.iter().all(|(longest, failed)| *failed > 0 && *longest < Duration::from_secs(20)));
    assert!(others.iter().all(|(longest, failed)| *failed == 0 && *longest < Duration::from_secs(6)));
}

/// Source of one URL.
struct Newer(String);

#[async_trait]
impl SecretSource for Newer {
    async fn current(&self, _: &str) -> Option<SecretString> {
        Some(SecretString::from(self.0.as_str()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_is_read_again() {
    let mut cluster = RedisCluster::start(0).await;
    let with = |password: &str| cluster.url().replace("//", &format!("//:{password}@"));
    let (first, second) = (with("first"), with("second"));
    cluster.change_password("", "first").await;
    let url = RotatingSecret::from_source(SecretString::from(first.clone()), Arc::new(Newer(second)), "REDIS_URL");
    let store_that_reads = RedisSessions::new(url).expect("the URL is valid");
    let store_that_does_not = store(first);
    store_that_reads.ping().await.expect("the password is right");
    cluster.change_password("first", "second").await;
    store_that_reads.ping().await.expect("the new password is read");
    expect_unavailable(store_that_does_not.ping().await);
    let diagnosis = store_that_does_not.diagnose().await.expect_err("the password is wrong");
    assert_eq!(diagnosis.remedy, "correct the user and the password in the URL");
    assert!(!diagnosis.to_string().contains("first"), "{diagnosis}");
}

#[tokio::test(flavor = "multi_thread")]
async fn diagnoses_say_which_url_is_wrong() {
    let server = RedisServer::start().await;
    let port = server.port();
    let diagnose = async |url: String| store(url).diagnose().await;
    diagnose(server.url()).await.expect("the server can be used");
    let single = diagnose(format!("redis+cluster://:sesame@127.0.0.1:{port},127.0.0.1:1")).await;
    let single = single.expect_err("the server is not in a cluster");
    assert_eq!(single.address, format!("127.0.0.1:{port},127.0.0.1:1"));
    assert!(!single.to_string().contains("sesame"), "{single}");
    let down = diagnose("redis+cluster://127.0.0.1:1".to_owned()).await.expect_err("there is no server");
    assert_eq!(down.remedy, "start the server, or correct the address");
    let single = diagnose(format!("redis+cluster://127.0.0.1:{port}")).await.expect_err("it is not in a cluster");
    assert!(single.remedy.starts_with("use redis://"), "{single}");
    let cluster = RedisCluster::start(0).await;
    diagnose(cluster.url()).await.expect("the cluster can be used");
    let owner = cluster.master_of(cluster.slot("ping").await, 0).await.expect("a master");
    let node = diagnose(format!("redis://127.0.0.1:{}", cluster.port((owner + 1) % 3))).await;
    assert!(node.expect_err("it is in a cluster").remedy.starts_with("use redis+cluster://"));
}
