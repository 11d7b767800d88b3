//! Tests of [`AccountEraser`]: the removal of an account from all stores, interrupted at every call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;
use shared::account_eraser::AccountEraser;
use shared::models::{DatabaseId, EmailAddress, ItemType, Session, SessionId, Timestamp, UserId, Username};
use shared::storage::{
    AccountStore, AuthOutcome, Deletions, NewAccount, NewSession, Purged, RateLimitRequest, Retention, Rotation,
    Sessions, SignUpOutcome, StoreError, StoreResult, SyncData, TokenHash,
};

use crate::fixtures::{at_second, content, key, new_user_id};
use crate::sessions::{authenticate, open};
use crate::store_factory::StoreFactory;
use crate::user_store::UserStore;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, account_eraser:
            a_removal_interrupted_before_any_call_can_be_continued,
            a_removal_whose_responses_are_lost_can_be_continued,
        }
    };
}
pub(crate) use suite;

/// All stores that hold data of an account.
#[derive(Clone)]
pub(crate) struct AllStores {
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) data: Arc<dyn SyncData>,
}

/// Stores that fail after a number of calls.
struct FailingStores {
    stores: AllStores,
    remaining_calls: AtomicUsize,
    /// Whether the failing call takes effect and only its response is lost.
    response_lost: bool,
}

impl FailingStores {
    async fn run<T>(&self, call: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        let remaining = self.remaining_calls.load(Ordering::SeqCst);
        let error = Err(StoreError::Unavailable { store: "test", reason: "injected failure".to_owned() });
        if remaining > 0 {
            self.remaining_calls.store(remaining - 1, Ordering::SeqCst);
            return call.await;
        }
        if self.response_lost {
            call.await?;
        }
        error
    }
}

#[async_trait]
impl Deletions for FailingStores {
    async fn begin_deletion(&self, user: UserId, password_hash: &SecretString, now: Timestamp) -> StoreResult<bool> {
        self.run(self.stores.accounts.begin_deletion(user, password_hash, now)).await
    }

    async fn pending_deletions(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        self.run(self.stores.accounts.pending_deletions(limit)).await
    }

    async fn finish_deletion(&self, user: UserId) -> StoreResult<()> {
        self.run(self.stores.accounts.finish_deletion(user)).await
    }
}

#[async_trait]
impl Sessions for FailingStores {
    async fn open(&self, session: &NewSession) -> StoreResult<()> {
        self.run(self.stores.sessions.open(session)).await
    }

    async fn authenticate(
        &self,
        user: UserId,
        id: SessionId,
        rate_limit: Option<&RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<AuthOutcome> {
        self.run(self.stores.sessions.authenticate(user, id, rate_limit, now)).await
    }

    async fn set_database(&self, user: UserId, database: DatabaseId) -> StoreResult<()> {
        self.run(self.stores.sessions.set_database(user, database)).await
    }

    async fn token_session(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<(UserId, SessionId)>> {
        self.run(self.stores.sessions.token_session(token, now)).await
    }

    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation> {
        self.run(self.stores.sessions.rotate(presented, next, expires_at, now)).await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        self.run(self.stores.sessions.list(user, now)).await
    }

    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool> {
        self.run(self.stores.sessions.end(user, id)).await
    }

    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()> {
        self.run(self.stores.sessions.end_others(user, except)).await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.run(self.stores.sessions.ping()).await
    }
}

#[async_trait]
impl Retention for FailingStores {
    async fn clean_up_moves(&self, _cutoff: Timestamp, _batch: usize, _batches: usize) -> StoreResult<u64> {
        unreachable!("the eraser does not move users")
    }

    async fn repair_totals(&self, _batch: usize, _batches: usize) -> StoreResult<u64> {
        unreachable!("an account eraser does not call it")
    }

    async fn invalidate_cursors(&self, _now: Timestamp, _batch: usize) -> StoreResult<u64> {
        unreachable!("an account eraser does not call it")
    }

    async fn purge(&self, cutoff: Timestamp, batch: usize, batches: usize) -> StoreResult<Purged> {
        self.run(self.stores.data.purge(cutoff, batch, batches)).await
    }

    async fn erase(&self, user: UserId, now: Timestamp, batch: usize) -> StoreResult<bool> {
        self.run(self.stores.data.erase(user, now, batch)).await
    }
}

/// Number of rows of the account: more than two batches of a removal.
const ROWS: usize = 2_500;

/// Creates an account with a session and [`ROWS`] history entries.
async fn populated_account(stores: &AllStores) -> (UserStore, Session) {
    let store = UserStore { data: stores.data.clone(), user: new_user_id() };
    let account = NewAccount {
        id: store.user,
        username: Username::parse(&store.user.to_string()).expect("a valid name"),
        email: EmailAddress::parse(&format!("{}@example.com", store.user)).expect("a valid address"),
        password_hash: SecretString::from("hash"),
        created_at: at_second(1),
        database: None,
    };
    assert_eq!(stores.accounts.create(&account).await.expect("the write succeeds"), SignUpOutcome::Created);
    let session = open(&*stores.sessions, store.user, &store.user.to_string(), 1).await;
    let keys: Vec<_> = (0..ROWS).map(|index| key(ItemType::QueryHistory, &index.to_string())).collect();
    store.write(|builder| keys.iter().fold(builder, |builder, key| builder.put(key, content(key, "text")))).await;
    (store, session)
}

/// Removes the account from stores that fail after `calls` calls; returns whether the removal completed.
async fn try_remove(stores: &AllStores, user: UserId, calls: usize, response_lost: bool) -> bool {
    let failing = FailingStores { stores: stores.clone(), remaining_calls: AtomicUsize::new(calls), response_lost };
    let account = stores.accounts.get(user).await.expect("the read succeeds");
    if let Some(account) = account
        && failing.begin_deletion(user, &account.password_hash, at_second(10)).await.is_err()
    {
        return false;
    }
    let eraser = AccountEraser { accounts: &failing, sessions: &failing, data: &failing };
    eraser.remove(user, at_second(10), 1_000).await.unwrap_or(false)
}

async fn interrupt_after(stores: &AllStores, calls: usize, response_lost: bool) -> bool {
    let (store, session) = populated_account(stores).await;
    let done = try_remove(stores, store.user, calls, response_lost).await;
    let begun = calls > 0 || response_lost;
    let exists = stores.accounts.get(store.user).await.expect("the read succeeds").is_some();
    assert_ne!(begun, exists, "after {calls} calls");

    // The deletion is pending unless nothing is left to do.
    let pending = stores.accounts.pending_deletions(10).await.expect("the read succeeds");
    let last_response_lost = !done && pending.is_empty() && begun;
    assert_eq!(pending.contains(&store.user), begun && !done && !last_response_lost);
    if last_response_lost {
        assert!(response_lost && store.item(&key(ItemType::QueryHistory, "0")).await.is_none());
    }

    assert!(try_remove(stores, store.user, usize::MAX, false).await);
    assert!(stores.accounts.pending_deletions(10).await.expect("the read succeeds").is_empty());
    assert!(authenticate(&*stores.sessions, &session, at_second(11)).await.is_none());
    for index in [0, ROWS - 1] {
        assert_eq!(store.item(&key(ItemType::QueryHistory, &index.to_string())).await, None);
    }
    assert!(store.load(&[]).await.is_err(), "the data stays closed");
    open(&*stores.sessions, new_user_id(), &format!("{} other", store.user), 1).await;
    done
}

async fn interrupt_at_every_call(stores: &AllStores, response_lost: bool) {
    let mut calls = 0;
    while !interrupt_after(stores, calls, response_lost).await {
        calls += 1;
    }
    assert!(calls > 6, "begin, sessions, several batches, finish: {calls}");
}

pub(crate) async fn a_removal_interrupted_before_any_call_can_be_continued(factory: &dyn StoreFactory<AllStores>) {
    interrupt_at_every_call(&*factory.open().await, false).await;
}

pub(crate) async fn a_removal_whose_responses_are_lost_can_be_continued(factory: &dyn StoreFactory<AllStores>) {
    interrupt_at_every_call(&*factory.open().await, true).await;
}
