//! `migrate` with lists of databases: the first one, edited ones, and wrong ones, which it does not register.

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::clock::SystemRandom;
use shared::models::{DatabaseId, UserId};
use shared::placement::choose_database;
use shared::storage::Placement;
use shared::storage::libsql::{Directory, LibsqlSync, SYNC};
use tokio::task::JoinSet;

use crate::databases::{Databases, Kind, finds_item, write_item};
use crate::fixtures::new_user_id;
use crate::registrations::sign_up_in;

macro_rules! suite {
    (in_files) => {
        crate::contract_tests! { crate::databases::Kind::Files, lists:
            a_first_list_is_registered_in_its_order,
            concurrent_migrations_give_each_database_one_identity,
            an_edited_list_moves_nobody,
            a_used_database_cannot_be_removed_or_replaced,
            a_database_of_another_service_is_refused,
            a_database_that_is_listed_twice_is_refused,
            a_list_with_an_unreachable_database_is_refused,
        }
    };
    // Those whose result depends on the servers.
    (on_servers) => {
        crate::contract_tests! { crate::databases::Kind::Servers, lists:
            concurrent_migrations_give_each_database_one_identity,
            an_edited_list_moves_nobody,
            a_used_database_cannot_be_removed_or_replaced,
            a_database_that_is_listed_twice_is_refused,
        }
    };
}
pub(crate) use suite;

/// Creates an account in each of `ids`, and writes an item through a process with the list `list`.
async fn users_in(databases: &Databases, list: &[usize], ids: &[DatabaseId]) -> Vec<UserId> {
    let (accounts, data) = (databases.accounts(), databases.list(list).await);
    let mut users = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        users.push(sign_up_in(&*accounts, &format!("user{number}"), *id).await);
        write_item(&data, users[number]).await;
    }
    users
}

/// Asserts that each of `users` is in the database of the same position, and has the data there.
async fn assert_placed(databases: &Databases, list: &[usize], users: &[UserId], ids: &[DatabaseId]) {
    let data = databases.list(list).await;
    for (user, id) in users.iter().zip(ids) {
        assert_eq!(databases.placement(*user).await, Placement::In(*id), "with the list {list:?}");
        assert!(finds_item(&data, *user).await, "with the list {list:?}");
    }
}

pub(crate) async fn a_first_list_is_registered_in_its_order(kind: &Kind) {
    let databases = Databases::new(*kind, 3).await;
    let list = databases.weighted_list(&[(2, 5), (0, 0), (1, 1)]).await;
    let applied = list.migrate(&SystemRandom).await.expect("the databases are empty");
    let names: Vec<_> = SYNC.iter().map(|migration| migration.name).collect();
    assert_eq!(applied, names, "each once, although there are three databases");
    let (set, state) = (databases.set().await, databases.state().await);
    let members: Vec<_> = set.members.iter().map(|member| (member.id, member.ordinal, member.weight)).collect();
    assert_eq!(members, [(databases.id(2).await, 0, 5), (databases.id(0).await, 1, 0), (databases.id(1).await, 2, 1)]);
    assert_eq!(list.migrate(&SystemRandom).await.expect("the list is right"), [""; 0]);
    assert!(databases.state().await == state, "the second time changes nothing");
}

pub(crate) async fn concurrent_migrations_give_each_database_one_identity(kind: &Kind) {
    let databases = Databases::new(*kind, 3).await;
    let mut tasks = JoinSet::new();
    for rotation in 0..4 {
        let mut indexes = [0, 1, 2];
        indexes.rotate_left(rotation % 3);
        let list = databases.list(&indexes).await;
        tasks.spawn(async move { list.migrate(&SystemRandom).await.map(drop).map_err(|error| error.to_string()) });
    }
    for result in tasks.join_all().await {
        assert_eq!(result, Ok(()));
    }
    let ids: BTreeSet<_> = [databases.id(0).await, databases.id(1).await, databases.id(2).await].into();
    let members: Vec<_> = databases.set().await.members.iter().map(|member| member.id).collect();
    assert_eq!((ids.len(), members.len()), (3, 3));
    assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), ids);
}

pub(crate) async fn an_edited_list_moves_nobody(kind: &Kind) {
    let databases = Databases::new(*kind, 4).await;
    let ids = databases.migrate(&[0, 1, 2]).await;
    let users = users_in(&databases, &[0, 1, 2], &ids[..2]).await;
    let set = databases.set().await;
    for list in [[2, 1, 0], [1, 0, 2]] {
        assert_placed(&databases, &list, &users, &ids).await;
        databases.migrate(&list).await;
        assert_eq!(databases.set().await, set, "the order of a list means nothing after the first");
    }
    // A process may have the new list before it is registered.
    assert_placed(&databases, &[3, 0, 1, 2], &users, &ids).await;
    let new = databases.migrate(&[3, 0, 1, 2]).await[0];
    assert_placed(&databases, &[3, 0, 1, 2], &users, &ids).await;
    let members = databases.set().await.members;
    assert_eq!((members.len(), members[3].id), (4, new), "the new one is the last");
    assert!((0..100).any(|_| choose_database(new_user_id(), &members) == Some(new)), "it gets new users");
    let without_unused = databases.migrate(&[1, 0]).await;
    assert_eq!(without_unused, [ids[1], ids[0]]);
    let members: Vec<_> = databases.set().await.members.iter().map(|member| member.id).collect();
    assert_eq!(members, ids[..2], "those without users are not registered any more");
    assert_placed(&databases, &[0, 1], &users, &ids).await;
    let again = databases.migrate(&[0, 1, 2]).await;
    assert_eq!(again, ids, "a database keeps its identity");
}

pub(crate) async fn a_used_database_cannot_be_removed_or_replaced(kind: &Kind) {
    let databases = Databases::new(*kind, 4).await;
    let ids = databases.migrate(&[0, 1, 2]).await;
    let users = users_in(&databases, &[0, 1, 2], &ids[1..]).await;
    for (list, missing) in
        [(&[0, 1][..], ids[2]), (&[2, 0], ids[1]), (&[0, 3, 2], ids[1]), (&[3], ids[1]), (&[0, 1, 3], ids[2])]
    {
        let error = databases.migrate_in_vain(list).await;
        assert!(error.contains(&missing.to_string()), "{list:?}: {error}");
    }
    assert_eq!(databases.state().await.1[3], [""; 0], "nothing was written into the empty database");
    assert_placed(&databases, &[0, 1, 2], &users, &ids[1..]).await;
    // Nobody uses the first one.
    let replaced = databases.migrate(&[3, 1, 2]).await;
    let members: Vec<_> = databases.set().await.members.iter().map(|member| member.id).collect();
    assert_eq!(members, [ids[1], ids[2], replaced[0]]);
}

pub(crate) async fn a_database_of_another_service_is_refused(kind: &Kind) {
    let databases = Databases::new(*kind, 3).await;
    let service = Databases::new(Kind::Files, 0).await;
    let directory = Directory { placements: service.accounts(), sessions: None };
    let other = LibsqlSync::placed(vec![(databases.open(2).await, 1)], directory);
    other.migrate(&SystemRandom).await.expect("the database is empty");
    let id = databases.id(2).await.to_string();
    for list in [&[2][..], &[0, 2], &[2, 0]] {
        let error = databases.migrate_in_vain(list).await;
        assert!(error.contains(&id), "{list:?}: {error}");
    }
    let ids = databases.migrate(&[0, 1]).await;
    let users = users_in(&databases, &[0, 1], &ids).await;
    for list in [&[0, 1, 2][..], &[0, 2], &[2, 1]] {
        let error = databases.migrate_in_vain(list).await;
        assert!(error.contains(&id), "{list:?}: {error}");
    }
    assert_placed(&databases, &[0, 1], &users, &ids).await;
}

pub(crate) async fn a_database_that_is_listed_twice_is_refused(kind: &Kind) {
    let mut databases = Databases::new(*kind, 2).await;
    let error = databases.try_migrate(&[0, 0]).await.expect_err("it has no identity before").to_string();
    assert!(error.contains("TURSO_DATABASE_URL") && error.contains(&databases.id(0).await.to_string()), "{error}");
    assert_eq!(databases.set().await.members, [], "a list that is wrong is not registered");
    let ids = databases.migrate(&[0, 1]).await;
    let users = users_in(&databases, &[0, 1], &ids).await;
    let mut twice = vec![0];
    if *kind == Kind::Files {
        twice.push(databases.add_copy_of(0));
    }
    for copy in twice {
        let error = databases.migrate_in_vain(&[0, copy, 1]).await;
        assert!(error.contains(&ids[0].to_string()), "{error}");
        assert_placed(&databases, &[0, 1], &users, &ids).await;
    }
}

pub(crate) async fn a_list_with_an_unreachable_database_is_refused(kind: &Kind) {
    let mut databases = Databases::new(*kind, 2).await;
    let nowhere = databases.add_nowhere();
    databases.migrate_in_vain(&[0, nowhere]).await;
    let ids = databases.migrate(&[0]).await;
    let users = users_in(&databases, &[0], &ids).await;
    databases.migrate_in_vain(&[0, nowhere]).await;
    databases.migrate_in_vain(&[1, 0, nowhere]).await;
    assert_eq!(databases.state().await.1[1], [""; 0], "nothing was written into the empty database");
    let data: Arc<_> = databases.list(&[nowhere, 0]).await;
    assert!(finds_item(&data, users[0]).await, "the other databases serve");
}
