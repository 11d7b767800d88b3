//! Contract of [`shared::storage::MailTokens`]: a token works once, before it expires, and only while it is the newest.

use secrecy::{ExposeSecret, SecretString};
use shared::models::{Timestamp, User, UserId};
use shared::storage::{EmailKind, QueuedEmail, TokenHash, TokenPurpose};
use tokio::task::JoinSet;

use crate::accounts::{get, sign_up};
use crate::fixtures::{self, at_second, new_user_id};
use crate::store_factory::{AccountStore, StoreFactory};

type AccountFactory<'a> = &'a dyn StoreFactory<dyn AccountStore>;

use TokenPurpose::{ResetPassword, VerifyEmail};

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, mail_tokens:
            a_token_verifies_the_address_once,
            a_token_resets_the_password_once,
            an_unknown_token_is_refused,
            an_expired_token_is_refused,
            a_new_token_replaces_older_ones,
            a_token_is_valid_for_its_purpose_only,
            tokens_of_different_users_are_independent,
            verifying_again_keeps_the_first_verification_time,
            one_of_several_concurrent_uses_of_a_token_succeeds,
            no_token_is_issued_for_an_unknown_account,
            owner_does_not_use_up_the_token,
            has_expired_is_true_for_the_newest_token_only,
            concurrent_operations_do_not_fail,
            a_purge_keeps_tokens_issued_concurrently,
        }
    };
}
pub(crate) use suite;

const EXPIRES_AT: i64 = 1_000;

async fn issue(store: &dyn AccountStore, user: UserId, purpose: TokenPurpose, token: &str) {
    assert!(try_issue(store, user, purpose, token).await);
}

async fn try_issue(store: &dyn AccountStore, user: UserId, purpose: TokenPurpose, token: &str) -> bool {
    fixtures::issue(store, user, purpose, &TokenHash::of(token.as_bytes()), at_second(EXPIRES_AT)).await
}

async fn verify(store: &dyn AccountStore, token: &str, now: Timestamp) -> Option<User> {
    store.verify_email(&TokenHash::of(token.as_bytes()), now).await.expect("a refusal is not an error")
}

async fn reset(store: &dyn AccountStore, token: &str, password: &str, now: Timestamp) -> Option<User> {
    let (token, password) = (TokenHash::of(token.as_bytes()), SecretString::from(password));
    store.reset_password(&token, &password, now).await.expect("a refusal is not an error")
}

/// Returns the verification time of the user's address and the password hash.
async fn state(store: &dyn AccountStore, user: UserId) -> (Option<Timestamp>, String) {
    let account = get(store, user).await.expect("the account exists");
    (account.user.email_verified_at, account.password_hash.expose_secret().to_owned())
}

fn initial_state() -> (Option<Timestamp>, String) {
    (None, "first hash".to_owned())
}

pub(crate) async fn a_token_verifies_the_address_once(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, VerifyEmail, "token").await;
    let user = verify(&*store, "token", at_second(2)).await.expect("the token works");
    assert_eq!((user.id, user.email_verified_at), (ada, Some(at_second(2))));
    assert_eq!(verify(&*store, "token", at_second(3)).await, None);
    assert_eq!(state(&*store, ada).await, (Some(at_second(2)), "first hash".to_owned()));
}

pub(crate) async fn a_token_resets_the_password_once(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, ResetPassword, "token").await;
    let user = reset(&*store, "token", "second hash", at_second(2)).await.expect("the token works");
    assert_eq!(user.id, ada);
    assert_eq!(reset(&*store, "token", "third hash", at_second(3)).await, None);
    assert_eq!(state(&*store, ada).await.1, "second hash");
}

pub(crate) async fn an_unknown_token_is_refused(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, VerifyEmail, "token").await;
    issue(&*store, ada, ResetPassword, "token too").await;
    for token in ["", "Token", "token ", "guess"] {
        assert_eq!(verify(&*store, token, at_second(2)).await, None);
        assert_eq!(reset(&*store, token, "stolen", at_second(2)).await, None);
    }
    assert_eq!(state(&*store, ada).await, initial_state());
    assert!(verify(&*store, "token", at_second(2)).await.is_some());
}

pub(crate) async fn an_expired_token_is_refused(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [ada, bob] = [sign_up(&*store, "ada").await, sign_up(&*store, "bob").await];
    let last_moment = Timestamp::from_micros(at_second(EXPIRES_AT).micros() - 1);
    issue(&*store, ada, VerifyEmail, "in time").await;
    assert!(verify(&*store, "in time", last_moment).await.is_some());
    issue(&*store, ada, ResetPassword, "in time too").await;
    assert!(reset(&*store, "in time too", "second hash", last_moment).await.is_some());

    issue(&*store, bob, VerifyEmail, "late").await;
    issue(&*store, bob, ResetPassword, "late too").await;
    for now in [at_second(EXPIRES_AT), at_second(EXPIRES_AT + 9)] {
        assert_eq!(verify(&*store, "late", now).await, None);
        assert_eq!(reset(&*store, "late too", "stolen", now).await, None);
    }
    assert_eq!(state(&*store, bob).await, initial_state());
}

pub(crate) async fn a_new_token_replaces_older_ones(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    for purpose in [VerifyEmail, ResetPassword] {
        for token in ["old", "newer", "newest"] {
            issue(&*store, ada, purpose, &format!("{} {token}", purpose.name())).await;
        }
    }
    for token in ["old", "newer"] {
        assert_eq!(verify(&*store, &format!("verify_email {token}"), at_second(2)).await, None);
        assert_eq!(reset(&*store, &format!("reset_password {token}"), "stolen", at_second(2)).await, None);
    }
    assert_eq!(state(&*store, ada).await, initial_state());
    assert!(verify(&*store, "verify_email newest", at_second(2)).await.is_some());
    assert!(reset(&*store, "reset_password newest", "second hash", at_second(2)).await.is_some());
}

pub(crate) async fn a_token_is_valid_for_its_purpose_only(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, VerifyEmail, "verify").await;
    issue(&*store, ada, ResetPassword, "reset").await;
    assert_eq!(reset(&*store, "verify", "stolen", at_second(2)).await, None);
    assert_eq!(verify(&*store, "reset", at_second(2)).await, None);
    assert_eq!(state(&*store, ada).await, initial_state());
    assert!(verify(&*store, "verify", at_second(2)).await.is_some(), "use for the wrong purpose used up the token");
    assert!(
        reset(&*store, "reset", "second hash", at_second(2)).await.is_some(),
        "use for the wrong purpose used up the token"
    );
}

pub(crate) async fn tokens_of_different_users_are_independent(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [ada, bob] = [sign_up(&*store, "ada").await, sign_up(&*store, "bob").await];
    issue(&*store, ada, ResetPassword, "of ada").await;
    issue(&*store, bob, ResetPassword, "of bob").await;
    assert_eq!(reset(&*store, "of ada", "second hash", at_second(2)).await.map(|user| user.id), Some(ada));
    assert_eq!(state(&*store, bob).await, initial_state());
    assert_eq!(reset(&*store, "of bob", "second hash", at_second(2)).await.map(|user| user.id), Some(bob));
}

pub(crate) async fn verifying_again_keeps_the_first_verification_time(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    for now in [2, 3] {
        issue(&*store, ada, VerifyEmail, "token").await;
        let user = verify(&*store, "token", at_second(now)).await.expect("a new token works");
        assert_eq!(user.email_verified_at, Some(at_second(2)));
    }
}

pub(crate) async fn one_of_several_concurrent_uses_of_a_token_succeeds(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, ResetPassword, "token").await;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let password = format!("hash {task}");
            reset(&*store, "token", &password, at_second(2)).await.map(|_| password)
        });
    }
    let winners: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners, [state(&*store, ada).await.1]);
}

pub(crate) async fn no_token_is_issued_for_an_unknown_account(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let mail = QueuedEmail { user: new_user_id(), kind: EmailKind::ResetPassword, queued_at: at_second(1), attempt: 1 };
    let issued = store.issue(&mail, &TokenHash::of(b"token"), at_second(EXPIRES_AT)).await;
    assert!(!issued.expect("a refusal is not an error"));
    assert_eq!(reset(&*store, "token", "hash", at_second(2)).await, None);
}

pub(crate) async fn owner_does_not_use_up_the_token(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, ResetPassword, "token").await;
    let token = TokenHash::of(b"token");
    for (purpose, now, expected) in [
        (ResetPassword, 2, Some(ada)),
        (VerifyEmail, 2, None),
        (ResetPassword, EXPIRES_AT, None),
        (ResetPassword, 3, Some(ada)),
    ] {
        assert_eq!(store.owner(&token, purpose, at_second(now)).await.expect("the read succeeds"), expected);
    }
    assert!(reset(&*store, "token", "second hash", at_second(4)).await.is_some());
    assert_eq!(store.owner(&token, ResetPassword, at_second(5)).await.expect("the read succeeds"), None);
}

pub(crate) async fn has_expired_is_true_for_the_newest_token_only(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    let has_expired = async |token: &str, purpose, now| {
        let token = TokenHash::of(token.as_bytes());
        store.has_expired(&token, purpose, at_second(now)).await.expect("the read succeeds")
    };
    issue(&*store, ada, VerifyEmail, "token").await;
    assert!(!has_expired("token", VerifyEmail, EXPIRES_AT - 1).await);
    assert_eq!(verify(&*store, "token", at_second(EXPIRES_AT)).await, None);
    assert!(has_expired("token", VerifyEmail, EXPIRES_AT).await);
    assert!(!has_expired("token", ResetPassword, EXPIRES_AT).await);
    assert!(!has_expired("a guess", VerifyEmail, EXPIRES_AT).await);
    issue(&*store, ada, VerifyEmail, "newer").await;
    assert!(!has_expired("token", VerifyEmail, EXPIRES_AT).await, "the token was replaced");
    assert!(verify(&*store, "newer", at_second(2)).await.is_some());
    assert!(!has_expired("newer", VerifyEmail, EXPIRES_AT).await, "the token was used");
}

pub(crate) async fn concurrent_operations_do_not_fail(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    let mut tasks = JoinSet::new();
    for round in 0..20 {
        for operation in 0..7 {
            let store = store.clone();
            tasks.spawn(async move {
                let [to_verify, to_reset] = ["verify", "reset"].map(|purpose| format!("{purpose} {}", round % 3));
                match operation {
                    0 if round % 2 == 0 => drop(try_issue(&*store, ada, VerifyEmail, &to_verify).await),
                    0 => drop(try_issue(&*store, ada, ResetPassword, &to_reset).await),
                    1 => drop(verify(&*store, &to_verify, at_second(2)).await),
                    2 => drop(reset(&*store, &to_reset, "second hash", at_second(2)).await),
                    3 => {
                        let account = get(&*store, ada).await.expect("the account exists");
                        let (old, new) = (account.password_hash, SecretString::from("first hash"));
                        store.change_password(ada, &old, &new, at_second(2)).await.expect("a refusal is not an error");
                    }
                    4 => drop(store.purge_expired(at_second(EXPIRES_AT), 10).await.expect("the write succeeds")),
                    5 => {
                        let now = at_second(100 * round);
                        store.request_verification(ada, now).await.expect("the write succeeds");
                        store.purge_completed(now, 10).await.expect("the write succeeds");
                    }
                    _ => {
                        let claimed =
                            store.claim(at_second(2_000), at_second(2_060)).await.expect("the write succeeds");
                        if let Some(mail) = claimed {
                            store.complete(&mail, None).await.expect("the write succeeds");
                        }
                    }
                }
            });
        }
    }
    tasks.join_all().await;
}

pub(crate) async fn a_purge_keeps_tokens_issued_concurrently(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    for round in 0..30 {
        let old = TokenHash::of(format!("old {round}").as_bytes());
        assert!(fixtures::issue(&*store, ada, VerifyEmail, &old, at_second(1)).await);
        let token = format!("new {round}");
        let purging = store.purge_expired(at_second(2), 10);
        let (purged, ()) = tokio::join!(purging, issue(&*store, ada, VerifyEmail, &token));
        purged.expect("the write succeeds");
        assert!(verify(&*store, &token, at_second(3)).await.is_some(), "round {round}");
    }
}
