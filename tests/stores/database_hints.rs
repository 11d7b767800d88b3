//! Contract of [`shared::storage::Sessions`]: the hint at the database of a user.

use shared::models::{DatabaseId, Session, UserId};
use shared::storage::{NewSession, RateLimitPolicy, RateLimitRequest, Rotation, Sessions, TokenHash};

use crate::fixtures::{at_second, new_session_id, new_user_id};
use crate::registrations::new_database_id;
use crate::sessions::{LIFETIME, new_session};
use crate::store_factory::StoreFactory;

type SessionFactory<'a> = &'a dyn StoreFactory<dyn Sessions>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, database_hints:
            a_session_has_the_hint_that_it_was_opened_with,
            a_session_opened_without_a_hint_leaves_that_of_the_user,
            a_new_hint_applies_to_all_sessions_of_the_user,
            a_hint_survives_a_rotation_and_the_end_of_a_session,
            a_refused_session_has_no_hint,
            a_hint_ends_with_the_last_session,
        }
    };
}
pub(crate) use suite;

async fn open(store: &dyn Sessions, user: UserId, token: &str, database: Option<DatabaseId>) -> Session {
    let new = NewSession { database, ..new_session(user, token, 1) };
    store.open(&new).await.expect("the write succeeds");
    new.session
}

/// Returns the hint that a request of `session` gets.
async fn hint(store: &dyn Sessions, session: &Session) -> Option<DatabaseId> {
    let outcome = store.authenticate(session.user, session.id, None, at_second(2)).await.expect("the read succeeds");
    assert!(outcome.session.is_some());
    outcome.database
}

async fn set_database(store: &dyn Sessions, user: UserId, database: DatabaseId) {
    store.set_database(user, database).await.expect("the write succeeds");
}

pub(crate) async fn a_session_has_the_hint_that_it_was_opened_with(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let [ada, bob, eve] = [(); 3].map(|()| new_user_id());
    let [a, b] = [(); 2].map(|()| new_database_id());
    let sessions = [
        (open(&*store, ada, "a", Some(a)).await, Some(a)),
        (open(&*store, bob, "b", Some(b)).await, Some(b)),
        (open(&*store, eve, "c", None).await, None),
    ];
    for (session, expected) in &sessions {
        assert_eq!(hint(&*factory.open().await, session).await, *expected);
        let bucket = RateLimitRequest::new(session.user.to_string(), RateLimitPolicy::per_minute(10));
        let limited = store.authenticate(session.user, session.id, Some(&bucket), at_second(2)).await;
        assert_eq!(limited.expect("the read succeeds").database, *expected, "with a rate limit");
    }
}

pub(crate) async fn a_session_opened_without_a_hint_leaves_that_of_the_user(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let (user, [a, b]) = (new_user_id(), [(); 2].map(|()| new_database_id()));
    let first = open(&*store, user, "a", Some(a)).await;
    let second = open(&*store, user, "b", None).await;
    assert_eq!((hint(&*store, &first).await, hint(&*store, &second).await), (Some(a), Some(a)));
    open(&*store, user, "c", Some(b)).await;
    assert_eq!((hint(&*store, &first).await, hint(&*store, &second).await), (Some(b), Some(b)), "it is newer");
}

pub(crate) async fn a_new_hint_applies_to_all_sessions_of_the_user(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let ([ada, bob], [a, b]) = ([(); 2].map(|()| new_user_id()), [(); 2].map(|()| new_database_id()));
    let sessions = [open(&*store, ada, "a", None).await, open(&*store, ada, "b", Some(a)).await];
    let other = open(&*store, bob, "c", Some(a)).await;
    for database in [b, b, a, b] {
        set_database(&*factory.open().await, ada, database).await;
        for session in &sessions {
            assert_eq!(hint(&*store, session).await, Some(database));
        }
    }
    assert_eq!(hint(&*store, &other).await, Some(a));
}

pub(crate) async fn a_hint_survives_a_rotation_and_the_end_of_a_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let (user, a) = (new_user_id(), new_database_id());
    let [session, ended] = [open(&*store, user, "a", Some(a)).await, open(&*store, user, "b", None).await];
    let (presented, next) = (TokenHash::of(b"a"), TokenHash::of(b"next"));
    let rotation = store.rotate(&presented, &next, at_second(LIFETIME + 5), at_second(2)).await;
    assert!(matches!(rotation, Ok(Rotation::Rotated(_))), "{rotation:?}");
    assert!(store.end(user, ended.id).await.expect("the write succeeds"));
    store.end_others(user, Some(session.id)).await.expect("the write succeeds");
    assert_eq!(hint(&*store, &session).await, Some(a));
}

pub(crate) async fn a_refused_session_has_no_hint(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let (user, a) = (new_user_id(), new_database_id());
    let session = open(&*store, user, "a", Some(a)).await;
    let expired = at_second(2 * LIFETIME);
    for (id, now) in [(new_session_id(), at_second(2)), (session.id, expired)] {
        let outcome = store.authenticate(user, id, None, now).await.expect("the read succeeds");
        assert_eq!((outcome.session, outcome.database), (None, None));
    }
}

/// The deletion of an account ends all its sessions.
pub(crate) async fn a_hint_ends_with_the_last_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let ([ada, bob], a) = ([(); 2].map(|()| new_user_id()), new_database_id());
    open(&*store, ada, "a", Some(a)).await;
    let other = open(&*store, bob, "b", Some(a)).await;
    store.end_others(ada, None).await.expect("the write succeeds");
    let next = open(&*store, ada, "c", None).await;
    assert_eq!((hint(&*store, &next).await, hint(&*store, &other).await), (None, Some(a)));
}
