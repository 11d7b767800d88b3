//! The law of [`shared::storage::Expiry`], where mail tokens are what expires.

use shared::storage::{TokenHash, TokenPurpose};

use crate::accounts::sign_up;
use crate::fixtures::{issue, second};
use crate::place::{AccountStore, Place};

type AccountPlace<'a> = &'a dyn Place<dyn AccountStore>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, expiry:
            expired_tokens_go_in_batches,
            tokens_that_work_stay,
        }
    };
}
pub(crate) use suite;

/// Issues a token for each of `count` users, which expires at the second of its number.
async fn issue_many(store: &dyn AccountStore, count: i64) {
    for place in 1..=count {
        let user = sign_up(store, &format!("user{place}")).await;
        let token = TokenHash::of(&place.to_be_bytes());
        assert!(issue(store, user, TokenPurpose::VerifyEmail, &token, second(place)).await);
    }
}

pub(crate) async fn expired_tokens_go_in_batches(place: AccountPlace<'_>) {
    let store = place.open().await;
    issue_many(&*store, 7).await;
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(store.purge_expired(second(100), 3).await.expect("the store writes"));
    }
    assert_eq!(removed, [3, 3, 1, 0]);
}

pub(crate) async fn tokens_that_work_stay(place: AccountPlace<'_>) {
    let store = place.open().await;
    issue_many(&*store, 3).await;
    assert!(store.purge_expired(second(2), 10).await.expect("the store writes") <= 2);
    let user = store.verify_email(&TokenHash::of(&3i64.to_be_bytes()), second(2)).await.expect("the store writes");
    assert_eq!(user.expect("the token works").username.as_str(), "user3");
}
