//! Contract of [`shared::storage::Placements`]: the databases that belong to the service.

use std::sync::Arc;

use shared::clock::{SystemRandom, random_uuid};
use shared::models::{DatabaseId, UserId};
use shared::storage::{DatabaseSet, NewAccount, Placement, SignUpOutcome};
use tests::begin_deletion;
use tokio::task::JoinSet;

use crate::accounts::new_account;
use crate::fixtures::at_second;
use crate::store_factory::{AccountStore, StoreFactory};

type AccountFactory<'a> = &'a dyn StoreFactory<dyn AccountStore>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, registrations:
            a_set_has_an_id_and_no_members_at_first,
            members_have_the_order_of_their_registration,
            a_repeated_registration_changes_only_weights,
            members_that_are_not_used_are_removed,
            a_registration_without_a_used_member_changes_nothing,
            a_member_is_used_until_the_last_account_is_deleted,
            a_closed_member_keeps_its_place_and_its_users,
            concurrent_registrations_of_one_list_register_it_once,
            concurrent_sign_ups_are_placed_in_members_only,
        }
    };
}
pub(crate) use suite;

/// Returns the id of a database that no other test uses.
pub(crate) fn new_database_id() -> DatabaseId {
    DatabaseId::new(random_uuid(&SystemRandom))
}

/// Registers `databases` with these weights.
pub(crate) async fn register(store: &dyn AccountStore, databases: &[(DatabaseId, u32)]) {
    let missing = store.register(databases).await.expect("the write succeeds");
    assert_eq!(missing, [], "a used member is missing in the list");
}

/// Creates the account `name` with its data in `database`.
pub(crate) async fn sign_up_in(
    store: &dyn AccountStore,
    name: &str,
    database: impl Into<Option<DatabaseId>>,
) -> UserId {
    let account = NewAccount { database: database.into(), ..new_account(name, &format!("{name}@example.com")) };
    assert_eq!(store.create(&account).await.expect("the write succeeds"), SignUpOutcome::Created);
    account.id
}

async fn set(store: &dyn AccountStore) -> DatabaseSet {
    store.database_set().await.expect("the read succeeds")
}

/// Returns the members with their weights, in the order of their ordinals.
fn weights(set: &DatabaseSet) -> Vec<(DatabaseId, u32)> {
    assert!(set.members.is_sorted_by(|one, next| one.ordinal < next.ordinal), "{set:?}");
    set.members.iter().map(|member| (member.id, member.weight)).collect()
}

pub(crate) async fn a_set_has_an_id_and_no_members_at_first(factory: AccountFactory<'_>) {
    let first = set(&*factory.open().await).await;
    assert_eq!((first.members.len(), first.used.len()), (0, 0));
    assert!(!first.id.is_nil());
    assert_eq!(set(&*factory.open().await).await, first);
}

pub(crate) async fn members_have_the_order_of_their_registration(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, c, d, e] = [(); 5].map(|()| new_database_id());
    register(&*store, &[(c, 1), (a, 0), (b, 1_000)]).await;
    let first = set(&*factory.open().await).await;
    assert_eq!(weights(&first), [(c, 1), (a, 0), (b, 1_000)]);
    let ordinals: Vec<_> = first.members.iter().map(|member| member.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2], "the positions that decided before placements were recorded");
    register(&*store, &[(e, 1), (b, 1), (d, 1), (a, 1), (c, 1)]).await;
    let second = set(&*store).await;
    assert_eq!(weights(&second), [c, a, b, e, d].map(|database| (database, 1)));
    assert_eq!(second.members[..2].iter().map(|member| member.ordinal).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(second.id, first.id);
}

pub(crate) async fn a_repeated_registration_changes_only_weights(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, c] = [(); 3].map(|()| new_database_id());
    register(&*store, &[(a, 1), (b, 2), (c, 3)]).await;
    let before = set(&*store).await;
    register(&*store, &[(a, 1), (b, 2), (c, 3)]).await;
    assert_eq!(set(&*store).await, before);
    register(&*store, &[(c, 0), (b, 2), (a, 9)]).await;
    let mut expected = before;
    (expected.members[0].weight, expected.members[2].weight) = (9, 0);
    assert_eq!(set(&*store).await, expected);
}

pub(crate) async fn members_that_are_not_used_are_removed(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, c, d] = [(); 4].map(|()| new_database_id());
    register(&*store, &[(a, 1), (b, 1), (c, 1)]).await;
    sign_up_in(&*store, "ada", b).await;
    register(&*store, &[(d, 1), (b, 1)]).await;
    let set = set(&*store).await;
    assert_eq!((weights(&set), set.used), (vec![(b, 1), (d, 1)], vec![b]));
}

pub(crate) async fn a_registration_without_a_used_member_changes_nothing(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b, c, d] = [(); 4].map(|()| new_database_id());
    register(&*store, &[(a, 1), (b, 2), (c, 3)]).await;
    sign_up_in(&*store, "ada", c).await;
    sign_up_in(&*store, "bob", b).await;
    let before = set(&*store).await;
    assert_eq!(before.used, [b, c]);
    for (list, expected) in
        [(&[(a, 9), (d, 9)][..], &[b, c][..]), (&[(d, 9), (c, 9)], &[b]), (&[(b, 9)], &[c]), (&[], &[b, c])]
    {
        let missing = store.register(list).await.expect("a refusal is not an error");
        assert_eq!(missing, expected, "{list:?}");
        assert_eq!(set(&*store).await, before, "{list:?}");
    }
}

pub(crate) async fn a_member_is_used_until_the_last_account_is_deleted(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b] = [(); 2].map(|()| new_database_id());
    register(&*store, &[(a, 1), (b, 1)]).await;
    let ada = sign_up_in(&*store, "ada", a).await;
    begin_deletion(&*store, ada, at_second(5)).await;
    assert_eq!(set(&*store).await.used, [a], "the data is not erased yet");
    assert_eq!(store.register(&[(b, 1)]).await.expect("a refusal is not an error"), [a]);
    store.finish_deletion(ada).await.expect("the write succeeds");
    assert_eq!(set(&*store).await.used, []);
    register(&*store, &[(b, 1)]).await;
    assert_eq!(weights(&set(&*store).await), [(b, 1)]);
}

pub(crate) async fn a_closed_member_keeps_its_place_and_its_users(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [a, b] = [(); 2].map(|()| new_database_id());
    register(&*store, &[(a, 3), (b, 4)]).await;
    let ada = sign_up_in(&*store, "ada", a).await;
    for closed in [a, a, new_database_id()] {
        store.close_to_new_users(closed).await.expect("the write succeeds");
        let set = set(&*store).await;
        assert_eq!((weights(&set), set.used), (vec![(a, 0), (b, 4)], vec![a]));
    }
    assert_eq!(store.placement(ada).await.expect("the read succeeds"), Placement::In(a));
    register(&*store, &[(a, 3), (b, 4)]).await;
    assert_eq!(weights(&set(&*store).await), [(a, 3), (b, 4)], "a list that names it opens it");
}

pub(crate) async fn concurrent_registrations_of_one_list_register_it_once(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    for _ in 0..5 {
        let ids: Vec<_> = (0..5).map(|_| new_database_id()).collect();
        let mut tasks = JoinSet::new();
        for task in 0..5 {
            let (store, mut list) = (store.clone(), ids.clone());
            list.rotate_left(task);
            let list: Vec<_> = list.into_iter().map(|id| (id, task as u32)).collect();
            tasks.spawn(async move { register(&*store, &list).await });
        }
        tasks.join_all().await;
        let members = weights(&set(&*store).await);
        assert!(members.iter().all(|(_, weight)| *weight == members[0].1), "one of the lists: {members:?}");
        let mut registered: Vec<_> = members.into_iter().map(|(id, _)| id).collect();
        let first = ids.iter().position(|id| *id == registered[0]).expect("a database of the list");
        registered.rotate_right(first);
        assert_eq!(registered, ids, "the order of the list that was registered first");
    }
}

pub(crate) async fn concurrent_sign_ups_are_placed_in_members_only(factory: AccountFactory<'_>) {
    const USERS: usize = 20;
    let store: Arc<dyn AccountStore> = factory.open().await;
    let kept = new_database_id();
    for round in 0..10 {
        let removed = new_database_id();
        register(&*store, &[(kept, 1), (removed, 1)]).await;
        let mut tasks = JoinSet::new();
        for number in 0..USERS {
            let store = store.clone();
            tasks.spawn(async move { sign_up_in(&*store, &format!("user{round}.{number}"), removed).await });
        }
        let missing = store.register(&[(kept, 1)]).await.expect("a refusal is not an error");
        let users = tasks.join_all().await;
        for user in users {
            let placement = store.placement(user).await.expect("the read succeeds");
            let expected = if missing.is_empty() { Placement::Unrecorded } else { Placement::In(removed) };
            assert_eq!(placement, expected, "after a registration that returned {missing:?}");
            begin_deletion(&*store, user, at_second(5)).await;
            store.finish_deletion(user).await.expect("the write succeeds");
        }
    }
}
