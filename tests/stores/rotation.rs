//! Contract of [`shared::storage::Sessions::rotate`]: a refresh token works once, and again within a grace period.

use std::sync::Arc;

use shared::clock::{SystemRandom, random_uuid};
use shared::models::{Session, SessionId, Timestamp};
use shared::storage::{
    LIVE_REFRESH_TOKENS, NewSession, ROTATION_GRACE_SECONDS, Rotation, SESSION_SECONDS, Sessions, TokenHash,
};
use tokio::task::JoinSet;

use crate::fixtures::{at_second, just_after, new_user_id};
use crate::sessions::{LIFETIME, authenticate, open};
use crate::store_factory::StoreFactory;

type SessionFactory<'a> = &'a dyn StoreFactory<dyn Sessions>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, rotation:
            a_rotation_extends_the_session,
            an_unknown_token_is_refused,
            an_expired_token_is_refused,
            a_rotated_token_works_again_within_the_grace_period,
            reuse_after_the_grace_period_ends_the_session,
            the_grace_period_is_per_token,
            the_grace_period_starts_at_the_first_use,
            reuse_is_detected_after_many_rotations,
            reuse_does_not_end_other_sessions,
            concurrent_rotations_keep_one_session,
            a_concurrent_rotation_does_not_restore_an_ended_session,
            a_session_expires_with_its_refresh_token,
            a_session_ends_after_ninety_days_however_often_it_is_refreshed,
            a_session_has_a_bounded_number_of_live_tokens,
            fifty_uses_of_one_token_at_once_yield_one_session,
            the_session_of_a_token_is_known,
            a_session_that_is_too_old_is_not_refreshed,
        }
    };
}
pub(crate) use suite;

async fn rotate(store: &dyn Sessions, presented: &str, next: &str, now: Timestamp) -> Rotation {
    let (presented, next) = (TokenHash::of(presented.as_bytes()), TokenHash::of(next.as_bytes()));
    store.rotate(&presented, &next, now.plus_seconds(LIFETIME), now).await.expect("the write succeeds")
}

/// Uses `presented` in `count` tabs at once, which get the tokens `tab 0`, `tab 1` and so on. Returns their sessions.
async fn rotate_at_once(store: &Arc<dyn Sessions>, presented: &'static str, count: usize) -> Vec<SessionId> {
    let mut tabs = JoinSet::new();
    for tab in 0..count {
        let store = Arc::clone(store);
        let next = format!("tab {tab}");
        tabs.spawn(async move { expect_rotated(rotate(&*store, presented, &next, at_second(100)).await).id });
    }
    tabs.join_all().await
}

/// Returns the session of a successful rotation.
#[track_caller]
fn expect_rotated(rotation: Rotation) -> Session {
    match rotation {
        Rotation::Rotated(session) => session,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn expect_reused(rotation: Rotation) -> Session {
    match rotation {
        Rotation::Reused(session) => session,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_unknown(rotation: &Rotation) {
    assert!(matches!(rotation, Rotation::Unknown), "{rotation:?}");
}

pub(crate) async fn a_rotation_extends_the_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    let extended = expect_rotated(rotate(&*store, "a", "b", at_second(100)).await);
    let expected = Session { expires_at: at_second(100 + LIFETIME), last_seen_at: at_second(100), ..session.clone() };
    assert_eq!(extended, expected);
    assert_eq!(store.list(session.user, at_second(100)).await.expect("the read succeeds"), [expected]);
    assert!(authenticate(&*store, &session, at_second(LIFETIME + 50)).await.is_some());
    assert_eq!(authenticate(&*store, &session, at_second(LIFETIME + 100)).await, None);
}

pub(crate) async fn an_unknown_token_is_refused(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    for token in ["", "A", "b"] {
        assert_unknown(&rotate(&*store, token, "next", at_second(1)).await);
    }
    assert_unknown(&rotate(&*store, "next", "more", at_second(1)).await);
    assert!(authenticate(&*store, &session, at_second(1)).await.is_some());
    expect_rotated(rotate(&*store, "a", "b", at_second(1)).await);
}

pub(crate) async fn an_expired_token_is_refused(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    assert_unknown(&rotate(&*store, "a", "b", at_second(LIFETIME)).await);
    assert_eq!(authenticate(&*store, &session, at_second(LIFETIME)).await, None);
    assert_unknown(&rotate(&*store, "b", "c", at_second(LIFETIME)).await);
}

pub(crate) async fn a_rotated_token_works_again_within_the_grace_period(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    expect_rotated(rotate(&*store, "a", "b", at_second(100)).await);
    let again = expect_rotated(rotate(&*store, "a", "c", at_second(100 + ROTATION_GRACE_SECONDS)).await);
    assert_eq!(again.id, session.id);
    for (token, next) in [("b", "d"), ("c", "e")] {
        assert_eq!(expect_rotated(rotate(&*store, token, next, at_second(200)).await).id, session.id, "{token}");
    }
    assert_eq!(store.list(session.user, at_second(200)).await.expect("the read succeeds").len(), 1);
}

pub(crate) async fn reuse_after_the_grace_period_ends_the_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    expect_rotated(rotate(&*store, "a", "b", at_second(100)).await);
    let late = just_after(at_second(100 + ROTATION_GRACE_SECONDS));
    assert_eq!(expect_reused(rotate(&*store, "a", "c", late).await).id, session.id);
    assert_eq!(authenticate(&*store, &session, late).await, None);
    assert_eq!(store.list(session.user, late).await.expect("the read succeeds"), []);
    for token in ["a", "b", "c"] {
        assert_unknown(&rotate(&*store, token, "d", late).await);
    }
}

pub(crate) async fn the_grace_period_is_per_token(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    expect_rotated(rotate(&*store, "a", "b", at_second(100)).await);
    expect_rotated(rotate(&*store, "b", "c", at_second(105)).await);
    expect_rotated(rotate(&*store, "a", "d", at_second(109)).await);
    expect_rotated(rotate(&*store, "b", "e", at_second(114)).await);
    assert_eq!(expect_reused(rotate(&*store, "a", "f", at_second(114)).await).id, session.id);
}

pub(crate) async fn the_grace_period_starts_at_the_first_use(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    open(&*store, new_user_id(), "a", 0).await;
    for (next, now) in [("b", 100), ("c", 106), ("d", 110)] {
        expect_rotated(rotate(&*store, "a", next, at_second(now)).await);
    }
    expect_reused(rotate(&*store, "a", "e", at_second(112)).await);
}

pub(crate) async fn reuse_is_detected_after_many_rotations(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "0", 0).await;
    for round in 0..20 {
        let now = at_second((round + 1) * 1_000);
        expect_rotated(rotate(&*store, &round.to_string(), &(round + 1).to_string(), now).await);
    }
    assert_eq!(expect_reused(rotate(&*store, "0", "stolen", at_second(30_000)).await).id, session.id);
    for token in ["20", "stolen"] {
        assert_unknown(&rotate(&*store, token, "next", at_second(30_000)).await);
    }
}

pub(crate) async fn reuse_does_not_end_other_sessions(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    open(&*store, user, "a", 0).await;
    let other = open(&*store, user, "x", 1).await;
    expect_rotated(rotate(&*store, "a", "b", at_second(100)).await);
    expect_reused(rotate(&*store, "a", "c", at_second(200)).await);
    assert!(authenticate(&*store, &other, at_second(200)).await.is_some());
    assert_eq!(expect_rotated(rotate(&*store, "x", "y", at_second(200)).await).id, other.id);
}

pub(crate) async fn concurrent_rotations_keep_one_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    assert_eq!(rotate_at_once(&store, "a", 8).await, vec![session.id; 8]);
    for tab in 0..8 {
        expect_rotated(rotate(&*store, &format!("tab {tab}"), &format!("next {tab}"), at_second(500)).await);
    }
    assert_eq!(store.list(session.user, at_second(500)).await.expect("the read succeeds").len(), 1);
}

pub(crate) async fn a_concurrent_rotation_does_not_restore_an_ended_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    for round in 0..20 {
        let (token, next) = (format!("a {round}"), format!("b {round}"));
        let session = open(&*store, user, &token, 0).await;
        let (ending, rotating) = (store.clone(), store.clone());
        let ending = tokio::spawn(async move { ending.end(user, session.id).await });
        let presented = token.clone();
        let rotating = tokio::spawn(async move { rotate(&*rotating, &presented, &next, at_second(100)).await });
        assert!(ending.await.expect("the task does not panic").expect("the write succeeds"));
        rotating.await.expect("the task does not panic");
        assert_eq!(authenticate(&*store, &session, at_second(101)).await, None);
        for token in [token, format!("b {round}")] {
            assert_unknown(&rotate(&*store, &token, &format!("c {round}"), at_second(101)).await);
        }
    }
}

pub(crate) async fn a_session_expires_with_its_refresh_token(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    expect_rotated(rotate(&*store, "a", "b", at_second(LIFETIME - 1)).await);
    assert!(authenticate(&*store, &session, at_second(2 * LIFETIME - 2)).await.is_some());
    assert_unknown(&rotate(&*store, "b", "c", at_second(2 * LIFETIME - 1)).await);
}

pub(crate) async fn a_session_ends_after_ninety_days_however_often_it_is_refreshed(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "0", 0).await;
    let mut rounds = 0;
    let mut now = 0;
    while now + LIFETIME / 2 < SESSION_SECONDS {
        now += LIFETIME / 2;
        let rotated =
            expect_rotated(rotate(&*store, &rounds.to_string(), &(rounds + 1).to_string(), at_second(now)).await);
        rounds += 1;
        let expires_at = at_second(SESSION_SECONDS.min(now + LIFETIME));
        assert_eq!(rotated.expires_at, expires_at);
        let listed = store.list(session.user, at_second(now)).await.expect("the read succeeds");
        assert_eq!(listed.first().map(|session| session.expires_at), Some(expires_at));
    }
    assert!(authenticate(&*store, &session, at_second(SESSION_SECONDS - 1)).await.is_some());
    assert!(authenticate(&*store, &session, at_second(SESSION_SECONDS)).await.is_none());
    assert_unknown(&rotate(&*store, &rounds.to_string(), "late", at_second(SESSION_SECONDS)).await);
}

pub(crate) async fn a_session_has_a_bounded_number_of_live_tokens(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let [session, other] = [open(&*store, new_user_id(), "a", 0).await, open(&*store, new_user_id(), "b", 0).await];
    let fork = async |presented: &str, next: &str| {
        assert_eq!(expect_rotated(rotate(&*store, presented, next, at_second(100)).await).id, session.id);
    };
    for n in 0..30 {
        fork("a", &format!("fork {n}")).await;
    }
    // Forks of a fork do not multiply them.
    for n in 0..3 {
        fork("fork 29", &format!("fork of 29, {n}")).await;
    }
    let live: Vec<String> =
        (22..29).map(|n| format!("fork {n}")).chain((0..3).map(|n| format!("fork of 29, {n}"))).collect();
    assert_eq!(live.len(), LIVE_REFRESH_TOKENS);
    for token in &live {
        fork(token, &format!("next of {token}")).await;
    }
    // An older one is taken for stolen.
    assert_eq!(expect_reused(rotate(&*store, "fork 21", "stolen", at_second(101)).await).id, session.id);
    assert!(authenticate(&*store, &session, at_second(102)).await.is_none(), "the session has ended");
    assert_eq!(expect_rotated(rotate(&*store, "b", "next b", at_second(102)).await).id, other.id);
}

pub(crate) async fn fifty_uses_of_one_token_at_once_yield_one_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    assert_eq!(rotate_at_once(&store, "a", 50).await, vec![session.id; 50]);
    assert_eq!(store.list(session.user, at_second(100)).await.expect("the read succeeds").len(), 1);
}

pub(crate) async fn the_session_of_a_token_is_known(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "a", 0).await;
    rotate(&*store, "a", "b", at_second(1)).await;
    let find = async |token: &str, now| {
        store.token_session(&TokenHash::of(token.as_bytes()), at_second(now)).await.expect("the read succeeds")
    };
    for (token, found) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(find(token, 2).await, found.then_some((session.user, session.id)), "{token}");
    }
    assert_eq!((find("a", LIFETIME).await, find("b", LIFETIME + 1).await), (None, None), "expired");
}

/// The release before this one refreshed sessions for ever.
pub(crate) async fn a_session_that_is_too_old_is_not_refreshed(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let opened = open(&*store, new_user_id(), "other", 0).await;
    let [now, too_old] = [SESSION_SECONDS + 1, 0].map(at_second);
    let expires_at = now.plus_seconds(LIFETIME);
    let session = Session { id: SessionId::new(random_uuid(&SystemRandom)), created_at: too_old, expires_at, ..opened };
    let new = NewSession { session: session.clone(), refresh: TokenHash::of(b"old"), database: None };
    store.open(&new).await.expect("the write succeeds");
    assert_unknown(&rotate(&*store, "old", "next", now).await);
    assert_unknown(&rotate(&*store, "next", "more", now).await);
}
