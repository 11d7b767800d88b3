//! Contract of [`shared::storage::Placements`]: which database holds the data of a user, and moves to another one.

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::models::{DatabaseId, Timestamp, UserId};
use shared::storage::{MoveEpoch, Placement};
use tests::begin_deletion;
use tokio::task::JoinSet;

use crate::accounts::{find, get};
use crate::fixtures::{at_second, just_after, new_user_id};
use crate::registrations::{new_database_id, register, sign_up_in};
use crate::store_factory::{AccountStore, StoreFactory};

type AccountFactory<'a> = &'a dyn StoreFactory<dyn AccountStore>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, placed_users:
            a_sign_up_records_the_placement,
            a_sign_up_with_an_unknown_database_is_unrecorded,
            a_placement_lasts_until_the_deletion_is_finished,
            a_placement_is_recorded_once,
            concurrent_records_agree,
            unrecorded_users_are_listed_up_to_the_limit,
            users_are_listed_by_database_in_pages,
            the_epochs_of_a_user_increase,
            concurrent_moves_have_different_epochs,
            no_move_begins_without_a_placement,
            only_the_newest_move_finishes,
            no_move_finishes_during_a_deletion,
            no_move_finishes_in_an_unknown_database,
        }
    };
}
pub(crate) use suite;

/// Registers three databases.
async fn three(store: &dyn AccountStore) -> [DatabaseId; 3] {
    let ids = [(); 3].map(|()| new_database_id());
    register(store, &ids.map(|id| (id, 1))).await;
    ids
}

async fn placement(store: &dyn AccountStore, user: UserId) -> Placement {
    store.placement(user).await.expect("the read succeeds")
}

async fn begin_move(store: &dyn AccountStore, user: UserId, now: Timestamp) -> Option<(DatabaseId, MoveEpoch)> {
    store.begin_move(user, now).await.expect("the write succeeds")
}

async fn finish_move(store: &dyn AccountStore, user: UserId, epoch: MoveEpoch, database: DatabaseId) -> bool {
    store.finish_move(user, epoch, database).await.expect("a refusal is not an error")
}

pub(crate) async fn a_sign_up_records_the_placement(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, _] = three(&*store).await;
    let (ada, bob) = (sign_up_in(&*store, "ada", a).await, sign_up_in(&*store, "bob", b).await);
    for (user, name, database) in [(ada, "ada", a), (bob, "bob", b)] {
        assert_eq!(placement(&*factory.open().await, user).await, Placement::In(database));
        for account in [get(&*store, user).await, find(&*store, name).await] {
            let account = account.expect("the account exists");
            assert_eq!(account.user.database, Some(database), "a session gets it as a hint");
        }
    }
    assert_eq!(placement(&*store, new_user_id()).await, Placement::NoUser);
}

pub(crate) async fn a_sign_up_with_an_unknown_database_is_unrecorded(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    three(&*store).await;
    let (ada, bob) = (sign_up_in(&*store, "ada", new_database_id()).await, sign_up_in(&*store, "bob", None).await);
    for user in [ada, bob] {
        assert_eq!(placement(&*store, user).await, Placement::Unrecorded);
        assert_eq!(get(&*store, user).await.map(|account| account.user.database), Some(None));
    }
}

pub(crate) async fn a_placement_lasts_until_the_deletion_is_finished(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, ..] = three(&*store).await;
    let ada = sign_up_in(&*store, "ada", a).await;
    begin_deletion(&*store, ada, at_second(5)).await;
    assert_eq!(placement(&*store, ada).await, Placement::In(a), "the data is there");
    store.finish_deletion(ada).await.expect("the write succeeds");
    assert_eq!(placement(&*store, ada).await, Placement::NoUser);
}

pub(crate) async fn a_placement_is_recorded_once(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, c] = three(&*store).await;
    let placed = sign_up_in(&*store, "placed", a).await;
    let [one, other, kept] = [
        sign_up_in(&*store, "one", None).await,
        sign_up_in(&*store, "other", None).await,
        sign_up_in(&*store, "kept", None).await,
    ];
    store.record(&[placed, one, new_user_id(), other, one], b).await.expect("the write succeeds");
    store.record(&[placed, one], c).await.expect("the write succeeds");
    store.record(&[], c).await.expect("the write succeeds");
    for (user, expected) in
        [(placed, Placement::In(a)), (one, Placement::In(b)), (other, Placement::In(b)), (kept, Placement::Unrecorded)]
    {
        assert_eq!(placement(&*store, user).await, expected);
    }
}

pub(crate) async fn concurrent_records_agree(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let databases = three(&*store).await;
    for round in 0..5 {
        let ada = sign_up_in(&*store, &format!("ada{round}"), None).await;
        let mut tasks = JoinSet::new();
        for database in databases {
            let store = store.clone();
            tasks.spawn(async move {
                store.record(&[ada], database).await.expect("the write succeeds");
                placement(&*store, ada).await
            });
        }
        let seen: Vec<_> = tasks.join_all().await;
        assert!(databases.iter().any(|database| seen == [Placement::In(*database); 3]), "{seen:?}");
    }
}

pub(crate) async fn unrecorded_users_are_listed_up_to_the_limit(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, ..] = three(&*store).await;
    sign_up_in(&*store, "placed", a).await;
    let mut remaining = BTreeSet::new();
    for number in 0..5 {
        remaining.insert(sign_up_in(&*store, &number.to_string(), None).await);
    }
    let deleted = *remaining.first().expect("five users");
    begin_deletion(&*store, deleted, at_second(5)).await;
    while !remaining.is_empty() {
        let listed = store.unrecorded(2).await.expect("the read succeeds");
        assert_eq!(listed.len(), remaining.len().min(2));
        assert!(listed.iter().all(|user| remaining.remove(user)), "also one whose data is not erased yet");
        store.record(&listed, a).await.expect("the write succeeds");
    }
    assert_eq!(store.unrecorded(2).await.expect("the read succeeds"), []);
}

pub(crate) async fn users_are_listed_by_database_in_pages(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, c] = three(&*store).await;
    let mut expected = BTreeSet::new();
    for number in 0..7 {
        expected.insert(sign_up_in(&*store, &format!("a{number}"), a).await);
        sign_up_in(&*store, &format!("b{number}"), b).await;
    }
    sign_up_in(&*store, "unrecorded", None).await;
    let deleted = expected.pop_last().expect("seven users");
    begin_deletion(&*store, deleted, at_second(5)).await;
    for limit in [1, 3, 6, 7] {
        let (mut listed, mut after) = (Vec::new(), None);
        while listed.len() <= expected.len() {
            let page = store.users_in(a, after, limit).await.expect("the read succeeds");
            assert!(page.len() <= limit, "{limit}");
            let Some(last) = page.last() else { break };
            after = Some(*last);
            listed.extend(page);
        }
        assert_eq!(
            listed,
            expected.iter().copied().collect::<Vec<_>>(),
            "in the order of their ids, {limit} at a time"
        );
    }
    assert_eq!(store.users_in(c, None, 9).await.expect("the read succeeds"), []);
    assert_eq!(store.users_in(new_database_id(), None, 9).await.expect("the read succeeds"), []);
}

pub(crate) async fn the_epochs_of_a_user_increase(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, _] = three(&*store).await;
    let (ada, bob) = (sign_up_in(&*store, "ada", a).await, sign_up_in(&*store, "bob", b).await);
    let (early, late) = (at_second(10), at_second(20));
    let epochs = [early, late, late, early, just_after(late), at_second(30)];
    let mut begun = Vec::new();
    for now in epochs {
        let (database, epoch) = begin_move(&*store, ada, now).await.expect("the account exists");
        assert_eq!(database, a);
        begun.push(epoch.0 - late.micros());
    }
    let ten_seconds = 10_000_000;
    assert_eq!(begun, [-ten_seconds, 0, 1, 2, 3, ten_seconds], "at least now, and more than the one before");
    assert_eq!(begin_move(&*store, bob, early).await, Some((b, MoveEpoch(early.micros()))), "of each user");
}

pub(crate) async fn concurrent_moves_have_different_epochs(factory: AccountFactory<'_>) {
    let store: Arc<dyn AccountStore> = factory.open().await;
    let [a, b, _] = three(&*store).await;
    let ada = sign_up_in(&*store, "ada", a).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move { begin_move(&*store, ada, at_second(10)).await.expect("the account exists").1 });
    }
    let epochs: BTreeSet<_> = tasks.join_all().await.into_iter().collect();
    assert_eq!(epochs.len(), 8);
    let newest = *epochs.last().expect("eight epochs");
    let mut finishes = JoinSet::new();
    for epoch in epochs {
        let store = store.clone();
        finishes.spawn(async move { finish_move(&*store, ada, epoch, b).await.then_some(epoch) });
    }
    let finished: Vec<_> = finishes.join_all().await.into_iter().flatten().collect();
    assert_eq!(finished, [newest]);
}

pub(crate) async fn no_move_begins_without_a_placement(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, ..] = three(&*store).await;
    let (deleted, unrecorded) = (sign_up_in(&*store, "ada", a).await, sign_up_in(&*store, "bob", None).await);
    begin_deletion(&*store, deleted, at_second(5)).await;
    for user in [deleted, unrecorded, new_user_id()] {
        assert_eq!(begin_move(&*store, user, at_second(10)).await, None);
    }
    store.record(&[unrecorded], a).await.expect("the write succeeds");
    assert!(begin_move(&*store, unrecorded, at_second(10)).await.is_some());
}

pub(crate) async fn only_the_newest_move_finishes(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, c] = three(&*store).await;
    let (ada, bob) = (sign_up_in(&*store, "ada", a).await, sign_up_in(&*store, "bob", a).await);
    let begin = async |user| begin_move(&*store, user, at_second(10)).await.expect("the account exists").1;
    let (old, newest) = (begin(ada).await, begin(ada).await);
    let next = MoveEpoch(newest.0 + 1);
    for (epoch, to, finishes, home) in
        [(old, c, false, a), (next, c, false, a), (newest, b, true, b), (old, c, false, b)]
    {
        assert_eq!(finish_move(&*store, ada, epoch, to).await, finishes, "{epoch:?}");
        assert_eq!(placement(&*store, ada).await, Placement::In(home));
    }
    assert!(finish_move(&*store, ada, newest, b).await, "the response to the first call may have been lost");
    assert!(!finish_move(&*store, new_user_id(), newest, b).await);
    assert_eq!(placement(&*store, bob).await, Placement::In(a));
    let next = begin_move(&*store, ada, at_second(10)).await;
    assert_eq!(next, Some((b, MoveEpoch(newest.0 + 1))), "the next move begins where the last one ended");
    assert!(!finish_move(&*store, ada, newest, c).await);
}

pub(crate) async fn no_move_finishes_during_a_deletion(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, _] = three(&*store).await;
    let ada = sign_up_in(&*store, "ada", a).await;
    let (_, epoch) = begin_move(&*store, ada, at_second(1)).await.expect("the account exists");
    begin_deletion(&*store, ada, at_second(5)).await;
    assert!(!finish_move(&*store, ada, epoch, b).await);
    assert_eq!(placement(&*store, ada).await, Placement::In(a), "the data is erased there");
}

pub(crate) async fn no_move_finishes_in_an_unknown_database(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, ..] = three(&*store).await;
    let (ada, bob) = (sign_up_in(&*store, "ada", a).await, sign_up_in(&*store, "bob", None).await);
    let (_, epoch) = begin_move(&*store, ada, at_second(1)).await.expect("the account exists");
    assert!(store.finish_move(ada, epoch, new_database_id()).await.is_err());
    assert!(store.record(&[bob], new_database_id()).await.is_err());
    assert_eq!(placement(&*store, ada).await, Placement::In(a));
    assert_eq!(placement(&*store, bob).await, Placement::Unrecorded);
}
