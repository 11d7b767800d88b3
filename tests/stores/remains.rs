//! The removal of an account from every store, interrupted at every step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;
use shared::account_eraser::AccountEraser;
use shared::models::{EmailAddress, ItemType, Session, SessionId, Timestamp, UserId, Username};
use shared::storage::{
    AccountStore, AuthOutcome, Deletions, NewAccount, NewSession, Purged, RateLimitRequest, Retention, Rotation,
    Sessions, SignUpOutcome, StoreError, StoreResult, SyncData, TokenHash,
};

use crate::fixtures::{content, key, second, somebody};
use crate::line::Line;
use crate::place::Place;
use crate::sessions::{authenticate, open};

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, remains:
            a_removal_interrupted_before_any_step_goes_on,
            a_removal_whose_answers_are_lost_goes_on,
        }
    };
}
pub(crate) use suite;

/// Everywhere that an account leaves something.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) data: Arc<dyn SyncData>,
}

/// Stores that give up after so many calls, before the last or after it.
struct Brittle {
    stores: Stores,
    calls_left: AtomicUsize,
    /// Whether the call that fails has been carried out: an answer that was lost.
    answer_lost: bool,
}

impl Brittle {
    async fn attempt<T>(&self, call: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        let left = self.calls_left.load(Ordering::SeqCst);
        let broken = Err(StoreError::Unavailable { store: "test", reason: "as told".to_owned() });
        if left > 0 {
            self.calls_left.store(left - 1, Ordering::SeqCst);
            return call.await;
        }
        if self.answer_lost {
            call.await?;
        }
        broken
    }
}

#[async_trait]
impl Deletions for Brittle {
    async fn begin_deletion(&self, user: UserId, password_hash: &SecretString, now: Timestamp) -> StoreResult<bool> {
        self.attempt(self.stores.accounts.begin_deletion(user, password_hash, now)).await
    }

    async fn pending_deletions(&self, limit: usize) -> StoreResult<Vec<UserId>> {
        self.attempt(self.stores.accounts.pending_deletions(limit)).await
    }

    async fn finish_deletion(&self, user: UserId) -> StoreResult<()> {
        self.attempt(self.stores.accounts.finish_deletion(user)).await
    }
}

#[async_trait]
impl Sessions for Brittle {
    async fn open(&self, session: &NewSession) -> StoreResult<()> {
        self.attempt(self.stores.sessions.open(session)).await
    }

    async fn authenticate(
        &self,
        user: UserId,
        id: SessionId,
        rate_limit: Option<&RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<AuthOutcome> {
        self.attempt(self.stores.sessions.authenticate(user, id, rate_limit, now)).await
    }

    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation> {
        self.attempt(self.stores.sessions.rotate(presented, next, expires_at, now)).await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        self.attempt(self.stores.sessions.list(user, now)).await
    }

    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool> {
        self.attempt(self.stores.sessions.end(user, id)).await
    }

    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()> {
        self.attempt(self.stores.sessions.end_others(user, except)).await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.attempt(self.stores.sessions.ping()).await
    }
}

#[async_trait]
impl Retention for Brittle {
    async fn purge(&self, cutoff: Timestamp, batch: usize) -> StoreResult<Purged> {
        self.attempt(self.stores.data.purge(cutoff, batch)).await
    }

    async fn erase(&self, user: UserId, now: Timestamp, batch: usize) -> StoreResult<bool> {
        self.attempt(self.stores.data.erase(user, now, batch)).await
    }
}

/// Rows of one kind: more than two batches of a removal.
const ROWS: usize = 2_500;

/// An account with a session and a lot of data.
async fn settler(stores: &Stores) -> (Line, Session) {
    let line = Line { data: stores.data.clone(), user: somebody() };
    let account = NewAccount {
        id: line.user,
        username: Username::parse(&line.user.to_string()).expect("a name"),
        email: EmailAddress::parse(&format!("{}@example.com", line.user)).expect("an address"),
        password_hash: SecretString::from("hash"),
        created_at: second(1),
    };
    assert_eq!(stores.accounts.create(&account).await.expect("the store writes"), SignUpOutcome::Created);
    let session = open(&*stores.sessions, line.user, &line.user.to_string(), 1).await;
    let keys: Vec<_> = (0..ROWS).map(|place| key(ItemType::QueryHistory, &place.to_string())).collect();
    line.write(|draft| keys.iter().fold(draft, |draft, key| draft.put(key, content(key, "text")))).await;
    (line, session)
}

/// Removes the account by stores that fail after `calls` calls; whether that was enough.
async fn attempt(stores: &Stores, user: UserId, calls: usize, answer_lost: bool) -> bool {
    let brittle = Brittle { stores: stores.clone(), calls_left: AtomicUsize::new(calls), answer_lost };
    let account = stores.accounts.get(user).await.expect("the store answers");
    if let Some(account) = account
        && brittle.begin_deletion(user, &account.password_hash, second(10)).await.is_err()
    {
        return false;
    }
    let eraser = AccountEraser { accounts: &brittle, sessions: &brittle, data: &brittle };
    eraser.remove(user, second(10), 1_000).await.unwrap_or(false)
}

async fn interrupted_after(stores: &Stores, calls: usize, answer_lost: bool) -> bool {
    let (line, session) = settler(stores).await;
    let done = attempt(stores, line.user, calls, answer_lost).await;
    let begun = calls > 0 || answer_lost;
    let living = stores.accounts.get(line.user).await.expect("the store answers").is_some();
    assert_ne!(begun, living, "after {calls} calls");

    // Whoever follows up knows of it, unless there is nothing left to do.
    let pending = stores.accounts.pending_deletions(10).await.expect("the store answers");
    let last_answer_lost = !done && pending.is_empty() && begun;
    assert_eq!(pending.contains(&line.user), begun && !done && !last_answer_lost);
    if last_answer_lost {
        assert!(answer_lost && line.item(&key(ItemType::QueryHistory, "0")).await.is_none());
    }

    assert!(attempt(stores, line.user, usize::MAX, false).await);
    assert!(stores.accounts.pending_deletions(10).await.expect("the store answers").is_empty());
    assert!(authenticate(&*stores.sessions, &session, second(11)).await.is_none());
    for place in [0, ROWS - 1] {
        assert_eq!(line.item(&key(ItemType::QueryHistory, &place.to_string())).await, None);
    }
    assert!(line.load(&[]).await.is_err(), "the data stays closed");
    open(&*stores.sessions, somebody(), &format!("{} other", line.user), 1).await;
    done
}

async fn interrupted_everywhere(stores: &Stores, answer_lost: bool) {
    let mut calls = 0;
    while !interrupted_after(stores, calls, answer_lost).await {
        calls += 1;
    }
    assert!(calls > 6, "begin, sessions, several batches, finish: {calls}");
}

pub(crate) async fn a_removal_interrupted_before_any_step_goes_on(place: &dyn Place<Stores>) {
    interrupted_everywhere(&*place.open().await, false).await;
}

pub(crate) async fn a_removal_whose_answers_are_lost_goes_on(place: &dyn Place<Stores>) {
    interrupted_everywhere(&*place.open().await, true).await;
}
