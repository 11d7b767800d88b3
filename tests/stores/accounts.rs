//! Contract of [`shared::storage::Accounts`]: usernames and email addresses are unique among existing accounts.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use shared::models::{EmailAddress, Login, UserId, Username};
use shared::storage::{Account, NewAccount, SignUpOutcome};
use tokio::task::JoinSet;

use crate::fixtures::{at_second, new_user_id};
use crate::store_factory::{AccountStore, StoreFactory};

type AccountFactory<'a> = &'a dyn StoreFactory<dyn AccountStore>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, accounts:
            an_account_is_found_by_name_address_and_id,
            lookup_ignores_case,
            lookup_does_not_match_partial_names_or_patterns,
            a_username_is_unique,
            an_address_is_unique,
            a_refused_sign_up_creates_no_account,
            concurrent_sign_ups_with_one_username_create_one_account,
            concurrent_sign_ups_with_one_address_create_one_account,
            repeating_a_sign_up_creates_no_second_account,
            a_password_change_requires_the_current_hash,
            one_of_several_concurrent_password_changes_succeeds,
            a_rehash_requires_the_current_hash,
            ping_succeeds,
        }
    };
}
pub(crate) use suite;

pub(crate) fn new_account(name: &str, email: &str) -> NewAccount {
    NewAccount {
        id: new_user_id(),
        username: Username::parse(name).expect("a valid name"),
        email: EmailAddress::parse(email).expect("a valid address"),
        password_hash: "first hash".into(),
        created_at: at_second(1),
        database: None,
    }
}

/// Creates the account `name` with the address `name@example.com`.
pub(crate) async fn sign_up(store: &dyn AccountStore, name: &str) -> UserId {
    let account = new_account(name, &format!("{name}@example.com"));
    assert_eq!(store.create(&account).await.expect("the write succeeds"), SignUpOutcome::Created);
    account.id
}

pub(crate) async fn find(store: &dyn AccountStore, login: &str) -> Option<Account> {
    let login = login.parse::<Login>().expect("a short text");
    store.find(&login).await.expect("the read succeeds")
}

pub(crate) async fn get(store: &dyn AccountStore, id: UserId) -> Option<Account> {
    store.get(id).await.expect("the read succeeds")
}

async fn found_id(store: &dyn AccountStore, login: &str) -> Option<UserId> {
    find(store, login).await.map(|account| account.user.id)
}

pub(crate) async fn an_account_is_found_by_name_address_and_id(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let account = new_account("Ada Λ", "Ada@Example.com");
    assert_eq!(store.create(&account).await.expect("the write succeeds"), SignUpOutcome::Created);
    sign_up(&*store, "bob").await;
    let by_id = get(&*store, account.id).await;
    for found in [find(&*store, "Ada Λ").await, find(&*store, "Ada@Example.com").await, by_id] {
        let Account { user, password_hash } = found.expect("the account exists");
        assert_eq!((user.id, user.created_at, user.email_verified_at), (account.id, at_second(1), None));
        assert_eq!((user.username.as_str(), user.email.as_str()), ("Ada Λ", "Ada@Example.com"), "as typed");
        assert_eq!(password_hash.expose_secret(), "first hash");
    }
}

pub(crate) async fn lookup_ignores_case(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let account = new_account("Straße Ὀδυσσεύς", "Δοκιμή@Example.com");
    store.create(&account).await.expect("the write succeeds");
    for login in ["STRASSE ὈΔΥΣΣΕΎΣ", "straße ὀδυσσεύς", "δοκιμή@example.COM", "ΔΟΚΙΜΉ@EXAMPLE.COM"]
    {
        assert_eq!(found_id(&*store, login).await, Some(account.id), "{login}");
    }
}

pub(crate) async fn lookup_does_not_match_partial_names_or_patterns(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    sign_up(&*store, "ada").await;
    for login in ["", "ad", "adaa", "a%", "%", "_da", "ada ", "@example.com", "%@example.com", "' OR 1=1 --"] {
        assert_eq!(found_id(&*store, login).await, None, "{login}");
    }
    assert!(get(&*store, new_user_id()).await.is_none());
}

pub(crate) async fn a_username_is_unique(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    sign_up(&*store, "ada").await;
    for name in ["ada", "ADA", "ａｄａ"] {
        let duplicate = new_account(name, "other@example.com");
        assert_eq!(
            store.create(&duplicate).await.expect("a refusal is not an error"),
            SignUpOutcome::UsernameTaken,
            "{name}"
        );
    }
    let both = new_account("ada", "ada@example.com");
    assert_eq!(store.create(&both).await.expect("a refusal is not an error"), SignUpOutcome::UsernameTaken);
}

pub(crate) async fn an_address_is_unique(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    sign_up(&*store, "ada").await;
    for email in ["ada@example.com", "ADA@EXAMPLE.COM"] {
        let duplicate = new_account("another", email);
        assert_eq!(
            store.create(&duplicate).await.expect("a refusal is not an error"),
            SignUpOutcome::EmailTaken,
            "{email}"
        );
    }
}

pub(crate) async fn a_refused_sign_up_creates_no_account(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    let [name_taken, email_taken] = [new_account("ada", "free@example.com"), new_account("free", "ada@example.com")];
    for refused in [&name_taken, &email_taken] {
        store.create(refused).await.expect("a refusal is not an error");
        assert!(get(&*store, refused.id).await.is_none());
    }
    assert_eq!(found_id(&*store, "ada").await, Some(ada));
    for login in ["free", "free@example.com"] {
        assert_eq!(found_id(&*store, login).await, None, "{login}");
    }
    let free = new_account("free", "free@example.com");
    assert_eq!(store.create(&free).await.expect("the write succeeds"), SignUpOutcome::Created);
}

/// Creates all of `accounts` concurrently and returns the outcomes.
async fn create_concurrently(store: &Arc<dyn AccountStore>, accounts: Vec<NewAccount>) -> Vec<SignUpOutcome> {
    let mut tasks = JoinSet::new();
    for account in accounts {
        let store = store.clone();
        tasks.spawn(async move { store.create(&account).await.expect("a refusal is not an error") });
    }
    tasks.join_all().await
}

fn count_created(outcomes: &[SignUpOutcome]) -> usize {
    outcomes.iter().filter(|outcome| **outcome == SignUpOutcome::Created).count()
}

pub(crate) async fn concurrent_sign_ups_with_one_username_create_one_account(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    for round in 0..10 {
        let name = format!("ada {round}");
        let accounts = (0..8).map(|task| new_account(&name, &format!("ada{round}.{task}@example.com"))).collect();
        let outcomes = create_concurrently(&store, accounts).await;
        assert_eq!(count_created(&outcomes), 1, "{outcomes:?}");
        assert!(!outcomes.contains(&SignUpOutcome::EmailTaken));
    }
}

pub(crate) async fn concurrent_sign_ups_with_one_address_create_one_account(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    for round in 0..10 {
        let email = format!("ada{round}@example.com");
        let accounts = (0..8).map(|task| new_account(&format!("ada {round} {task}"), &email)).collect();
        let outcomes = create_concurrently(&store, accounts).await;
        assert_eq!(count_created(&outcomes), 1, "{outcomes:?}");
        assert!(!outcomes.contains(&SignUpOutcome::UsernameTaken));
    }
}

pub(crate) async fn repeating_a_sign_up_creates_no_second_account(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = new_account("ada", "ada@example.com");
    for _ in 0..2 {
        // The response to the first request may have been lost.
        assert_eq!(store.create(&ada).await.expect("the write succeeds"), SignUpOutcome::Created);
    }
    assert_eq!(found_id(&*store, "ada").await, Some(ada.id));
}

async fn password(store: &dyn AccountStore, id: UserId) -> String {
    get(store, id).await.expect("the account exists").password_hash.expose_secret().to_owned()
}

pub(crate) async fn a_password_change_requires_the_current_hash(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    let hash = |text: &str| SecretString::from(text);
    let replace = async |id, old, new| {
        store.change_password(id, &hash(old), &hash(new), at_second(2)).await.expect("a refusal is not an error")
    };
    assert!(!replace(ada, "a guess", "stolen").await);
    assert!(!replace(new_user_id(), "first hash", "stolen").await);
    assert_eq!(password(&*store, ada).await, "first hash");
    assert!(replace(ada, "first hash", "second hash").await);
    assert!(!replace(ada, "first hash", "late").await);
    assert_eq!(password(&*store, ada).await, "second hash");
    assert_eq!(password(&*store, bob).await, "first hash");
}

pub(crate) async fn one_of_several_concurrent_password_changes_succeeds(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let ada = sign_up(&*store, "ada").await;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let new = format!("hash {task}");
            let (old, next) = (SecretString::from("first hash"), SecretString::from(new.as_str()));
            store.change_password(ada, &old, &next, at_second(2)).await.expect("the write succeeds").then_some(new)
        });
    }
    let winners: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners, [password(&*store, ada).await]);
}

pub(crate) async fn a_rehash_requires_the_current_hash(factory: AccountFactory<'_>) {
    let store = factory.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    for (old, new, expected) in [("a guess", "stolen", "first hash"), ("first hash", "stronger hash", "stronger hash")]
    {
        store.rehash(ada, &old.into(), &new.into()).await.expect("the write succeeds");
        assert_eq!(password(&*store, ada).await, expected);
    }
    assert_eq!(password(&*store, bob).await, "first hash");
}

pub(crate) async fn ping_succeeds(factory: AccountFactory<'_>) {
    factory.open().await.ping().await.expect("the read succeeds");
}
