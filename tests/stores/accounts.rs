//! The law of [`shared::storage::Accounts`]: among the living every name and every address is somebody's alone.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use shared::models::{EmailAddress, Login, UserId, Username};
use shared::storage::{Account, NewAccount, SignUpOutcome};
use tokio::task::JoinSet;

use crate::fixtures::{second, somebody};
use crate::place::{AccountStore, Place};

type AccountPlace<'a> = &'a dyn Place<dyn AccountStore>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, accounts:
            an_account_is_found_by_name_address_and_id,
            names_and_addresses_are_found_without_case,
            nobody_is_found_by_half_a_name,
            a_name_is_taken_once,
            an_address_is_taken_once,
            a_refused_account_is_not_there,
            of_racing_sign_ups_one_gets_the_name,
            of_racing_sign_ups_one_gets_the_address,
            making_the_same_account_again_makes_no_other,
            a_password_is_replaced_only_if_it_is_the_old_one,
            of_racing_password_changes_one_wins,
            a_rehash_replaces_the_hash_that_it_knew_alone,
            the_store_answers_a_ping,
        }
    };
}
pub(crate) use suite;

pub(crate) fn new_account(name: &str, email: &str) -> NewAccount {
    NewAccount {
        id: somebody(),
        username: Username::parse(name).expect("a name"),
        email: EmailAddress::parse(email).expect("an address"),
        password_hash: "first hash".into(),
        created_at: second(1),
    }
}

/// Signs `name` up under an address of theirs.
pub(crate) async fn sign_up(store: &dyn AccountStore, name: &str) -> UserId {
    let account = new_account(name, &format!("{name}@example.com"));
    assert_eq!(store.create(&account).await.expect("the store writes"), SignUpOutcome::Created);
    account.id
}

pub(crate) async fn find(store: &dyn AccountStore, login: &str) -> Option<Account> {
    let Ok(login) = login.parse::<Login>();
    store.find(&login).await.expect("the store answers")
}

pub(crate) async fn get(store: &dyn AccountStore, id: UserId) -> Option<Account> {
    store.get(id).await.expect("the store answers")
}

async fn found_id(store: &dyn AccountStore, login: &str) -> Option<UserId> {
    find(store, login).await.map(|account| account.user.id)
}

pub(crate) async fn an_account_is_found_by_name_address_and_id(place: AccountPlace<'_>) {
    let store = place.open().await;
    let made = new_account("Ada Λ", "Ada@Example.com");
    assert_eq!(store.create(&made).await.expect("the store writes"), SignUpOutcome::Created);
    sign_up(&*store, "bob").await;
    let by_id = get(&*store, made.id).await;
    for found in [find(&*store, "Ada Λ").await, find(&*store, "Ada@Example.com").await, by_id] {
        let Account { user, password_hash } = found.expect("the account is there");
        assert_eq!((user.id, user.created_at, user.email_verified_at), (made.id, second(1), None));
        assert_eq!((user.username.as_str(), user.email.as_str()), ("Ada Λ", "Ada@Example.com"), "as typed");
        assert_eq!(password_hash.expose_secret(), "first hash");
    }
}

pub(crate) async fn names_and_addresses_are_found_without_case(place: AccountPlace<'_>) {
    let store = place.open().await;
    let made = new_account("Straße Ὀδυσσεύς", "Δοκιμή@Example.com");
    store.create(&made).await.expect("the store writes");
    for login in ["STRASSE ὈΔΥΣΣΕΎΣ", "straße ὀδυσσεύς", "δοκιμή@example.COM", "ΔΟΚΙΜΉ@EXAMPLE.COM"]
    {
        assert_eq!(found_id(&*store, login).await, Some(made.id), "{login}");
    }
}

pub(crate) async fn nobody_is_found_by_half_a_name(place: AccountPlace<'_>) {
    let store = place.open().await;
    sign_up(&*store, "ada").await;
    for login in ["", "ad", "adaa", "a%", "%", "_da", "ada ", "@example.com", "%@example.com", "' OR 1=1 --"] {
        assert_eq!(found_id(&*store, login).await, None, "{login}");
    }
    assert!(get(&*store, somebody()).await.is_none());
}

pub(crate) async fn a_name_is_taken_once(place: AccountPlace<'_>) {
    let store = place.open().await;
    sign_up(&*store, "ada").await;
    for name in ["ada", "ADA", "ａｄａ"] {
        let again = new_account(name, "other@example.com");
        assert_eq!(store.create(&again).await.expect("a refusal is no fault"), SignUpOutcome::UsernameTaken, "{name}");
    }
    let both = new_account("ada", "ada@example.com");
    assert_eq!(store.create(&both).await.expect("a refusal is no fault"), SignUpOutcome::UsernameTaken);
}

pub(crate) async fn an_address_is_taken_once(place: AccountPlace<'_>) {
    let store = place.open().await;
    sign_up(&*store, "ada").await;
    for email in ["ada@example.com", "ADA@EXAMPLE.COM"] {
        let again = new_account("another", email);
        assert_eq!(store.create(&again).await.expect("a refusal is no fault"), SignUpOutcome::EmailTaken, "{email}");
    }
}

pub(crate) async fn a_refused_account_is_not_there(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    let [name_taken, email_taken] = [new_account("ada", "free@example.com"), new_account("free", "ada@example.com")];
    for refused in [&name_taken, &email_taken] {
        store.create(refused).await.expect("a refusal is no fault");
        assert!(get(&*store, refused.id).await.is_none());
    }
    assert_eq!(found_id(&*store, "ada").await, Some(ada));
    for login in ["free", "free@example.com"] {
        assert_eq!(found_id(&*store, login).await, None, "{login}");
    }
    let free = new_account("free", "free@example.com");
    assert_eq!(store.create(&free).await.expect("the store writes"), SignUpOutcome::Created);
}

/// Signs up all of `accounts` at once; how each of them fared.
async fn race(store: &Arc<dyn AccountStore>, accounts: Vec<NewAccount>) -> Vec<SignUpOutcome> {
    let mut racers = JoinSet::new();
    for account in accounts {
        let store = store.clone();
        racers.spawn(async move { store.create(&account).await.expect("a refusal is no fault") });
    }
    racers.join_all().await
}

fn created(outcomes: &[SignUpOutcome]) -> usize {
    outcomes.iter().filter(|outcome| **outcome == SignUpOutcome::Created).count()
}

pub(crate) async fn of_racing_sign_ups_one_gets_the_name(place: AccountPlace<'_>) {
    let store = place.open().await;
    for round in 0..10 {
        let name = format!("ada {round}");
        let accounts = (0..8).map(|racer| new_account(&name, &format!("ada{round}.{racer}@example.com"))).collect();
        let outcomes = race(&store, accounts).await;
        assert_eq!(created(&outcomes), 1, "{outcomes:?}");
        assert!(!outcomes.contains(&SignUpOutcome::EmailTaken));
    }
}

pub(crate) async fn of_racing_sign_ups_one_gets_the_address(place: AccountPlace<'_>) {
    let store = place.open().await;
    for round in 0..10 {
        let email = format!("ada{round}@example.com");
        let accounts = (0..8).map(|racer| new_account(&format!("ada {round} {racer}"), &email)).collect();
        let outcomes = race(&store, accounts).await;
        assert_eq!(created(&outcomes), 1, "{outcomes:?}");
        assert!(!outcomes.contains(&SignUpOutcome::UsernameTaken));
    }
}

pub(crate) async fn making_the_same_account_again_makes_no_other(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = new_account("ada", "ada@example.com");
    for _ in 0..2 {
        // The answer to the first may have been lost.
        assert_eq!(store.create(&ada).await.expect("the store writes"), SignUpOutcome::Created);
    }
    assert_eq!(found_id(&*store, "ada").await, Some(ada.id));
}

async fn password(store: &dyn AccountStore, id: UserId) -> String {
    get(store, id).await.expect("the account is there").password_hash.expose_secret().to_owned()
}

pub(crate) async fn a_password_is_replaced_only_if_it_is_the_old_one(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    let hash = |text: &str| SecretString::from(text);
    let replace = async |id, old, new| {
        store.change_password(id, &hash(old), &hash(new), second(2)).await.expect("a refusal is no fault")
    };
    assert!(!replace(ada, "a guess", "stolen").await);
    assert!(!replace(somebody(), "first hash", "stolen").await);
    assert_eq!(password(&*store, ada).await, "first hash");
    assert!(replace(ada, "first hash", "second hash").await);
    assert!(!replace(ada, "first hash", "late").await);
    assert_eq!(password(&*store, ada).await, "second hash");
    assert_eq!(password(&*store, bob).await, "first hash");
}

pub(crate) async fn of_racing_password_changes_one_wins(place: AccountPlace<'_>) {
    let store = place.open().await;
    let ada = sign_up(&*store, "ada").await;
    let mut racers = JoinSet::new();
    for racer in 0..8 {
        let store = store.clone();
        racers.spawn(async move {
            let new = format!("hash {racer}");
            let (old, next) = (SecretString::from("first hash"), SecretString::from(new.as_str()));
            store.change_password(ada, &old, &next, second(2)).await.expect("the store writes").then_some(new)
        });
    }
    let winners: Vec<String> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners, [password(&*store, ada).await]);
}

pub(crate) async fn a_rehash_replaces_the_hash_that_it_knew_alone(place: AccountPlace<'_>) {
    let store = place.open().await;
    let (ada, bob) = (sign_up(&*store, "ada").await, sign_up(&*store, "bob").await);
    for (old, new, then) in [("a guess", "stolen", "first hash"), ("first hash", "stronger hash", "stronger hash")] {
        store.rehash(ada, &old.into(), &new.into()).await.expect("the store writes");
        assert_eq!(password(&*store, ada).await, then);
    }
    assert_eq!(password(&*store, bob).await, "first hash");
}

pub(crate) async fn the_store_answers_a_ping(place: AccountPlace<'_>) {
    place.open().await.ping().await.expect("the store answers");
}
