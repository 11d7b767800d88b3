//! Contract of [`shared::storage::Outbox`]: an operation queues its email, and one worker at a time claims an email.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::SecretString;
use shared::models::{EmailAddress, Timestamp, UserId};
use shared::storage::EmailKind::{self, PasswordChanged, ResetPassword, VerifyEmail, Welcome};
use shared::storage::{MAILBOX_EMAILS, QueuedEmail, SignUpOutcome, TokenHash, TokenPurpose};
use tokio::task::JoinSet;

use crate::accounts::{new_account, sign_up};
use crate::fixtures::{self, at_second, just_after, new_user_id};
use crate::store_factory::{AccountStore, StoreFactory};

type AccountFactory<'a> = &'a dyn StoreFactory<dyn AccountStore>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, outbox:
            a_sign_up_queues_one_verification_email,
            a_refused_sign_up_queues_no_email,
            only_the_first_verification_queues_a_welcome_email,
            each_password_change_queues_a_notification,
            a_refused_change_or_a_rehash_queues_no_notification,
            a_reset_queues_a_notification_and_invalidates_the_verification_link,
            a_password_change_cancels_the_queued_reset_link,
            the_email_due_longest_is_claimed_first,
            a_claimed_email_cannot_be_claimed_until_the_claim_expires,
            concurrent_claims_return_different_emails,
            a_completed_email_is_not_claimed_again,
            a_postponed_email_is_due_at_its_retry_time,
            completing_after_the_claim_expired_changes_nothing,
            a_link_is_queued_at_most_once_a_minute,
            the_minute_applies_per_account_and_kind,
            a_reset_for_an_unknown_address_writes_as_many_rows,
            completed_emails_are_purged_after_a_minute,
            pending_emails_are_not_purged,
            a_deleted_account_is_sent_no_email,
            a_mailbox_receives_a_bounded_number_of_emails,
        }
    };
}
pub(crate) use suite;

/// Duration of a claim, in seconds. The email is due again afterwards unless it was completed.
const CLAIM_SECONDS: i64 = 5_000;

async fn claim(store: &dyn AccountStore, now: i64) -> Option<QueuedEmail> {
    store.claim(at_second(now), at_second(now + CLAIM_SECONDS)).await.expect("the write succeeds")
}

/// Claims all emails that are due.
async fn claim_all(store: &dyn AccountStore, now: i64) -> Vec<QueuedEmail> {
    let mut mails = Vec::new();
    while let Some(mail) = claim(store, now).await {
        mails.push(mail);
    }
    mails
}

async fn complete(store: &dyn AccountStore, mail: &QueuedEmail, retry_at: Option<Timestamp>) {
    store.complete(mail, retry_at).await.expect("the write succeeds");
}

/// Creates the account `name` and completes its emails.
async fn sign_up_and_deliver(store: &dyn AccountStore, name: &str) -> UserId {
    let user = sign_up(store, name).await;
    deliver(store, 1).await;
    user
}

/// Completes all emails that are due and returns their recipients and kinds.
async fn deliver(store: &dyn AccountStore, now: i64) -> BTreeSet<(UserId, &'static str)> {
    let mails = claim_all(store, now).await;
    for mail in &mails {
        complete(store, mail, None).await;
    }
    mails.into_iter().map(|mail| (mail.user, mail.kind.name())).collect()
}

fn mails<const N: usize>(mails: [(UserId, EmailKind); N]) -> BTreeSet<(UserId, &'static str)> {
    mails.into_iter().map(|(user, kind)| (user, kind.name())).collect()
}

async fn purge_completed(store: &dyn AccountStore, now: Timestamp, batch: usize) -> u64 {
    store.purge_completed(now, batch).await.expect("the write succeeds")
}

async fn request_reset(store: &dyn AccountStore, address: &str, now: i64) {
    let address = EmailAddress::parse(address).expect("a valid address");
    store.request_reset(&address, at_second(now)).await.expect("the write succeeds");
}

async fn request_verification(store: &dyn AccountStore, user: UserId, now: i64) {
    store.request_verification(user, at_second(now)).await.expect("the write succeeds");
}

async fn issue(store: &dyn AccountStore, user: UserId, purpose: TokenPurpose) -> TokenHash {
    let token = TokenHash::of(format!("{} of {user}", purpose.name()).as_bytes());
    assert!(fixtures::issue(store, user, purpose, &token, at_second(1_000)).await);
    token
}

async fn change(store: &dyn AccountStore, user: UserId, old: &str, new: &str, now: i64) -> bool {
    let (old, new) = (SecretString::from(old), SecretString::from(new));
    store.change_password(user, &old, &new, at_second(now)).await.expect("a refusal is not an error")
}

pub(crate) async fn a_sign_up_queues_one_verification_email(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = new_account("ada", "ada@example.com");
    for _ in 0..2 {
        assert_eq!(store.create(&ada).await.expect("the write succeeds"), SignUpOutcome::Created);
    }
    let mail = claim(&*store, 1).await.expect("an email is due immediately");
    assert_eq!(mail, QueuedEmail { user: ada.id, kind: VerifyEmail, queued_at: at_second(1), attempt: 1 });
    assert_eq!(claim(&*store, 1).await, None);
}

pub(crate) async fn a_refused_sign_up_queues_no_email(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    sign_up_and_deliver(&*store, "ada").await;
    for (name, address) in [("ada", "free@example.com"), ("free", "ada@example.com")] {
        let outcome = store.create(&new_account(name, address)).await.expect("a refusal is not an error");
        assert_ne!(outcome, SignUpOutcome::Created);
    }
    assert_eq!(claim(&*store, 9).await, None);
}

pub(crate) async fn only_the_first_verification_queues_a_welcome_email(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up_and_deliver(&*store, "ada").await;
    for (now, expected) in [(2, mails([(ada, Welcome)])), (200, mails([]))] {
        let token = issue(&*store, ada, TokenPurpose::VerifyEmail).await;
        for _ in 0..2 {
            store.verify_email(&token, at_second(now)).await.expect("a refusal is not an error");
        }
        assert_eq!(deliver(&*store, now).await, expected);
        // Afterwards only the account records that the welcome email was sent.
        purge_completed(&*store, at_second(100), 10).await;
    }
}

pub(crate) async fn each_password_change_queues_a_notification(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up_and_deliver(&*store, "ada").await;
    assert!(change(&*store, ada, "first hash", "second hash", 2).await);
    assert_eq!(deliver(&*store, 2).await, mails([(ada, PasswordChanged)]));
    assert!(change(&*store, ada, "second hash", "third hash", 3).await);
    assert_eq!(deliver(&*store, 3).await, mails([(ada, PasswordChanged)]), "every change queues a notification");
}

pub(crate) async fn a_refused_change_or_a_rehash_queues_no_notification(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up_and_deliver(&*store, "ada").await;
    assert!(!change(&*store, ada, "a guess", "stolen", 2).await);
    assert!(!change(&*store, new_user_id(), "first hash", "stolen", 2).await);
    let (old, new) = ("first hash".into(), "stronger hash".into());
    store.rehash(ada, &old, &new).await.expect("the write succeeds");
    assert_eq!(claim(&*store, 9).await, None);
}

pub(crate) async fn a_reset_queues_a_notification_and_invalidates_the_verification_link(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up_and_deliver(&*store, "ada").await, sign_up_and_deliver(&*store, "bob").await);
    let verify_ada = issue(&*store, ada, TokenPurpose::VerifyEmail).await;
    let verify_bob = issue(&*store, bob, TokenPurpose::VerifyEmail).await;
    let reset_ada = issue(&*store, ada, TokenPurpose::ResetPassword).await;
    let hash = SecretString::from("second hash");
    let user = store.reset_password(&reset_ada, &hash, at_second(2)).await.expect("the write succeeds");
    assert_eq!(user.expect("the token works").email_verified_at, Some(at_second(2)));
    assert_eq!(deliver(&*store, 2).await, mails([(ada, PasswordChanged), (ada, Welcome)]));
    assert_eq!(store.verify_email(&verify_ada, at_second(3)).await.expect("a refusal is not an error"), None);
    assert!(store.verify_email(&verify_bob, at_second(3)).await.expect("the write succeeds").is_some());

    deliver(&*store, 3).await;
    let second_token = issue(&*store, ada, TokenPurpose::ResetPassword).await;
    for _ in 0..2 {
        store.reset_password(&second_token, &hash, at_second(4)).await.expect("a refusal is not an error");
    }
    assert_eq!(deliver(&*store, 4).await, mails([(ada, PasswordChanged)]), "the address was already verified");
}

pub(crate) async fn a_password_change_cancels_the_queued_reset_link(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up_and_deliver(&*store, "ada").await, sign_up_and_deliver(&*store, "bob").await);
    request_reset(&*store, "bob@example.com", 100).await;
    request_reset(&*store, "ada@example.com", 100).await;
    assert!(!change(&*store, ada, "a guess", "stolen", 101).await);
    assert!(change(&*store, ada, "first hash", "second hash", 101).await);
    assert_eq!(deliver(&*store, 101).await, mails([(ada, PasswordChanged), (bob, ResetPassword)]));

    let token = issue(&*store, ada, TokenPurpose::ResetPassword).await;
    request_reset(&*store, "ada@example.com", 200).await;
    request_reset(&*store, "bob@example.com", 200).await;
    let user = store.reset_password(&token, &"third hash".into(), at_second(201)).await.expect("the write succeeds");
    assert!(user.is_some());
    let expected = mails([(ada, PasswordChanged), (ada, Welcome), (bob, ResetPassword)]);
    assert_eq!(deliver(&*store, 201).await, expected);
}

pub(crate) async fn the_email_due_longest_is_claimed_first(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let mut users = Vec::new();
    for (name, requested_at) in [("ada", 30), ("bob", 10), ("cleo", 20), ("dora", 99)] {
        let user = sign_up_and_deliver(&*store, name).await;
        request_reset(&*store, &format!("{name}@example.com"), requested_at).await;
        users.push(user);
    }
    let order: Vec<_> = claim_all(&*store, 50).await.iter().map(|mail| mail.user).collect();
    assert_eq!(order, [users[1], users[2], users[0]]);
}

pub(crate) async fn a_claimed_email_cannot_be_claimed_until_the_claim_expires(factory: AccountFactory<'_>) {
    let (store, other) = (factory.open().await, factory.open().await);
    let ada = sign_up(&*store, "ada").await;
    assert!(claim(&*store, 1).await.is_some());
    for now in [1, 100, CLAIM_SECONDS] {
        assert_eq!(claim(&*other, now).await, None);
    }
    let second_claim = claim(&*other, 1 + CLAIM_SECONDS).await;
    assert_eq!(second_claim, Some(QueuedEmail { user: ada, kind: VerifyEmail, queued_at: at_second(1), attempt: 2 }));
}

pub(crate) async fn concurrent_claims_return_different_emails(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    for index in 0..20 {
        sign_up(&*store, &format!("user{index}")).await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store: Arc<dyn AccountStore> = factory.open().await;
        tasks.spawn(async move { claim_all(&*store, 1).await });
    }
    let claimed: Vec<_> = tasks.join_all().await.into_iter().flatten().map(|mail| mail.user).collect();
    assert_eq!(claimed.len(), 20);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 20);
}

pub(crate) async fn a_completed_email_is_not_claimed_again(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    let first = claim(&*store, 1).await.expect("an email is due");
    complete(&*store, &first, None).await;
    let other = if first.user == ada { bob } else { ada };
    assert_eq!(claim_all(&*store, CLAIM_SECONDS * 2).await.iter().map(|mail| mail.user).collect::<Vec<_>>(), [other]);
}

pub(crate) async fn a_postponed_email_is_due_at_its_retry_time(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    sign_up(&*store, "ada").await;
    let first = claim(&*store, 1).await.expect("an email is due");
    complete(&*store, &first, Some(at_second(100))).await;
    assert_eq!(claim(&*store, 99).await, None);
    let second_claim = claim(&*store, 100).await.expect("the email is due");
    assert_eq!(second_claim, QueuedEmail { attempt: 2, ..first });
}

pub(crate) async fn completing_after_the_claim_expired_changes_nothing(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    let first = claim(&*store, 1).await.expect("an email is due");
    // The email is requested again while the first one is being sent.
    request_verification(&*store, ada, 100).await;
    complete(&*store, &first, None).await;
    let newer = claim(&*store, 100).await.expect("the newer request is queued");
    assert_eq!(newer, QueuedEmail { queued_at: at_second(100), ..first });
    // Another worker claims the email because the first claim expired.
    let second_claim = claim(&*store, 100 + CLAIM_SECONDS).await.expect("the email is due again");
    assert_eq!(second_claim.attempt, 2);
    complete(&*store, &newer, None).await;
    assert!(claim(&*store, 100 + 2 * CLAIM_SECONDS).await.is_some());
}

pub(crate) async fn a_link_is_queued_at_most_once_a_minute(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    for (kind, from) in [(VerifyEmail, 1), (ResetPassword, 1_000)] {
        let request = async |now| match kind {
            VerifyEmail => request_verification(&*store, ada, now).await,
            _ => request_reset(&*store, "ADA@example.com", now).await,
        };
        request(from).await;
        let first = claim(&*store, from).await.expect("an email is due");
        assert_eq!((first.user, first.kind, first.queued_at), (ada, kind, at_second(from)));
        request(from + 1).await;
        assert_eq!(claim(&*store, from + 59).await, None, "the email is being sent");
        complete(&*store, &first, None).await;
        request(from + 59).await;
        assert_eq!(claim(&*store, from + 59).await, None, "the email was sent less than a minute ago");
        request(from + 60).await;
        let next = claim(&*store, from + 60).await.expect("a minute has passed");
        assert_eq!(next, QueuedEmail { queued_at: at_second(from + 60), ..first });
        complete(&*store, &next, None).await;
    }
}

pub(crate) async fn the_minute_applies_per_account_and_kind(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up_and_deliver(&*store, "ada").await, sign_up_and_deliver(&*store, "bob").await);
    request_verification(&*store, ada, 100).await;
    for name in ["ada", "bob"] {
        request_reset(&*store, &format!("{name}@example.com"), 101).await;
    }
    let expected = mails([(ada, VerifyEmail), (ada, ResetPassword), (bob, ResetPassword)]);
    assert_eq!(deliver(&*store, 101).await, expected);
}

pub(crate) async fn a_reset_for_an_unknown_address_writes_as_many_rows(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up_and_deliver(&*store, "ada").await;
    purge_completed(&*store, at_second(100), 10).await;
    for now in [200, 201, 259] {
        request_reset(&*store, "ada@example.com", now).await;
        request_reset(&*store, "nobody@example.com", now).await;
        request_reset(&*store, "NOBODY@example.com", now).await;
    }
    let delivered = deliver(&*store, 300).await;
    assert!(delivered.len() == 2 && delivered.contains(&(ada, ResetPassword.name())), "{delivered:?}");
    // Each address has one row, which is purged after the same minute.
    assert_eq!(purge_completed(&*store, at_second(259), 10).await, 0);
    assert_eq!(purge_completed(&*store, at_second(260), 10).await, 2);
    // An account created later under that address is not affected by the earlier requests.
    request_reset(&*store, "nobody@example.com", 400).await;
    deliver(&*store, 400).await;
    let nobody = sign_up_and_deliver(&*store, "nobody").await;
    request_reset(&*store, "nobody@example.com", 401).await;
    assert_eq!(deliver(&*store, 401).await, mails([(nobody, ResetPassword)]));
}

pub(crate) async fn completed_emails_are_purged_after_a_minute(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    for index in 0..7 {
        sign_up_and_deliver(&*store, &format!("user{index}")).await;
    }
    assert_eq!(purge_completed(&*store, Timestamp::from_micros(at_second(61).micros() - 1), 3).await, 0);
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(purge_completed(&*store, at_second(61), 3).await);
    }
    assert_eq!(removed, [3, 3, 1, 0]);
}

pub(crate) async fn pending_emails_are_not_purged(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    sign_up(&*store, "ada").await;
    let claimed = claim(&*store, 1).await.expect("an email is due");
    sign_up(&*store, "bob").await;
    assert_eq!(purge_completed(&*store, at_second(CLAIM_SECONDS * 9), 10).await, 0);
    assert_eq!(claim_all(&*store, 2).await.len(), 1);
    complete(&*store, &claimed, Some(just_after(at_second(3)))).await;
    assert_eq!(purge_completed(&*store, at_second(CLAIM_SECONDS * 9), 10).await, 0);
    assert_eq!(claim_all(&*store, 4).await.len(), 1);
}

pub(crate) async fn a_deleted_account_is_sent_no_email(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    request_reset(&*store, "ada@example.com", 2).await;
    tests::begin_deletion(&*store, ada, at_second(3)).await;
    request_reset(&*store, "ada@example.com", 100).await;
    let delivered = deliver(&*store, 100).await;
    assert!(
        delivered.iter().all(|(user, _)| *user != ada) && delivered.contains(&(bob, VerifyEmail.name())),
        "{delivered:?}"
    );
}

pub(crate) async fn a_mailbox_receives_a_bounded_number_of_emails(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let [ada, bob] = ["ada", "bob"].map(|mailbox| TokenHash::of(mailbox.as_bytes()));
    let count = async |mailbox: &TokenHash, now| {
        let mut counting = JoinSet::new();
        for _ in 0..20 {
            let (store, mailbox) = (store.clone(), mailbox.clone());
            counting.spawn(async move {
                store.count_for_mailbox(&mailbox, at_second(now)).await.expect("the write succeeds")
            });
        }
        counting.join_all().await.into_iter().filter(|may_receive| *may_receive).count()
    };
    let most = usize::try_from(MAILBOX_EMAILS).expect("a small number");
    assert_eq!((count(&ada, 1).await, count(&bob, 1).await), (most, most));
    for (now, expected) in [(360, 0), (361, 1), (1_081, 2)] {
        assert_eq!(count(&ada, now).await, expected, "at {now} s");
    }
    // A purge changes no limit.
    store.purge_completed(at_second(1_081), 100).await.expect("the write succeeds");
    assert_eq!(count(&ada, 1_082).await, 0);
    store.purge_completed(at_second(10_000), 100).await.expect("the write succeeds");
    assert_eq!((count(&ada, 10_000).await, count(&bob, 10_000).await), (most, most));
}
