//! The law of [`shared::storage::Outbox`]: what calls for a mail queues it, and each is sent by one at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::SecretString;
use shared::models::{EmailAddress, Timestamp, UserId};
use shared::storage::MailKind::{self, PasswordChanged, ResetPassword, VerifyEmail, Welcome};
use shared::storage::{QueuedMail, SignUpOutcome, TokenHash, TokenPurpose};
use tokio::task::JoinSet;

use crate::accounts::{new_account, sign_up};
use crate::fixtures::{self, just_after, second, somebody};
use crate::place::{AccountStore, Place};

type AccountPlace<'a> = &'a dyn Place<dyn AccountStore>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, outbox:
            signing_up_asks_once_to_verify_the_address,
            a_refused_sign_up_mails_nobody,
            verifying_welcomes_the_first_time_alone,
            a_changed_password_is_noticed,
            a_password_that_stays_is_not_noticed,
            a_reset_is_noticed_and_ends_the_link_to_verify,
            whoever_changed_the_password_is_sent_no_link_to_reset_it,
            the_mail_that_waited_longest_is_claimed_first,
            a_claimed_mail_is_nobody_elses_until_its_time,
            of_racing_claims_each_gets_another_mail,
            a_settled_mail_is_done_with,
            a_postponed_mail_is_due_at_its_time,
            whoever_settles_late_changes_nothing,
            a_link_is_queued_once_a_minute,
            the_minute_is_counted_per_account_and_kind,
            an_address_that_nobody_has_leaves_as_much,
            settled_mails_go_after_their_minute,
            mails_that_wait_are_not_forgotten,
            a_deleted_account_is_sent_nothing,
        }
    };
}
pub(crate) use suite;

/// After how many seconds a mail that was claimed is due again, unless it is settled.
const LEASE: i64 = 5_000;

async fn claim(store: &dyn AccountStore, now: i64) -> Option<QueuedMail> {
    store.claim(second(now), second(now + LEASE)).await.expect("the store writes")
}

/// Claims all that is due.
async fn claim_all(store: &dyn AccountStore, now: i64) -> Vec<QueuedMail> {
    let mut mails = Vec::new();
    while let Some(mail) = claim(store, now).await {
        mails.push(mail);
    }
    mails
}

async fn settle(store: &dyn AccountStore, mail: &QueuedMail, again_at: Option<Timestamp>) {
    store.complete(mail, again_at).await.expect("the store writes");
}

/// Signs `name` up and sends all mails of theirs.
async fn settled_user(store: &dyn AccountStore, name: &str) -> UserId {
    let user = sign_up(store, name).await;
    deliver(store, 1).await;
    user
}

/// Sends all mails that are due, and says to whom and what they were.
async fn deliver(store: &dyn AccountStore, now: i64) -> BTreeSet<(UserId, &'static str)> {
    let mails = claim_all(store, now).await;
    for mail in &mails {
        settle(store, mail, None).await;
    }
    mails.into_iter().map(|mail| (mail.user, mail.kind.name())).collect()
}

fn mails<const N: usize>(mails: [(UserId, MailKind); N]) -> BTreeSet<(UserId, &'static str)> {
    mails.into_iter().map(|(user, kind)| (user, kind.name())).collect()
}

async fn forget(store: &dyn AccountStore, now: Timestamp, batch: usize) -> u64 {
    store.purge_completed(now, batch).await.expect("the store writes")
}

async fn asks_for_reset(store: &dyn AccountStore, address: &str, now: i64) {
    let address = EmailAddress::parse(address).expect("an address");
    store.request_reset(&address, second(now)).await.expect("the store writes");
}

async fn asks_to_verify(store: &dyn AccountStore, user: UserId, now: i64) {
    store.request_verification(user, second(now)).await.expect("the store writes");
}

async fn issue(store: &dyn AccountStore, user: UserId, purpose: TokenPurpose) -> TokenHash {
    let token = TokenHash::of(format!("{} of {user}", purpose.name()).as_bytes());
    assert!(fixtures::issue(store, user, purpose, &token, second(1_000)).await);
    token
}

async fn change(store: &dyn AccountStore, user: UserId, old: &str, new: &str, now: i64) -> bool {
    let (old, new) = (SecretString::from(old), SecretString::from(new));
    store.change_password(user, &old, &new, second(now)).await.expect("a refusal is no fault")
}

pub(crate) async fn signing_up_asks_once_to_verify_the_address(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = new_account("ada", "ada@example.com");
    for _ in 0..2 {
        assert_eq!(store.create(&ada).await.expect("the store writes"), SignUpOutcome::Created);
    }
    let mail = claim(&*store, 1).await.expect("a mail is due at once");
    assert_eq!(mail, QueuedMail { user: ada.id, kind: VerifyEmail, queued_at: second(1), attempt: 1 });
    assert_eq!(claim(&*store, 1).await, None);
}

pub(crate) async fn a_refused_sign_up_mails_nobody(place: AccountPlace<'_>) {
    let store = place.open().await;
    settled_user(&*store, "ada").await;
    for (name, address) in [("ada", "free@example.com"), ("free", "ada@example.com")] {
        let outcome = store.create(&new_account(name, address)).await.expect("a refusal is no fault");
        assert_ne!(outcome, SignUpOutcome::Created);
    }
    assert_eq!(claim(&*store, 9).await, None);
}

pub(crate) async fn verifying_welcomes_the_first_time_alone(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = settled_user(&*store, "ada").await;
    for (now, expected) in [(2, mails([(ada, Welcome)])), (200, mails([]))] {
        let token = issue(&*store, ada, TokenPurpose::VerifyEmail).await;
        for _ in 0..2 {
            store.verify_email(&token, second(now)).await.expect("a refusal is no fault");
        }
        assert_eq!(deliver(&*store, now).await, expected);
        // By now nothing remembers the first welcome but the account itself.
        forget(&*store, second(100), 10).await;
    }
}

pub(crate) async fn a_changed_password_is_noticed(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = settled_user(&*store, "ada").await;
    assert!(change(&*store, ada, "first hash", "second hash", 2).await);
    assert_eq!(deliver(&*store, 2).await, mails([(ada, PasswordChanged)]));
    assert!(change(&*store, ada, "second hash", "third hash", 3).await);
    assert_eq!(deliver(&*store, 3).await, mails([(ada, PasswordChanged)]), "each time");
}

pub(crate) async fn a_password_that_stays_is_not_noticed(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = settled_user(&*store, "ada").await;
    assert!(!change(&*store, ada, "a guess", "stolen", 2).await);
    assert!(!change(&*store, somebody(), "first hash", "stolen", 2).await);
    let (old, new) = ("first hash".into(), "stronger hash".into());
    store.rehash(ada, &old, &new).await.expect("the store writes");
    assert_eq!(claim(&*store, 9).await, None);
}

pub(crate) async fn a_reset_is_noticed_and_ends_the_link_to_verify(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (settled_user(&*store, "ada").await, settled_user(&*store, "bob").await);
    let to_verify = issue(&*store, ada, TokenPurpose::VerifyEmail).await;
    let of_bob = issue(&*store, bob, TokenPurpose::VerifyEmail).await;
    let to_reset = issue(&*store, ada, TokenPurpose::ResetPassword).await;
    let hash = SecretString::from("second hash");
    let reset = store.reset_password(&to_reset, &hash, second(2)).await.expect("the store writes");
    assert_eq!(reset.expect("the token works").email_verified_at, Some(second(2)));
    assert_eq!(deliver(&*store, 2).await, mails([(ada, PasswordChanged), (ada, Welcome)]));
    assert_eq!(store.verify_email(&to_verify, second(3)).await.expect("a refusal is no fault"), None);
    assert!(store.verify_email(&of_bob, second(3)).await.expect("the store writes").is_some());

    deliver(&*store, 3).await;
    let again = issue(&*store, ada, TokenPurpose::ResetPassword).await;
    for _ in 0..2 {
        store.reset_password(&again, &hash, second(4)).await.expect("a refusal is no fault");
    }
    assert_eq!(deliver(&*store, 4).await, mails([(ada, PasswordChanged)]), "the address was verified before");
}

pub(crate) async fn whoever_changed_the_password_is_sent_no_link_to_reset_it(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (settled_user(&*store, "ada").await, settled_user(&*store, "bob").await);
    asks_for_reset(&*store, "bob@example.com", 100).await;
    asks_for_reset(&*store, "ada@example.com", 100).await;
    assert!(!change(&*store, ada, "a guess", "stolen", 101).await);
    assert!(change(&*store, ada, "first hash", "second hash", 101).await);
    assert_eq!(deliver(&*store, 101).await, mails([(ada, PasswordChanged), (bob, ResetPassword)]));

    let token = issue(&*store, ada, TokenPurpose::ResetPassword).await;
    asks_for_reset(&*store, "ada@example.com", 200).await;
    asks_for_reset(&*store, "bob@example.com", 200).await;
    let reset = store.reset_password(&token, &"third hash".into(), second(201)).await.expect("the store writes");
    assert!(reset.is_some());
    let expected = mails([(ada, PasswordChanged), (ada, Welcome), (bob, ResetPassword)]);
    assert_eq!(deliver(&*store, 201).await, expected);
}

pub(crate) async fn the_mail_that_waited_longest_is_claimed_first(place: AccountPlace<'_>) {
    let store = place.open().await;
    let mut users = Vec::new();
    for (name, asks_at) in [("ada", 30), ("bob", 10), ("cleo", 20), ("dora", 99)] {
        let user = settled_user(&*store, name).await;
        asks_for_reset(&*store, &format!("{name}@example.com"), asks_at).await;
        users.push(user);
    }
    let order: Vec<_> = claim_all(&*store, 50).await.iter().map(|mail| mail.user).collect();
    assert_eq!(order, [users[1], users[2], users[0]]);
}

pub(crate) async fn a_claimed_mail_is_nobody_elses_until_its_time(place: AccountPlace<'_>) {
    let (store, other) = (place.open().await, place.open().await);
    let ada = sign_up(&*store, "ada").await;
    assert!(claim(&*store, 1).await.is_some());
    for now in [1, 100, LEASE] {
        assert_eq!(claim(&*other, now).await, None);
    }
    let again = claim(&*other, 1 + LEASE).await;
    assert_eq!(again, Some(QueuedMail { user: ada, kind: VerifyEmail, queued_at: second(1), attempt: 2 }));
}

pub(crate) async fn of_racing_claims_each_gets_another_mail(place: AccountPlace<'_>) {
    let store = place.open().await;
    for place in 0..20 {
        sign_up(&*store, &format!("user{place}")).await;
    }
    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let store: Arc<dyn AccountStore> = place.open().await;
        racers.spawn(async move { claim_all(&*store, 1).await });
    }
    let claimed: Vec<_> = racers.join_all().await.into_iter().flatten().map(|mail| mail.user).collect();
    assert_eq!(claimed.len(), 20);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 20);
}

pub(crate) async fn a_settled_mail_is_done_with(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    let first = claim(&*store, 1).await.expect("a mail is due");
    settle(&*store, &first, None).await;
    let other = if first.user == ada { bob } else { ada };
    assert_eq!(claim_all(&*store, LEASE * 2).await.iter().map(|mail| mail.user).collect::<Vec<_>>(), [other]);
}

pub(crate) async fn a_postponed_mail_is_due_at_its_time(place: AccountPlace<'_>) {
    let store = place.open().await;
    sign_up(&*store, "ada").await;
    let first = claim(&*store, 1).await.expect("a mail is due");
    settle(&*store, &first, Some(second(100))).await;
    assert_eq!(claim(&*store, 99).await, None);
    let again = claim(&*store, 100).await.expect("it is due");
    assert_eq!(again, QueuedMail { attempt: 2, ..first });
}

pub(crate) async fn whoever_settles_late_changes_nothing(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    let first = claim(&*store, 1).await.expect("a mail is due");
    // Dependency for anew while the first was being sent.
    asks_to_verify(&*store, ada, 100).await;
    settle(&*store, &first, None).await;
    let newer = claim(&*store, 100).await.expect("the newer call stands");
    assert_eq!(newer, QueuedMail { queued_at: second(100), ..first });
    // Taken on by somebody else, since whoever had it never came back in time.
    let taken_over = claim(&*store, 100 + LEASE).await.expect("it is due again");
    assert_eq!(taken_over.attempt, 2);
    settle(&*store, &newer, None).await;
    assert!(claim(&*store, 100 + 2 * LEASE).await.is_some());
}

pub(crate) async fn a_link_is_queued_once_a_minute(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    for (kind, from) in [(VerifyEmail, 1), (ResetPassword, 1_000)] {
        let asks = async |now| match kind {
            VerifyEmail => asks_to_verify(&*store, ada, now).await,
            _ => asks_for_reset(&*store, "ADA@example.com", now).await,
        };
        asks(from).await;
        let first = claim(&*store, from).await.expect("a mail is due");
        assert_eq!((first.user, first.kind, first.queued_at), (ada, kind, second(from)));
        asks(from + 1).await;
        assert_eq!(claim(&*store, from + 59).await, None, "it is being sent");
        settle(&*store, &first, None).await;
        asks(from + 59).await;
        assert_eq!(claim(&*store, from + 59).await, None, "it was sent");
        asks(from + 60).await;
        let next = claim(&*store, from + 60).await.expect("a minute is over");
        assert_eq!(next, QueuedMail { queued_at: second(from + 60), ..first });
        settle(&*store, &next, None).await;
    }
}

pub(crate) async fn the_minute_is_counted_per_account_and_kind(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (settled_user(&*store, "ada").await, settled_user(&*store, "bob").await);
    asks_to_verify(&*store, ada, 100).await;
    for name in ["ada", "bob"] {
        asks_for_reset(&*store, &format!("{name}@example.com"), 101).await;
    }
    let expected = mails([(ada, VerifyEmail), (ada, ResetPassword), (bob, ResetPassword)]);
    assert_eq!(deliver(&*store, 101).await, expected);
}

pub(crate) async fn an_address_that_nobody_has_leaves_as_much(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = settled_user(&*store, "ada").await;
    forget(&*store, second(100), 10).await;
    for now in [200, 201, 259] {
        asks_for_reset(&*store, "ada@example.com", now).await;
        asks_for_reset(&*store, "nobody@example.com", now).await;
        asks_for_reset(&*store, "NOBODY@example.com", now).await;
    }
    let sent = deliver(&*store, 300).await;
    assert!(sent.len() == 2 && sent.contains(&(ada, ResetPassword.name())), "{sent:?}");
    // One row each, which goes after the same minute.
    assert_eq!(forget(&*store, second(259), 10).await, 0);
    assert_eq!(forget(&*store, second(260), 10).await, 2);
    // Whoever signs up under that address later has nothing to do with what was asked before.
    asks_for_reset(&*store, "nobody@example.com", 400).await;
    deliver(&*store, 400).await;
    let nobody = settled_user(&*store, "nobody").await;
    asks_for_reset(&*store, "nobody@example.com", 401).await;
    assert_eq!(deliver(&*store, 401).await, mails([(nobody, ResetPassword)]));
}

pub(crate) async fn settled_mails_go_after_their_minute(place: AccountPlace<'_>) {
    let store = place.open().await;
    for place in 0..7 {
        settled_user(&*store, &format!("user{place}")).await;
    }
    assert_eq!(forget(&*store, Timestamp::from_micros(second(61).micros() - 1), 3).await, 0);
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(forget(&*store, second(61), 3).await);
    }
    assert_eq!(removed, [3, 3, 1, 0]);
}

pub(crate) async fn mails_that_wait_are_not_forgotten(place: AccountPlace<'_>) {
    let store = place.open().await;
    sign_up(&*store, "ada").await;
    let claimed = claim(&*store, 1).await.expect("a mail is due");
    sign_up(&*store, "bob").await;
    assert_eq!(forget(&*store, second(LEASE * 9), 10).await, 0);
    assert_eq!(claim_all(&*store, 2).await.len(), 1);
    settle(&*store, &claimed, Some(just_after(second(3)))).await;
    assert_eq!(forget(&*store, second(LEASE * 9), 10).await, 0);
    assert_eq!(claim_all(&*store, 4).await.len(), 1);
}

pub(crate) async fn a_deleted_account_is_sent_nothing(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    asks_for_reset(&*store, "ada@example.com", 2).await;
    tests::begin_deletion(&*store, ada, second(3)).await;
    asks_for_reset(&*store, "ada@example.com", 100).await;
    let sent = deliver(&*store, 100).await;
    assert!(sent.iter().all(|(user, _)| *user != ada) && sent.contains(&(bob, VerifyEmail.name())), "{sent:?}");
}
