//! `migrate` of users whom the previous release has created: their placements are recorded where their data is.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest, Sha256};
use shared::models::{DatabaseId, UserId};
use shared::storage::libsql::{SYNC, Statement, migrate};
use shared::storage::{ChangeFeed, Placement};
use tokio::task::JoinSet;

use crate::databases::{Databases, Kind};
use crate::registrations::sign_up_in;

macro_rules! suite {
    ($kind:expr) => {
        crate::contract_tests! { $kind, existing_users:
            they_are_placed_where_their_data_is,
            they_are_placed_by_their_first_request_or_the_next_migration,
        }
    };
}
pub(crate) use suite;

const WRITE_HEADS: &str = "INSERT INTO sync_heads (user_id, head) SELECT value, 1 FROM json_each(?1)";

/// Position of the database of a user in the list, as the previous release computed it.
fn position(user: UserId, count: usize) -> usize {
    let score = |index: usize| Sha256::new().chain_update(index.to_be_bytes()).chain_update(user.as_uuid()).finalize();
    (0..count).max_by_key(|index| score(*index)).expect("a database")
}

/// Creates accounts as the previous release did.
async fn sign_up(databases: &Databases, count: usize) -> Vec<UserId> {
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let accounts = databases.accounts();
        tasks.spawn(async move {
            let mut users = Vec::new();
            for number in (task..count).step_by(4) {
                users.push(sign_up_in(&*accounts, &format!("user{number}"), None).await);
            }
            users
        });
    }
    tasks.join_all().await.concat()
}

/// Writes data of `users` into a database of the previous release.
async fn write_data(databases: &Databases, index: usize, users: &[UserId]) {
    let write = Statement::new(WRITE_HEADS, [json!(users).to_string().into()]);
    databases.open(index).await.write("previous", vec![write]).await.expect("the write succeeds");
}

/// Kind of a user, by the user's number.
fn holders(number: usize, hashed: usize, count: usize) -> Vec<usize> {
    let elsewhere = (hashed + 1) % count;
    match number % 5 {
        0 => Vec::new(),
        // The list was edited since the user has written, and both databases were used.
        1 => vec![hashed, elsewhere],
        2 => vec![elsewhere],
        _ => vec![hashed],
    }
}

/// Creates databases and users of the previous release. Returns where each user belongs, as a position in the list.
async fn previous_release(databases: &Databases, count: usize, users: usize) -> BTreeMap<UserId, usize> {
    let mut expected = BTreeMap::new();
    let mut data = vec![Vec::new(); count];
    for (number, user) in sign_up(databases, users).await.into_iter().enumerate() {
        let hashed = position(user, count);
        let holders = holders(number, hashed, count);
        let place = if holders.is_empty() || holders.contains(&hashed) { hashed } else { holders[0] };
        expected.insert(user, place);
        for index in holders {
            if !data[index].contains(&user) {
                data[index].push(user);
            }
        }
    }
    for (index, users) in data.iter().enumerate() {
        migrate(&*databases.open(index).await, &SYNC[..3]).await.expect("the migrations succeed");
        write_data(databases, index, users).await;
    }
    expected
}

async fn assert_placed(databases: &Databases, expected: &BTreeMap<UserId, usize>, ids: &[DatabaseId]) {
    let accounts = databases.accounts();
    for (user, place) in expected {
        let placement = accounts.placement(*user).await.expect("the read succeeds");
        assert_eq!(placement, Placement::In(ids[*place]), "of {} databases", ids.len());
    }
}

pub(crate) async fn they_are_placed_where_their_data_is(kind: &Kind) {
    // One migration records 1,000 users at a time. Accounts on a server take longer to create.
    let sizes = if *kind == Kind::Files { &[(1, 20), (2, 60), (3, 1_100)][..] } else { &[(3, 60)] };
    for (count, users) in sizes.iter().copied() {
        let databases = Databases::new(*kind, count).await;
        let expected = previous_release(&databases, count, users).await;
        let used: Vec<_> = (0..count).filter(|index| expected.values().any(|place| place == index)).collect();
        assert_eq!(used.len(), count);
        let list: Vec<_> = (0..count).collect();
        let ids = databases.migrate(&list).await;
        assert_placed(&databases, &expected, &ids).await;
        let state = databases.state().await;
        let mut reversed = list;
        reversed.reverse();
        databases.migrate(&reversed).await;
        assert!(databases.state().await == state);
        assert_placed(&databases, &expected, &ids).await;
    }
}

/// The previous release creates accounts until the deployment ends.
pub(crate) async fn they_are_placed_by_their_first_request_or_the_next_migration(kind: &Kind) {
    let databases = Databases::new(*kind, 3).await;
    let ids = databases.migrate(&[0, 1, 2]).await;
    let users = sign_up(&databases, 30).await;
    let mut expected = BTreeMap::new();
    for (number, user) in users.iter().enumerate() {
        let hashed = position(*user, 3);
        // The first database of those with data, in the order of registration.
        let holders = holders(number, hashed, 3);
        for index in &holders {
            write_data(&databases, *index, &[*user]).await;
        }
        let place = if holders.is_empty() || holders.contains(&hashed) { hashed } else { holders[0] };
        expected.insert(*user, place);
    }
    let data = databases.list(&[2, 0, 1]).await;
    for user in &users[..15] {
        data.status((*user).into()).await.expect("the read succeeds");
    }
    let placed = |users: &[UserId]| users.iter().map(|user| (*user, expected[user])).collect::<BTreeMap<_, _>>();
    assert_placed(&databases, &placed(&users[..15]), &ids).await;
    assert_eq!(databases.placement(users[15]).await, Placement::Unrecorded);
    databases.migrate(&[1, 2, 0]).await;
    assert_placed(&databases, &expected, &ids).await;
}
