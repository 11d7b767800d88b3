//! The law of [`shared::storage::Deletions`], and what a deletion means for the other account traits.

use secrecy::SecretString;
use shared::models::{EmailAddress, UserId};
use shared::storage::{MailKind, SignUpOutcome, TokenHash, TokenPurpose};
use tests::begin_deletion;

use crate::accounts::{find, get, new_account, sign_up};
use crate::fixtures::{issue, second, somebody};
use crate::place::{AccountStore, Place};

type AccountPlace<'a> = &'a dyn Place<dyn AccountStore>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, deletions:
            a_deleted_account_is_found_by_nothing,
            name_and_address_are_free_at_once,
            a_deletion_is_listed_until_it_is_finished,
            a_deletion_begun_twice_is_one,
            pending_deletions_are_listed_in_part,
            a_living_account_cannot_be_finished,
            tokens_die_with_the_account,
            a_token_issued_too_late_does_nothing,
        }
    };
}
pub(crate) use suite;

async fn begin(store: &dyn AccountStore, user: UserId) {
    begin_deletion(store, user, second(5)).await;
}

async fn finish(store: &dyn AccountStore, user: UserId) {
    store.finish_deletion(user).await.expect("the store writes");
}

async fn pending(store: &dyn AccountStore, limit: usize) -> Vec<UserId> {
    store.pending_deletions(limit).await.expect("the store answers")
}

async fn assert_gone(store: &dyn AccountStore, user: UserId) {
    assert!(get(store, user).await.is_none());
    for login in ["ada", "ada@example.com", "", "@"] {
        assert!(find(store, login).await.is_none(), "{login}");
    }
    for old in ["first hash", ""] {
        let changed =
            store.change_password(user, &SecretString::from(old), &SecretString::from("new"), second(6)).await;
        assert!(!changed.expect("a refusal is no fault"));
    }
}

pub(crate) async fn a_deleted_account_is_found_by_nothing(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    begin(&*store, ada).await;
    assert_gone(&*store, ada).await;
    finish(&*store, ada).await;
    assert_gone(&*store, ada).await;
    assert!(get(&*store, bob).await.is_some() && find(&*store, "bob").await.is_some());
}

pub(crate) async fn name_and_address_are_free_at_once(place: AccountPlace<'_>) {
    let store = place.open().await;
    for _ in 0..3 {
        let ada = sign_up(&*store, "ada").await;
        let taken = store.create(&new_account("ada", "other@example.com")).await.expect("a refusal is no fault");
        assert_eq!(taken, SignUpOutcome::UsernameTaken);
        begin(&*store, ada).await;
    }
    let heir = sign_up(&*store, "ada").await;
    for user in pending(&*store, 10).await {
        finish(&*store, user).await;
    }
    assert_eq!(find(&*store, "ada").await.map(|account| account.user.id), Some(heir));
}

pub(crate) async fn a_deletion_is_listed_until_it_is_finished(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    assert!(pending(&*store, 10).await.is_empty());
    begin(&*store, ada).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(pending(&*store, 10).await, [ada]);
    for _ in 0..2 {
        finish(&*store, ada).await;
        assert!(pending(&*store, 10).await.is_empty());
    }
}

pub(crate) async fn a_deletion_begun_twice_is_one(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    begin(&*store, ada).await;
    let heir = sign_up(&*store, "ada").await;
    begin(&*store, ada).await;
    begin(&*store, somebody()).await;
    assert_eq!(pending(&*store, 10).await, [ada]);
    assert!(get(&*store, heir).await.is_some());
}

pub(crate) async fn pending_deletions_are_listed_in_part(place: AccountPlace<'_>) {
    let store = place.open().await;
    let mut left = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let user = sign_up(&*store, name).await;
        begin(&*store, user).await;
        left.push(user);
    }
    while !left.is_empty() {
        let part = pending(&*store, 2).await;
        assert_eq!(part.len(), left.len().min(2));
        for user in part {
            finish(&*store, user).await;
            left.retain(|other| *other != user);
        }
    }
    assert!(pending(&*store, 2).await.is_empty());
}

pub(crate) async fn a_living_account_cannot_be_finished(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    finish(&*store, ada).await;
    assert!(get(&*store, ada).await.is_some());
}

/// Whether the tokens `verify` and `reset` do anything.
async fn assert_dead(store: &dyn AccountStore) {
    let (verify, reset) = (TokenHash::of(b"verify"), TokenHash::of(b"reset"));
    assert_eq!(store.verify_email(&verify, second(6)).await.expect("a refusal is no fault"), None);
    let hash = SecretString::from("stolen");
    assert_eq!(store.reset_password(&reset, &hash, second(6)).await.expect("a refusal is no fault"), None);
}

pub(crate) async fn tokens_die_with_the_account(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    for (purpose, token) in [(TokenPurpose::VerifyEmail, "verify"), (TokenPurpose::ResetPassword, "reset")] {
        let token = TokenHash::of(token.as_bytes());
        assert!(issue(&*store, ada, purpose, &token, second(1_000)).await);
    }
    begin(&*store, ada).await;
    sign_up(&*store, "ada").await;
    assert_dead(&*store).await;
    finish(&*store, ada).await;
    assert_dead(&*store).await;
}

pub(crate) async fn a_token_issued_too_late_does_nothing(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    let address = EmailAddress::parse("ada@example.com").expect("an address");
    store.request_reset(&address, second(1)).await.expect("the store writes");
    let mut claimed = Vec::new();
    while let Some(mail) = store.claim(second(2), second(60)).await.expect("the store writes") {
        claimed.push(mail);
    }
    begin(&*store, ada).await;
    for mail in claimed {
        let token = if mail.kind == MailKind::VerifyEmail { "verify" } else { "reset" };
        let issued = store.issue(&mail, &TokenHash::of(token.as_bytes()), second(1_000)).await;
        assert!(!issued.expect("a refusal is no fault"));
    }
    assert_dead(&*store).await;
    assert_gone(&*store, ada).await;
}
