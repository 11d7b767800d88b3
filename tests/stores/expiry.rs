//! Contract of [`shared::storage::Expiry`] for email tokens.

use shared::storage::{TokenHash, TokenPurpose};

use crate::accounts::sign_up;
use crate::fixtures::{at_second, issue};
use crate::store_factory::{AccountStore, StoreFactory};

type AccountFactory<'a> = &'a dyn StoreFactory<dyn AccountStore>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, expiry:
            expired_tokens_are_purged_in_batches,
            valid_tokens_are_kept,
        }
    };
}
pub(crate) use suite;

/// Issues a token for each of `count` users; token `n` expires at second `n`.
async fn issue_many(store: &dyn AccountStore, count: i64) {
    for index in 1..=count {
        let user = sign_up(store, &format!("user{index}")).await;
        let token = TokenHash::of(&index.to_be_bytes());
        assert!(issue(store, user, TokenPurpose::VerifyEmail, &token, at_second(index)).await);
    }
}

pub(crate) async fn expired_tokens_are_purged_in_batches(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    issue_many(&*store, 7).await;
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(store.purge_expired(at_second(100), 3).await.expect("the write succeeds"));
    }
    assert_eq!(removed, [3, 3, 1, 0]);
}

pub(crate) async fn valid_tokens_are_kept(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    issue_many(&*store, 3).await;
    assert!(store.purge_expired(at_second(2), 10).await.expect("the write succeeds") <= 2);
    let user = store.verify_email(&TokenHash::of(&3i64.to_be_bytes()), at_second(2)).await.expect("the write succeeds");
    assert_eq!(user.expect("the token works").username.as_str(), "user3");
}
