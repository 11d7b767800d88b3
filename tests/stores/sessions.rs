//! Contract of [`shared::storage::Sessions`]: authentication, lifetime and maximum number of sessions.

use std::sync::Arc;

use shared::models::{Session, SessionId, Timestamp, UserId, limits};
use shared::storage::{AuthOutcome, NewSession, RateLimitPolicy, RateLimitRequest, Rotation, Sessions, TokenHash};
use tokio::task::JoinSet;

use crate::fixtures::{at_day, at_second, new_session_id, new_user_id};
use crate::store_factory::StoreFactory;

type SessionFactory<'a> = &'a dyn StoreFactory<dyn Sessions>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, sessions:
            an_open_session_is_authenticated,
            an_unknown_session_is_refused,
            an_expired_session_is_refused,
            an_ended_session_is_refused,
            only_the_owner_can_end_a_session,
            end_others_keeps_the_given_session,
            end_others_without_exception_ends_all_sessions,
            an_end_is_visible_to_every_handle,
            sessions_are_listed_newest_first,
            the_last_use_is_accurate_to_a_minute,
            authentication_takes_a_rate_limit_token,
            a_refused_session_takes_no_rate_limit_token,
            concurrent_requests_take_at_most_the_available_tokens,
            opening_a_session_above_the_maximum_ends_the_least_recently_used,
            concurrent_logins_stay_within_the_maximum,
            the_maximum_is_per_user,
            first_today_is_set_once_per_user_and_day,
            first_today_is_set_for_one_of_several_concurrent_requests,
        }
    };
}
pub(crate) use suite;

pub(crate) const LIFETIME: i64 = 7 * 24 * 3_600;

/// Returns a session of `user` that starts at second `from` and has the refresh token `token`.
pub(crate) fn new_session(user: UserId, token: &str, from: i64) -> NewSession {
    let session = Session {
        id: new_session_id(),
        user,
        device: "Ada's laptop 💻".to_owned(),
        ip: "2001:db8::1".to_owned(),
        created_at: at_second(from),
        last_seen_at: at_second(from),
        expires_at: at_second(from + LIFETIME),
    };
    NewSession { session, refresh: TokenHash::of(token.as_bytes()), database: None }
}

pub(crate) async fn open(store: &dyn Sessions, user: UserId, token: &str, from: i64) -> Session {
    let new = new_session(user, token, from);
    store.open(&new).await.expect("the write succeeds");
    new.session
}

pub(crate) async fn authenticate(store: &dyn Sessions, session: &Session, now: Timestamp) -> Option<Session> {
    store.authenticate(session.user, session.id, None, now).await.expect("the read succeeds").session
}

async fn ids(store: &dyn Sessions, user: UserId, now: Timestamp) -> Vec<SessionId> {
    let listed = store.list(user, now).await.expect("the read succeeds");
    listed.into_iter().map(|session| session.id).collect()
}

pub(crate) async fn an_open_session_is_authenticated(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    let session = open(&*store, user, "token", 1).await;
    assert_eq!(authenticate(&*store, &session, at_second(2)).await, Some(session.clone()));
    assert_eq!(store.list(user, at_second(2)).await.expect("the read succeeds"), [session]);
}

pub(crate) async fn an_unknown_session_is_refused(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "token", 1).await;
    for (user, id) in [
        (session.user, new_session_id()),
        (session.user, SessionId::new(session.user.as_uuid())),
        (new_user_id(), session.id),
    ] {
        let AuthOutcome { session, rate_limit, .. } =
            store.authenticate(user, id, None, at_second(2)).await.expect("the read succeeds");
        assert_eq!((session, rate_limit), (None, None));
    }
    assert!(ids(&*store, new_user_id(), at_second(2)).await.is_empty());
}

pub(crate) async fn an_expired_session_is_refused(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "token", 0).await;
    let last_moment = Timestamp::from_micros(session.expires_at.micros() - 1);
    assert!(authenticate(&*store, &session, last_moment).await.is_some(), "the session is valid until it expires");
    for now in [at_second(LIFETIME), at_second(2 * LIFETIME)] {
        assert_eq!(authenticate(&*store, &session, now).await, None);
        assert!(ids(&*store, session.user, now).await.is_empty());
    }
}

pub(crate) async fn an_ended_session_is_refused(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    let [ended, other] = [open(&*store, user, "a", 1).await, open(&*store, user, "b", 2).await];
    assert!(store.end(user, ended.id).await.expect("the write succeeds"));
    assert_eq!(authenticate(&*store, &ended, at_second(3)).await, None);
    assert_eq!(ids(&*store, user, at_second(3)).await, [other.id]);
    assert!(!store.end(user, ended.id).await.expect("the write succeeds"), "the session was already ended");
    assert!(authenticate(&*store, &other, at_second(3)).await.is_some());
    let next = TokenHash::of(b"next");
    let rotation =
        store.rotate(&TokenHash::of(b"a"), &next, at_second(LIFETIME), at_second(3)).await.expect("the write succeeds");
    assert!(matches!(rotation, Rotation::Unknown), "{rotation:?}");
    assert_eq!(authenticate(&*store, &ended, at_second(3)).await, None, "the refresh token restored the session");
}

pub(crate) async fn only_the_owner_can_end_a_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "token", 1).await;
    assert!(!store.end(new_user_id(), session.id).await.expect("the write succeeds"));
    store.end_others(new_user_id(), None).await.expect("the write succeeds");
    assert!(authenticate(&*store, &session, at_second(2)).await.is_some());
}

/// Opens three sessions of `user`.
async fn open_three(store: &dyn Sessions, user: UserId) -> [Session; 3] {
    let token = |index: usize| format!("{user} {index}");
    [
        open(store, user, &token(0), 1).await,
        open(store, user, &token(1), 2).await,
        open(store, user, &token(2), 3).await,
    ]
}

pub(crate) async fn end_others_keeps_the_given_session(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let [ada, bob] = [new_user_id(), new_user_id()];
    let [first, kept, last] = open_three(&*store, ada).await;
    let other = open_three(&*store, bob).await;
    store.end_others(ada, Some(kept.id)).await.expect("the write succeeds");
    assert_eq!(ids(&*store, ada, at_second(4)).await, [kept.id]);
    for ended in [&first, &last] {
        assert_eq!(authenticate(&*store, ended, at_second(4)).await, None);
    }
    assert_eq!(ids(&*store, bob, at_second(4)).await.len(), other.len());
    let token = TokenHash::of(format!("{ada} 0").as_bytes());
    let rotation = store.rotate(&token, &TokenHash::of(b"next"), at_second(LIFETIME), at_second(4)).await;
    assert!(matches!(rotation, Ok(Rotation::Unknown)), "{rotation:?}");
}

pub(crate) async fn end_others_without_exception_ends_all_sessions(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    open_three(&*store, user).await;
    store.end_others(user, None).await.expect("the write succeeds");
    assert!(ids(&*store, user, at_second(4)).await.is_empty());
    let [kept, ..] = open_three(&*store, new_user_id()).await;
    store.end_others(user, Some(kept.id)).await.expect("the write succeeds");
    assert!(authenticate(&*store, &kept, at_second(4)).await.is_some());
}

pub(crate) async fn an_end_is_visible_to_every_handle(factory: SessionFactory<'_>) {
    let (store, other) = (factory.open().await, factory.open().await);
    let user = new_user_id();
    for round in 0..20 {
        let session = open(&*store, user, &round.to_string(), 1).await;
        assert!(authenticate(&*other, &session, at_second(2)).await.is_some());
        assert!(other.end(user, session.id).await.expect("the write succeeds"));
        assert_eq!(authenticate(&*store, &session, at_second(2)).await, None);
    }
}

pub(crate) async fn sessions_are_listed_newest_first(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    let mut opened = Vec::new();
    for from in [5, 9, 1, 7] {
        opened.push(open(&*store, user, &from.to_string(), from).await);
    }
    opened.sort_by_key(|session| std::cmp::Reverse(session.created_at));
    assert_eq!(store.list(user, at_second(10)).await.expect("the read succeeds"), opened);
}

pub(crate) async fn the_last_use_is_accurate_to_a_minute(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "token", 0).await;
    for now in [10, 70, 75, 300] {
        authenticate(&*store, &session, at_second(now)).await;
        let listed = store.list(session.user, at_second(now)).await.expect("the read succeeds");
        let stale = at_second(now).micros() - listed[0].last_seen_at.micros();
        assert!((0..60_000_000).contains(&stale), "{stale} µs at {now} s");
        assert_eq!(Session { last_seen_at: session.last_seen_at, ..listed[0].clone() }, session);
    }
}

/// Authenticates with a token of the session's user from the bucket `name`.
async fn authenticate_with_rate_limit(store: &dyn Sessions, session: &Session, name: &str) -> AuthOutcome {
    let key = format!("{{{}}}:{name}", session.user);
    let rate_limit = RateLimitRequest::new(key, RateLimitPolicy::per_minute(10));
    store.authenticate(session.user, session.id, Some(&rate_limit), at_second(2)).await.expect("the read succeeds")
}

pub(crate) async fn authentication_takes_a_rate_limit_token(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "token", 1).await;
    for remaining in (0..10).rev() {
        let AuthOutcome { session: authenticated, rate_limit: bucket, .. } =
            authenticate_with_rate_limit(&*store, &session, "bucket").await;
        let bucket = bucket.expect("a rate limit was requested");
        assert_eq!(
            (authenticated.map(|session| session.id), bucket.taken, bucket.remaining),
            (Some(session.id), true, remaining)
        );
    }
    let refused = authenticate_with_rate_limit(&*store, &session, "bucket").await;
    assert!(refused.session.is_some() && refused.rate_limit.is_some_and(|bucket| !bucket.taken));
    assert!(
        authenticate_with_rate_limit(&*store, &session, "another").await.rate_limit.is_some_and(|bucket| bucket.taken)
    );
}

pub(crate) async fn a_refused_session_takes_no_rate_limit_token(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    let [ended, open_session] = [open(&*store, user, "a", 1).await, open(&*store, user, "b", 1).await];
    store.end(user, ended.id).await.expect("the write succeeds");
    let unknown = Session { id: new_session_id(), ..open_session.clone() };
    for refused in [&ended, &unknown] {
        let AuthOutcome { session, rate_limit, .. } = authenticate_with_rate_limit(&*store, refused, "bucket").await;
        assert_eq!((session, rate_limit), (None, None));
    }
    let bucket = authenticate_with_rate_limit(&*store, &open_session, "bucket")
        .await
        .rate_limit
        .expect("a rate limit was requested");
    assert_eq!(bucket.remaining, 9);
}

pub(crate) async fn concurrent_requests_take_at_most_the_available_tokens(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "token", 1).await;
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let (store, session) = (store.clone(), session.clone());
        tasks.spawn(async move { authenticate_with_rate_limit(&*store, &session, "bucket").await.rate_limit });
    }
    let taken = tasks.join_all().await.into_iter().flatten().filter(|bucket| bucket.taken).count();
    assert_eq!(taken, 10);
}

pub(crate) async fn opening_a_session_above_the_maximum_ends_the_least_recently_used(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    let max = limits::SESSIONS as i64;
    let mut opened = Vec::new();
    for from in 0..max {
        opened.push(open(&*store, user, &from.to_string(), from).await);
    }
    assert_eq!(ids(&*store, user, at_second(max)).await.len(), limits::SESSIONS);
    let now = at_second(max + 300);
    assert!(authenticate(&*store, &opened[0], now).await.is_some(), "the oldest session is in use");
    for from in 1..3 {
        opened.push(open(&*store, user, &format!("more {from}"), max + 300 + from).await);
    }
    let ended = [opened.remove(1), opened.remove(1)];
    let mut expected: Vec<_> = opened.iter().map(|session| session.id).collect();
    expected.sort();
    let mut remaining = ids(&*store, user, now).await;
    remaining.sort();
    assert_eq!(remaining, expected);
    for ended in &ended {
        assert_eq!(authenticate(&*store, ended, now).await, None);
    }
}

pub(crate) async fn concurrent_logins_stay_within_the_maximum(factory: SessionFactory<'_>) {
    let store: Arc<dyn Sessions> = factory.open().await;
    let user = new_user_id();
    let mut logins = JoinSet::new();
    for from in 0..limits::SESSIONS as i64 + 20 {
        let store = store.clone();
        logins.spawn(async move { open(&*store, user, &from.to_string(), from).await.id });
    }
    logins.join_all().await;
    assert_eq!(ids(&*store, user, at_second(500)).await.len(), limits::SESSIONS);
}

pub(crate) async fn the_maximum_is_per_user(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let other = open(&*store, new_user_id(), "theirs", 0).await;
    let user = new_user_id();
    for from in 1..=limits::SESSIONS as i64 + 1 {
        open(&*store, user, &from.to_string(), from).await;
    }
    assert!(authenticate(&*store, &other, at_second(500)).await.is_some());
}

async fn first_today_of(store: &dyn Sessions, session: &Session, now: Timestamp) -> bool {
    store.authenticate(session.user, session.id, None, now).await.expect("the read succeeds").first_today
}

pub(crate) async fn first_today_is_set_once_per_user_and_day(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let user = new_user_id();
    let [laptop, phone] = [open(&*store, user, "a", 1).await, open(&*store, user, "b", 1).await];
    let other = open(&*store, new_user_id(), "c", 1).await;
    let refused = Session { id: new_session_id(), ..laptop.clone() };
    assert!(!first_today_of(&*store, &refused, at_second(2)).await, "the session was refused");
    assert!(first_today_of(&*store, &laptop, at_second(2)).await);
    assert!(
        !first_today_of(&*store, &laptop, at_second(2)).await
            && !first_today_of(&*store, &phone, at_day(1).plus_seconds(-1)).await
    );
    assert!(first_today_of(&*store, &other, at_second(3)).await, "the flag is per user");
    assert!(first_today_of(&*store, &phone, at_day(1)).await, "the next day has begun");
    assert!(!first_today_of(&*store, &laptop, at_day(1).plus_seconds(1)).await);
    assert!(
        !first_today_of(&*store, &laptop, at_day(1).plus_seconds(-1)).await,
        "a clock that runs backwards sets no flag"
    );
    assert!(first_today_of(&*store, &laptop, at_day(3)).await);
}

pub(crate) async fn first_today_is_set_for_one_of_several_concurrent_requests(factory: SessionFactory<'_>) {
    let store = factory.open().await;
    let session = open(&*store, new_user_id(), "token", 1).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (store, session) = (store.clone(), session.clone());
        tasks.spawn(async move { first_today_of(&*store, &session, at_second(2)).await });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|first| *first).count(), 1);
}
