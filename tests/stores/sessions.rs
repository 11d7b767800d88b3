//! The law of [`shared::storage::Sessions`]: who is let in, for how long, and how many.

use std::sync::Arc;
use std::time::Duration;

use shared::models::{Session, SessionId, Timestamp, UserId, limits};
use shared::storage::{AuthOutcome, NewSession, RateLimitPolicy, RateLimitRequest, Rotation, Sessions, TokenHash};
use tokio::task::JoinSet;

use crate::fixtures::{day, second, some_session, somebody};
use crate::place::Place;

type SessionPlace<'a> = &'a dyn Place<dyn Sessions>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, sessions:
            an_open_session_is_let_in,
            nobody_else_is_let_in,
            a_session_expires,
            an_ended_session_is_let_in_no_more,
            a_session_is_ended_by_its_owner_alone,
            all_others_end_and_one_stays,
            all_end_where_none_is_spared,
            an_end_is_known_to_every_handle,
            sessions_are_listed_newest_first,
            the_last_use_is_known_to_the_minute,
            a_toll_is_taken_at_the_door,
            no_toll_is_taken_from_who_is_not_let_in,
            of_many_at_once_no_more_pass_than_there_are_tokens,
            of_too_many_sessions_the_longest_unused_ends,
            logins_at_once_stay_within_the_cap,
            the_cap_is_each_users_own,
            a_user_is_new_once_a_day,
            of_many_at_once_one_is_the_first_of_the_day,
        }
    };
}
pub(crate) use suite;

pub(crate) const LIFE: i64 = 7 * 24 * 3_600;

/// A session of `user` that begins at the second `from`, with the refresh token `token`.
pub(crate) fn new_session(user: UserId, token: &str, from: i64) -> NewSession {
    let session = Session {
        id: some_session(),
        user,
        device: "Ada's laptop 💻".to_owned(),
        ip: "2001:db8::1".to_owned(),
        created_at: second(from),
        last_seen_at: second(from),
        expires_at: second(from + LIFE),
    };
    NewSession { session, refresh: TokenHash::of(token.as_bytes()) }
}

pub(crate) async fn open(store: &dyn Sessions, user: UserId, token: &str, from: i64) -> Session {
    let new = new_session(user, token, from);
    store.open(&new).await.expect("the store writes");
    new.session
}

pub(crate) async fn authenticate(store: &dyn Sessions, session: &Session, now: Timestamp) -> Option<Session> {
    store.authenticate(session.user, session.id, None, now).await.expect("the store answers").session
}

async fn ids(store: &dyn Sessions, user: UserId, now: Timestamp) -> Vec<SessionId> {
    let listed = store.list(user, now).await.expect("the store answers");
    listed.into_iter().map(|session| session.id).collect()
}

pub(crate) async fn an_open_session_is_let_in(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    let session = open(&*store, user, "token", 1).await;
    assert_eq!(authenticate(&*store, &session, second(2)).await, Some(session.clone()));
    assert_eq!(store.list(user, second(2)).await.expect("the store answers"), [session]);
}

pub(crate) async fn nobody_else_is_let_in(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "token", 1).await;
    for (user, id) in [
        (session.user, some_session()),
        (session.user, SessionId::new(session.user.as_uuid())),
        (somebody(), session.id),
    ] {
        let AuthOutcome { session, rate_limit, .. } =
            store.authenticate(user, id, None, second(2)).await.expect("the store answers");
        assert_eq!((session, rate_limit), (None, None));
    }
    assert!(ids(&*store, somebody(), second(2)).await.is_empty());
}

pub(crate) async fn a_session_expires(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "token", 0).await;
    let last_moment = Timestamp::from_micros(session.expires_at.micros() - 1);
    assert!(authenticate(&*store, &session, last_moment).await.is_some(), "use does not prolong it");
    for now in [second(LIFE), second(2 * LIFE)] {
        assert_eq!(authenticate(&*store, &session, now).await, None);
        assert!(ids(&*store, session.user, now).await.is_empty());
    }
}

pub(crate) async fn an_ended_session_is_let_in_no_more(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    let [ended, other] = [open(&*store, user, "a", 1).await, open(&*store, user, "b", 2).await];
    assert!(store.end(user, ended.id).await.expect("the store writes"));
    assert_eq!(authenticate(&*store, &ended, second(3)).await, None);
    assert_eq!(ids(&*store, user, second(3)).await, [other.id]);
    assert!(!store.end(user, ended.id).await.expect("the store writes"), "there was none to end");
    assert!(authenticate(&*store, &other, second(3)).await.is_some());
    let next = TokenHash::of(b"next");
    let rotation = store.rotate(&TokenHash::of(b"a"), &next, second(LIFE), second(3)).await.expect("the store writes");
    assert!(matches!(rotation, Rotation::Unknown), "{rotation:?}");
    assert_eq!(authenticate(&*store, &ended, second(3)).await, None, "the refresh token brought it back");
}

pub(crate) async fn a_session_is_ended_by_its_owner_alone(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "token", 1).await;
    assert!(!store.end(somebody(), session.id).await.expect("the store writes"));
    store.end_others(somebody(), None).await.expect("the store writes");
    assert!(authenticate(&*store, &session, second(2)).await.is_some());
}

/// Opens three sessions of `user`.
async fn three(store: &dyn Sessions, user: UserId) -> [Session; 3] {
    let token = |place: usize| format!("{user} {place}");
    [
        open(store, user, &token(0), 1).await,
        open(store, user, &token(1), 2).await,
        open(store, user, &token(2), 3).await,
    ]
}

pub(crate) async fn all_others_end_and_one_stays(place: SessionPlace<'_>) {
    let store = place.open().await;
    let [ada, bob] = [somebody(), somebody()];
    let [first, kept, last] = three(&*store, ada).await;
    let theirs = three(&*store, bob).await;
    store.end_others(ada, Some(kept.id)).await.expect("the store writes");
    assert_eq!(ids(&*store, ada, second(4)).await, [kept.id]);
    for ended in [&first, &last] {
        assert_eq!(authenticate(&*store, ended, second(4)).await, None);
    }
    assert_eq!(ids(&*store, bob, second(4)).await.len(), theirs.len());
    let token = TokenHash::of(format!("{ada} 0").as_bytes());
    let rotation = store.rotate(&token, &TokenHash::of(b"next"), second(LIFE), second(4)).await;
    assert!(matches!(rotation, Ok(Rotation::Unknown)), "{rotation:?}");
}

pub(crate) async fn all_end_where_none_is_spared(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    three(&*store, user).await;
    store.end_others(user, None).await.expect("the store writes");
    assert!(ids(&*store, user, second(4)).await.is_empty());
    let [kept, ..] = three(&*store, somebody()).await;
    store.end_others(user, Some(kept.id)).await.expect("the store writes");
    assert!(authenticate(&*store, &kept, second(4)).await.is_some());
}

pub(crate) async fn an_end_is_known_to_every_handle(place: SessionPlace<'_>) {
    let (store, other) = (place.open().await, place.open().await);
    let user = somebody();
    for round in 0..20 {
        let session = open(&*store, user, &round.to_string(), 1).await;
        assert!(authenticate(&*other, &session, second(2)).await.is_some());
        assert!(other.end(user, session.id).await.expect("the store writes"));
        assert_eq!(authenticate(&*store, &session, second(2)).await, None);
    }
}

pub(crate) async fn sessions_are_listed_newest_first(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    let mut opened = Vec::new();
    for from in [5, 9, 1, 7] {
        opened.push(open(&*store, user, &from.to_string(), from).await);
    }
    opened.sort_by_key(|session| std::cmp::Reverse(session.created_at));
    assert_eq!(store.list(user, second(10)).await.expect("the store answers"), opened);
}

pub(crate) async fn the_last_use_is_known_to_the_minute(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "token", 0).await;
    for now in [10, 70, 75, 300] {
        authenticate(&*store, &session, second(now)).await;
        let listed = store.list(session.user, second(now)).await.expect("the store answers");
        let stale = second(now).micros() - listed[0].last_seen_at.micros();
        assert!((0..60_000_000).contains(&stale), "{stale} µs at {now} s");
        assert_eq!(Session { last_seen_at: session.last_seen_at, ..listed[0].clone() }, session);
    }
}

fn rate_limit(key: &str) -> RateLimitRequest {
    RateLimitRequest { key: key.to_owned(), policy: RateLimitPolicy { per_minute: 10 }, min_interval: Duration::ZERO }
}

async fn pay(store: &dyn Sessions, session: &Session, key: &str) -> AuthOutcome {
    store.authenticate(session.user, session.id, Some(&rate_limit(key)), second(2)).await.expect("the store answers")
}

pub(crate) async fn a_toll_is_taken_at_the_door(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "token", 1).await;
    let key = session.user.to_string();
    for left in (0..10).rev() {
        let AuthOutcome { session: admitted, rate_limit: bucket, .. } = pay(&*store, &session, &key).await;
        let bucket = bucket.expect("a toll was asked for");
        assert_eq!(
            (admitted.map(|session| session.id), bucket.taken, bucket.remaining),
            (Some(session.id), true, left)
        );
    }
    let refused = pay(&*store, &session, &key).await;
    assert!(refused.session.is_some() && refused.rate_limit.is_some_and(|bucket| !bucket.taken));
    assert!(pay(&*store, &session, &somebody().to_string()).await.rate_limit.is_some_and(|bucket| bucket.taken));
}

pub(crate) async fn no_toll_is_taken_from_who_is_not_let_in(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    let [ended, living] = [open(&*store, user, "a", 1).await, open(&*store, user, "b", 1).await];
    store.end(user, ended.id).await.expect("the store writes");
    let key = user.to_string();
    let unknown = Session { id: some_session(), ..living.clone() };
    for nobody in [&ended, &unknown] {
        let AuthOutcome { session, rate_limit, .. } = pay(&*store, nobody, &key).await;
        assert_eq!((session, rate_limit), (None, None));
    }
    let bucket = pay(&*store, &living, &key).await.rate_limit.expect("a toll was asked for");
    assert_eq!(bucket.remaining, 9);
}

pub(crate) async fn of_many_at_once_no_more_pass_than_there_are_tokens(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "token", 1).await;
    let mut callers = JoinSet::new();
    for _ in 0..40 {
        let (store, session) = (store.clone(), session.clone());
        callers.spawn(async move { pay(&*store, &session, &session.user.to_string()).await.rate_limit });
    }
    let taken = callers.join_all().await.into_iter().flatten().filter(|bucket| bucket.taken).count();
    assert_eq!(taken, 10);
}

pub(crate) async fn of_too_many_sessions_the_longest_unused_ends(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    let most = limits::SESSIONS as i64;
    let mut opened = Vec::new();
    for from in 0..most {
        opened.push(open(&*store, user, &from.to_string(), from).await);
    }
    assert_eq!(ids(&*store, user, second(most)).await.len(), limits::SESSIONS);
    let now = second(most + 300);
    assert!(authenticate(&*store, &opened[0], now).await.is_some(), "the oldest is in use");
    for from in 1..3 {
        opened.push(open(&*store, user, &format!("more {from}"), most + 300 + from).await);
    }
    let ended = [opened.remove(1), opened.remove(1)];
    let mut wanted: Vec<_> = opened.iter().map(|session| session.id).collect();
    wanted.sort();
    let mut left = ids(&*store, user, now).await;
    left.sort();
    assert_eq!(left, wanted);
    for ended in &ended {
        assert_eq!(authenticate(&*store, ended, now).await, None);
    }
}

pub(crate) async fn logins_at_once_stay_within_the_cap(place: SessionPlace<'_>) {
    let store: Arc<dyn Sessions> = place.open().await;
    let user = somebody();
    let mut logins = JoinSet::new();
    for from in 0..limits::SESSIONS as i64 + 20 {
        let store = store.clone();
        logins.spawn(async move { open(&*store, user, &from.to_string(), from).await.id });
    }
    logins.join_all().await;
    assert_eq!(ids(&*store, user, second(500)).await.len(), limits::SESSIONS);
}

pub(crate) async fn the_cap_is_each_users_own(place: SessionPlace<'_>) {
    let store = place.open().await;
    let theirs = open(&*store, somebody(), "theirs", 0).await;
    let user = somebody();
    for from in 1..=limits::SESSIONS as i64 + 1 {
        open(&*store, user, &from.to_string(), from).await;
    }
    assert!(authenticate(&*store, &theirs, second(500)).await.is_some());
}

async fn is_first(store: &dyn Sessions, session: &Session, now: Timestamp) -> bool {
    store.authenticate(session.user, session.id, None, now).await.expect("the store answers").first_today
}

pub(crate) async fn a_user_is_new_once_a_day(place: SessionPlace<'_>) {
    let store = place.open().await;
    let user = somebody();
    let [laptop, phone] = [open(&*store, user, "a", 1).await, open(&*store, user, "b", 1).await];
    let other = open(&*store, somebody(), "c", 1).await;
    let refused = Session { id: some_session(), ..laptop.clone() };
    assert!(!is_first(&*store, &refused, second(2)).await, "nobody was let in");
    assert!(is_first(&*store, &laptop, second(2)).await);
    assert!(!is_first(&*store, &laptop, second(2)).await && !is_first(&*store, &phone, day(1).plus_seconds(-1)).await);
    assert!(is_first(&*store, &other, second(3)).await, "each user counts");
    assert!(is_first(&*store, &phone, day(1)).await, "the next day begins");
    assert!(!is_first(&*store, &laptop, day(1).plus_seconds(1)).await);
    assert!(!is_first(&*store, &laptop, day(1).plus_seconds(-1)).await, "a clock that is behind counts nobody");
    assert!(is_first(&*store, &laptop, day(3)).await);
}

pub(crate) async fn of_many_at_once_one_is_the_first_of_the_day(place: SessionPlace<'_>) {
    let store = place.open().await;
    let session = open(&*store, somebody(), "token", 1).await;
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let (store, session) = (store.clone(), session.clone());
        callers.spawn(async move { is_first(&*store, &session, second(2)).await });
    }
    assert_eq!(callers.join_all().await.into_iter().filter(|first| *first).count(), 1);
}
