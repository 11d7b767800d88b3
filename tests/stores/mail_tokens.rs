//! The law of [`shared::storage::MailTokens`]: a token works once, in time, and only while it is the newest.

use secrecy::{ExposeSecret, SecretString};
use shared::models::{Timestamp, User, UserId};
use shared::storage::{MailKind, QueuedMail, TokenHash, TokenPurpose};
use tokio::task::JoinSet;

use crate::accounts::{get, sign_up};
use crate::fixtures::{self, second, somebody};
use crate::place::{AccountStore, Place};

type AccountPlace<'a> = &'a dyn Place<dyn AccountStore>;

use TokenPurpose::{ResetPassword, VerifyEmail};

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, mail_tokens:
            a_token_verifies_an_address_once,
            a_token_replaces_a_password_once,
            a_token_that_nobody_issued_does_nothing,
            a_token_works_until_it_expires,
            only_the_newest_token_works,
            a_token_is_good_for_its_purpose_alone,
            users_tokens_do_not_meet,
            an_address_stays_verified_since_the_first_time,
            of_racing_uses_of_a_token_one_works,
            a_token_of_nobody_does_nothing,
            asking_whose_a_token_is_spends_nothing,
            whether_a_token_has_expired_is_known_of_the_newest,
            whatever_comes_at_once_nothing_fails,
            a_token_issued_while_old_ones_are_purged_stays,
        }
    };
}
pub(crate) use suite;

const EXPIRES: i64 = 1_000;

async fn issue(store: &dyn AccountStore, user: UserId, purpose: TokenPurpose, token: &str) {
    assert!(try_issue(store, user, purpose, token).await);
}

async fn try_issue(store: &dyn AccountStore, user: UserId, purpose: TokenPurpose, token: &str) -> bool {
    fixtures::issue(store, user, purpose, &TokenHash::of(token.as_bytes()), second(EXPIRES)).await
}

async fn verify(store: &dyn AccountStore, token: &str, now: Timestamp) -> Option<User> {
    store.verify_email(&TokenHash::of(token.as_bytes()), now).await.expect("a refusal is no fault")
}

async fn reset(store: &dyn AccountStore, token: &str, password: &str, now: Timestamp) -> Option<User> {
    let (token, password) = (TokenHash::of(token.as_bytes()), SecretString::from(password));
    store.reset_password(&token, &password, now).await.expect("a refusal is no fault")
}

/// When the user's address was verified, and the hash of their password.
async fn state(store: &dyn AccountStore, user: UserId) -> (Option<Timestamp>, String) {
    let account = get(store, user).await.expect("the account is there");
    (account.user.email_verified_at, account.password_hash.expose_secret().to_owned())
}

fn untouched() -> (Option<Timestamp>, String) {
    (None, "first hash".to_owned())
}

pub(crate) async fn a_token_verifies_an_address_once(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, VerifyEmail, "token").await;
    let user = verify(&*store, "token", second(2)).await.expect("the token works");
    assert_eq!((user.id, user.email_verified_at), (ada, Some(second(2))));
    assert_eq!(verify(&*store, "token", second(3)).await, None);
    assert_eq!(state(&*store, ada).await, (Some(second(2)), "first hash".to_owned()));
}

pub(crate) async fn a_token_replaces_a_password_once(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, ResetPassword, "token").await;
    let user = reset(&*store, "token", "second hash", second(2)).await.expect("the token works");
    assert_eq!(user.id, ada);
    assert_eq!(reset(&*store, "token", "third hash", second(3)).await, None);
    assert_eq!(state(&*store, ada).await.1, "second hash");
}

pub(crate) async fn a_token_that_nobody_issued_does_nothing(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, VerifyEmail, "token").await;
    issue(&*store, ada, ResetPassword, "token too").await;
    for token in ["", "Token", "token ", "guess"] {
        assert_eq!(verify(&*store, token, second(2)).await, None);
        assert_eq!(reset(&*store, token, "stolen", second(2)).await, None);
    }
    assert_eq!(state(&*store, ada).await, untouched());
    assert!(verify(&*store, "token", second(2)).await.is_some());
}

pub(crate) async fn a_token_works_until_it_expires(place: AccountPlace<'_>) {
    let store = place.open().await;
    let [ada, bob] = [sign_up(&*store, "ada").await, sign_up(&*store, "bob").await];
    let last_moment = Timestamp::from_micros(second(EXPIRES).micros() - 1);
    issue(&*store, ada, VerifyEmail, "in time").await;
    assert!(verify(&*store, "in time", last_moment).await.is_some());
    issue(&*store, ada, ResetPassword, "in time too").await;
    assert!(reset(&*store, "in time too", "second hash", last_moment).await.is_some());

    issue(&*store, bob, VerifyEmail, "late").await;
    issue(&*store, bob, ResetPassword, "late too").await;
    for now in [second(EXPIRES), second(EXPIRES + 9)] {
        assert_eq!(verify(&*store, "late", now).await, None);
        assert_eq!(reset(&*store, "late too", "stolen", now).await, None);
    }
    assert_eq!(state(&*store, bob).await, untouched());
}

pub(crate) async fn only_the_newest_token_works(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    for purpose in [VerifyEmail, ResetPassword] {
        for token in ["old", "newer", "newest"] {
            issue(&*store, ada, purpose, &format!("{} {token}", purpose.name())).await;
        }
    }
    for token in ["old", "newer"] {
        assert_eq!(verify(&*store, &format!("verify_email {token}"), second(2)).await, None);
        assert_eq!(reset(&*store, &format!("reset_password {token}"), "stolen", second(2)).await, None);
    }
    assert_eq!(state(&*store, ada).await, untouched());
    assert!(verify(&*store, "verify_email newest", second(2)).await.is_some());
    assert!(reset(&*store, "reset_password newest", "second hash", second(2)).await.is_some());
}

pub(crate) async fn a_token_is_good_for_its_purpose_alone(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, VerifyEmail, "verify").await;
    issue(&*store, ada, ResetPassword, "reset").await;
    assert_eq!(reset(&*store, "verify", "stolen", second(2)).await, None);
    assert_eq!(verify(&*store, "reset", second(2)).await, None);
    assert_eq!(state(&*store, ada).await, untouched());
    assert!(verify(&*store, "verify", second(2)).await.is_some(), "the wrong use spent it");
    assert!(reset(&*store, "reset", "second hash", second(2)).await.is_some(), "the wrong use spent it");
}

pub(crate) async fn users_tokens_do_not_meet(place: AccountPlace<'_>) {
    let store = place.open().await;
    let [ada, bob] = [sign_up(&*store, "ada").await, sign_up(&*store, "bob").await];
    issue(&*store, ada, ResetPassword, "of ada").await;
    issue(&*store, bob, ResetPassword, "of bob").await;
    assert_eq!(reset(&*store, "of ada", "second hash", second(2)).await.map(|user| user.id), Some(ada));
    assert_eq!(state(&*store, bob).await, untouched());
    assert_eq!(reset(&*store, "of bob", "second hash", second(2)).await.map(|user| user.id), Some(bob));
}

pub(crate) async fn an_address_stays_verified_since_the_first_time(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    for now in [2, 3] {
        issue(&*store, ada, VerifyEmail, "token").await;
        let user = verify(&*store, "token", second(now)).await.expect("a new token works");
        assert_eq!(user.email_verified_at, Some(second(2)));
    }
}

pub(crate) async fn of_racing_uses_of_a_token_one_works(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, ResetPassword, "token").await;
    let mut racers = JoinSet::new();
    for racer in 0..8 {
        let store = store.clone();
        racers.spawn(async move {
            let password = format!("hash {racer}");
            reset(&*store, "token", &password, second(2)).await.map(|_| password)
        });
    }
    let winners: Vec<String> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners, [state(&*store, ada).await.1]);
}

pub(crate) async fn a_token_of_nobody_does_nothing(place: AccountPlace<'_>) {
    let store = place.open().await;
    let mail = QueuedMail { user: somebody(), kind: MailKind::ResetPassword, queued_at: second(1), attempt: 1 };
    let issued = store.issue(&mail, &TokenHash::of(b"token"), second(EXPIRES)).await;
    assert!(!issued.expect("a refusal is no fault"));
    assert_eq!(reset(&*store, "token", "hash", second(2)).await, None);
}

pub(crate) async fn asking_whose_a_token_is_spends_nothing(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    issue(&*store, ada, ResetPassword, "token").await;
    let token = TokenHash::of(b"token");
    for (purpose, now, wanted) in [
        (ResetPassword, 2, Some(ada)),
        (VerifyEmail, 2, None),
        (ResetPassword, EXPIRES, None),
        (ResetPassword, 3, Some(ada)),
    ] {
        assert_eq!(store.owner(&token, purpose, second(now)).await.expect("the store answers"), wanted);
    }
    assert!(reset(&*store, "token", "second hash", second(4)).await.is_some());
    assert_eq!(store.owner(&token, ResetPassword, second(5)).await.expect("the store answers"), None);
}

pub(crate) async fn whether_a_token_has_expired_is_known_of_the_newest(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    let has_expired = async |token: &str, purpose, now| {
        let token = TokenHash::of(token.as_bytes());
        store.has_expired(&token, purpose, second(now)).await.expect("the store answers")
    };
    issue(&*store, ada, VerifyEmail, "token").await;
    assert!(!has_expired("token", VerifyEmail, EXPIRES - 1).await);
    assert_eq!(verify(&*store, "token", second(EXPIRES)).await, None);
    assert!(has_expired("token", VerifyEmail, EXPIRES).await);
    assert!(!has_expired("token", ResetPassword, EXPIRES).await);
    assert!(!has_expired("a guess", VerifyEmail, EXPIRES).await);
    issue(&*store, ada, VerifyEmail, "newer").await;
    assert!(!has_expired("token", VerifyEmail, EXPIRES).await, "it was replaced");
    assert!(verify(&*store, "newer", second(2)).await.is_some());
    assert!(!has_expired("newer", VerifyEmail, EXPIRES).await, "it was used");
}

pub(crate) async fn whatever_comes_at_once_nothing_fails(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    let mut everything = JoinSet::new();
    for round in 0..20 {
        for what in 0..7 {
            let store = store.clone();
            everything.spawn(async move {
                let [to_verify, to_reset] = ["verify", "reset"].map(|purpose| format!("{purpose} {}", round % 3));
                match what {
                    0 if round % 2 == 0 => drop(try_issue(&*store, ada, VerifyEmail, &to_verify).await),
                    0 => drop(try_issue(&*store, ada, ResetPassword, &to_reset).await),
                    1 => drop(verify(&*store, &to_verify, second(2)).await),
                    2 => drop(reset(&*store, &to_reset, "second hash", second(2)).await),
                    3 => {
                        let account = get(&*store, ada).await.expect("the account is there");
                        let (old, new) = (account.password_hash, SecretString::from("first hash"));
                        store.change_password(ada, &old, &new, second(2)).await.expect("a refusal is no fault");
                    }
                    4 => drop(store.purge_expired(second(EXPIRES), 10).await.expect("the store writes")),
                    5 => {
                        let now = second(100 * round);
                        store.request_verification(ada, now).await.expect("the store writes");
                        store.purge_completed(now, 10).await.expect("the store writes");
                    }
                    _ => {
                        let claimed = store.claim(second(2_000), second(2_060)).await.expect("the store writes");
                        if let Some(mail) = claimed {
                            store.complete(&mail, None).await.expect("the store writes");
                        }
                    }
                }
            });
        }
    }
    everything.join_all().await;
}

pub(crate) async fn a_token_issued_while_old_ones_are_purged_stays(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    for round in 0..30 {
        let old = TokenHash::of(format!("old {round}").as_bytes());
        assert!(fixtures::issue(&*store, ada, VerifyEmail, &old, second(1)).await);
        let token = format!("new {round}");
        let purging = store.purge_expired(second(2), 10);
        let (purged, ()) = tokio::join!(purging, issue(&*store, ada, VerifyEmail, &token));
        purged.expect("the store writes");
        assert!(verify(&*store, &token, second(3)).await.is_some(), "round {round}");
    }
}
