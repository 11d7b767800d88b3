//! The law of [`shared::storage::Sessions::rotate`]: a refresh token works once, and again for a moment.

use shared::models::{Session, Timestamp};
use shared::storage::{ROTATION_GRACE_SECONDS, Rotation, Sessions, TokenHash};
use tokio::task::JoinSet;

use crate::fixtures::{just_after, second, somebody};
use crate::place::Place;
use crate::sessions::{LIFE, authenticate, open};

type SessionPlace<'a> = &'a dyn Place<dyn Sessions>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, rotation:
            a_rotation_prolongs_the_session,
            an_unknown_token_is_unknown,
            an_expired_token_is_unknown,
            a_rotated_token_works_again_within_the_grace,
            a_rotated_token_that_comes_late_ends_the_session,
            the_grace_runs_from_each_tokens_own_rotation,
            the_first_use_starts_the_grace_and_no_later_one,
            reuse_is_recognised_however_many_rotations_later,
            reuse_ends_no_other_session,
            tabs_at_once_keep_one_session,
            an_end_outlasts_a_racing_rotation,
            a_session_without_rotation_ends_with_its_token,
        }
    };
}
pub(crate) use suite;

async fn rotate(store: &dyn Sessions, presented: &str, next: &str, now: Timestamp) -> Rotation {
    let (presented, next) = (TokenHash::of(presented.as_bytes()), TokenHash::of(next.as_bytes()));
    store.rotate(&presented, &next, now.plus_seconds(LIFE), now).await.expect("the store writes")
}

/// The session, of a rotation that went well.
#[track_caller]
fn rotated(rotation: Rotation) -> Session {
    match rotation {
        Rotation::Rotated(session) => session,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn reused(rotation: Rotation) -> Session {
    match rotation {
        Rotation::Reused(session) => session,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unknown(rotation: &Rotation) {
    assert!(matches!(rotation, Rotation::Unknown), "{rotation:?}");
}

pub(crate) async fn a_rotation_prolongs_the_session(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    let prolonged = rotated(rotate(&*store, "a", "b", second(100)).await);
    let expected = Session { expires_at: second(100 + LIFE), last_seen_at: second(100), ..session.clone() };
    assert_eq!(prolonged, expected);
    assert_eq!(store.list(session.user, second(100)).await.expect("the store answers"), [expected]);
    assert!(authenticate(&*store, &session, second(LIFE + 50)).await.is_some());
    assert_eq!(authenticate(&*store, &session, second(LIFE + 100)).await, None);
}

pub(crate) async fn an_unknown_token_is_unknown(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    for token in ["", "A", "b"] {
        unknown(&rotate(&*store, token, "next", second(1)).await);
    }
    unknown(&rotate(&*store, "next", "more", second(1)).await);
    assert!(authenticate(&*store, &session, second(1)).await.is_some());
    rotated(rotate(&*store, "a", "b", second(1)).await);
}

pub(crate) async fn an_expired_token_is_unknown(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    unknown(&rotate(&*store, "a", "b", second(LIFE)).await);
    assert_eq!(authenticate(&*store, &session, second(LIFE)).await, None);
    unknown(&rotate(&*store, "b", "c", second(LIFE)).await);
}

pub(crate) async fn a_rotated_token_works_again_within_the_grace(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    rotated(rotate(&*store, "a", "b", second(100)).await);
    let again = rotated(rotate(&*store, "a", "c", second(100 + ROTATION_GRACE_SECONDS)).await);
    assert_eq!(again.id, session.id);
    for (token, next) in [("b", "d"), ("c", "e")] {
        assert_eq!(rotated(rotate(&*store, token, next, second(200)).await).id, session.id, "{token}");
    }
    assert_eq!(store.list(session.user, second(200)).await.expect("the store answers").len(), 1);
}

pub(crate) async fn a_rotated_token_that_comes_late_ends_the_session(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    rotated(rotate(&*store, "a", "b", second(100)).await);
    let late = just_after(second(100 + ROTATION_GRACE_SECONDS));
    assert_eq!(reused(rotate(&*store, "a", "c", late).await).id, session.id);
    assert_eq!(authenticate(&*store, &session, late).await, None);
    assert_eq!(store.list(session.user, late).await.expect("the store answers"), []);
    for token in ["a", "b", "c"] {
        unknown(&rotate(&*store, token, "d", late).await);
    }
}

pub(crate) async fn the_grace_runs_from_each_tokens_own_rotation(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    rotated(rotate(&*store, "a", "b", second(100)).await);
    rotated(rotate(&*store, "b", "c", second(105)).await);
    rotated(rotate(&*store, "a", "d", second(109)).await);
    rotated(rotate(&*store, "b", "e", second(114)).await);
    assert_eq!(reused(rotate(&*store, "a", "f", second(114)).await).id, session.id);
}

pub(crate) async fn the_first_use_starts_the_grace_and_no_later_one(place: SessionPlace<'_>) {
    let store = place.open().await;
    open(&*store, somebody(), "a", 0).await;
    for (next, now) in [("b", 100), ("c", 106), ("d", 110)] {
        rotated(rotate(&*store, "a", next, second(now)).await);
    }
    reused(rotate(&*store, "a", "e", second(112)).await);
}

pub(crate) async fn reuse_is_recognised_however_many_rotations_later(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "0", 0).await;
    for round in 0..20 {
        let now = second((round + 1) * 1_000);
        rotated(rotate(&*store, &round.to_string(), &(round + 1).to_string(), now).await);
    }
    assert_eq!(reused(rotate(&*store, "0", "stolen", second(30_000)).await).id, session.id);
    for token in ["20", "stolen"] {
        unknown(&rotate(&*store, token, "next", second(30_000)).await);
    }
}

pub(crate) async fn reuse_ends_no_other_session(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    open(&*store, user, "a", 0).await;
    let other = open(&*store, user, "x", 1).await;
    rotated(rotate(&*store, "a", "b", second(100)).await);
    reused(rotate(&*store, "a", "c", second(200)).await);
    assert!(authenticate(&*store, &other, second(200)).await.is_some());
    assert_eq!(rotated(rotate(&*store, "x", "y", second(200)).await).id, other.id);
}

pub(crate) async fn tabs_at_once_keep_one_session(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    let mut tabs = JoinSet::new();
    for tab in 0..8 {
        let store = store.clone();
        tabs.spawn(async move { rotated(rotate(&*store, "a", &format!("tab {tab}"), second(100)).await).id });
    }
    assert_eq!(tabs.join_all().await, vec![session.id; 8]);
    for tab in 0..8 {
        rotated(rotate(&*store, &format!("tab {tab}"), &format!("next {tab}"), second(500)).await);
    }
    assert_eq!(store.list(session.user, second(500)).await.expect("the store answers").len(), 1);
}

pub(crate) async fn an_end_outlasts_a_racing_rotation(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    for round in 0..20 {
        let (token, next) = (format!("a {round}"), format!("b {round}"));
        let session = open(&*store, user, &token, 0).await;
        let (ending, rotating) = (store.clone(), store.clone());
        let ending = tokio::spawn(async move { ending.end(user, session.id).await });
        let presented = token.clone();
        let rotating = tokio::spawn(async move { rotate(&*rotating, &presented, &next, second(100)).await });
        assert!(ending.await.expect("no panic").expect("the store writes"));
        rotating.await.expect("no panic");
        assert_eq!(authenticate(&*store, &session, second(101)).await, None);
        for token in [token, format!("b {round}")] {
            unknown(&rotate(&*store, &token, &format!("c {round}"), second(101)).await);
        }
    }
}

pub(crate) async fn a_session_without_rotation_ends_with_its_token(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "a", 0).await;
    rotated(rotate(&*store, "a", "b", second(LIFE - 1)).await);
    assert!(authenticate(&*store, &session, second(2 * LIFE - 2)).await.is_some());
    unknown(&rotate(&*store, "b", "c", second(2 * LIFE - 1)).await);
}
