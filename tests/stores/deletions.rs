//! Contract of [`shared::storage::Deletions`], and the effect of a deletion on the other account traits.

use secrecy::SecretString;
use shared::models::{EmailAddress, UserId};
use shared::storage::{EmailKind, SignUpOutcome, TokenHash, TokenPurpose};
use tests::begin_deletion;

use crate::accounts::{find, get, new_account, sign_up};
use crate::fixtures::{at_second, issue, new_user_id};
use crate::store_factory::{AccountStore, StoreFactory};

type AccountFactory<'a> = &'a dyn StoreFactory<dyn AccountStore>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, deletions:
            a_deleted_account_cannot_be_found,
            username_and_address_are_available_immediately,
            a_deletion_is_pending_until_it_is_finished,
            beginning_a_deletion_twice_has_no_further_effect,
            pending_deletions_are_listed_up_to_the_limit,
            finishing_requires_a_begun_deletion,
            deletion_invalidates_the_tokens_of_the_account,
            no_token_is_issued_after_the_deletion_began,
        }
    };
}
pub(crate) use suite;

async fn begin(store: &dyn AccountStore, user: UserId) {
    begin_deletion(store, user, at_second(5)).await;
}

async fn finish(store: &dyn AccountStore, user: UserId) {
    store.finish_deletion(user).await.expect("the write succeeds");
}

async fn pending(store: &dyn AccountStore, limit: usize) -> Vec<UserId> {
    store.pending_deletions(limit).await.expect("the read succeeds")
}

async fn assert_not_found(store: &dyn AccountStore, user: UserId) {
    assert!(get(store, user).await.is_none());
    for login in ["ada", "ada@example.com", "", "@"] {
        assert!(find(store, login).await.is_none(), "{login}");
    }
    for old_hash in ["first hash", ""] {
        let changed =
            store.change_password(user, &SecretString::from(old_hash), &SecretString::from("new"), at_second(6)).await;
        assert!(!changed.expect("a refusal is not an error"));
    }
}

pub(crate) async fn a_deleted_account_cannot_be_found(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    begin(&*store, ada).await;
    assert_not_found(&*store, ada).await;
    finish(&*store, ada).await;
    assert_not_found(&*store, ada).await;
    assert!(get(&*store, bob).await.is_some() && find(&*store, "bob").await.is_some());
}

pub(crate) async fn username_and_address_are_available_immediately(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    for _ in 0..3 {
        let ada = sign_up(&*store, "ada").await;
        let taken = store.create(&new_account("ada", "other@example.com")).await.expect("a refusal is not an error");
        assert_eq!(taken, SignUpOutcome::UsernameTaken);
        begin(&*store, ada).await;
    }
    let new_owner = sign_up(&*store, "ada").await;
    for user in pending(&*store, 10).await {
        finish(&*store, user).await;
    }
    assert_eq!(find(&*store, "ada").await.map(|account| account.user.id), Some(new_owner));
}

pub(crate) async fn a_deletion_is_pending_until_it_is_finished(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    assert!(pending(&*store, 10).await.is_empty());
    begin(&*store, ada).await;
    drop(store);
    let store = factory.open().await;
    assert_eq!(pending(&*store, 10).await, [ada]);
    for _ in 0..2 {
        finish(&*store, ada).await;
        assert!(pending(&*store, 10).await.is_empty());
    }
}

pub(crate) async fn beginning_a_deletion_twice_has_no_further_effect(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    begin(&*store, ada).await;
    let new_owner = sign_up(&*store, "ada").await;
    begin(&*store, ada).await;
    begin(&*store, new_user_id()).await;
    assert_eq!(pending(&*store, 10).await, [ada]);
    assert!(get(&*store, new_owner).await.is_some());
}

pub(crate) async fn pending_deletions_are_listed_up_to_the_limit(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let mut remaining = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let user = sign_up(&*store, name).await;
        begin(&*store, user).await;
        remaining.push(user);
    }
    while !remaining.is_empty() {
        let batch = pending(&*store, 2).await;
        assert_eq!(batch.len(), remaining.len().min(2));
        for user in batch {
            finish(&*store, user).await;
            remaining.retain(|other| *other != user);
        }
    }
    assert!(pending(&*store, 2).await.is_empty());
}

pub(crate) async fn finishing_requires_a_begun_deletion(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    finish(&*store, ada).await;
    assert!(get(&*store, ada).await.is_some());
}

/// Asserts that the tokens `verify` and `reset` are refused.
async fn assert_tokens_invalid(store: &dyn AccountStore) {
    let (verify, reset) = (TokenHash::of(b"verify"), TokenHash::of(b"reset"));
    assert_eq!(store.verify_email(&verify, at_second(6)).await.expect("a refusal is not an error"), None);
    let hash = SecretString::from("stolen");
    assert_eq!(store.reset_password(&reset, &hash, at_second(6)).await.expect("a refusal is not an error"), None);
}

pub(crate) async fn deletion_invalidates_the_tokens_of_the_account(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    for (purpose, token) in [(TokenPurpose::VerifyEmail, "verify"), (TokenPurpose::ResetPassword, "reset")] {
        let token = TokenHash::of(token.as_bytes());
        assert!(issue(&*store, ada, purpose, &token, at_second(1_000)).await);
    }
    begin(&*store, ada).await;
    sign_up(&*store, "ada").await;
    assert_tokens_invalid(&*store).await;
    finish(&*store, ada).await;
    assert_tokens_invalid(&*store).await;
}

pub(crate) async fn no_token_is_issued_after_the_deletion_began(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    let address = EmailAddress::parse("ada@example.com").expect("a valid address");
    store.request_reset(&address, at_second(1)).await.expect("the write succeeds");
    let mut claimed = Vec::new();
    while let Some(mail) = store.claim(at_second(2), at_second(60)).await.expect("the write succeeds") {
        claimed.push(mail);
    }
    begin(&*store, ada).await;
    for mail in claimed {
        let token = if mail.kind == EmailKind::VerifyEmail { "verify" } else { "reset" };
        let issued = store.issue(&mail, &TokenHash::of(token.as_bytes()), at_second(1_000)).await;
        assert!(!issued.expect("a refusal is not an error"));
    }
    assert_tokens_invalid(&*store).await;
    assert_not_found(&*store, ada).await;
}
