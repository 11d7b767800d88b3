//! Run: an account, the calls on it, and their responses.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use model::{Call, Email, EmailKind, Key, Model, Request, Response};
use secrecy::{ExposeSecret, SecretString};
use shared::account_eraser::AccountEraser;
use shared::auth::OpaqueToken;
use shared::clock::{Clock, random_uuid};
use shared::mail::MemoryMailer;
use shared::models::{DatabaseId, EmailAddress, ItemType, Session, SessionId, Timestamp, UserId, Username};
use shared::placement::choose_database;
use shared::schedule::Scheduler;
use shared::storage::{NewAccount, NewSession};
use tests::begin_deletion;

use crate::cluster::Cluster;
use crate::executor::ActorScheduler;
use crate::wire;

/// Initial password of the account.
pub(crate) const PASSWORD: &str = "Sesame42";
/// Start time of each run.
const START_TIME: &str = "2026-03-01T00:00:00Z";
/// Lifetime of a session, in seconds.
const SESSION_SECONDS: i64 = 7 * 24 * 3_600;

/// Hash of [`PASSWORD`] with minimal parameters; a login replaces it by a hash with the current parameters.
static CHEAP_HASH: LazyLock<String> = LazyLock::new(|| {
    let params = Params::new(8, 1, 1, None).expect("the minimal parameters are valid");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).expect("the password hashes").to_string()
});

/// Tokens of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// Run of several concurrent calls on one account.
pub(crate) struct Run {
    pub(crate) cluster: Rc<Cluster>,
    name: String,
    user: UserId,
    /// Database of the user, if there are several.
    database: Option<DatabaseId>,
    start: Model,
    calls: RefCell<Vec<Call>>,
    /// Number of events so far: invocations and returns of calls.
    events: Cell<u64>,
    /// Event number at which the current call of each actor sent its first request.
    invoked_at: RefCell<Vec<Option<u64>>>,
    text_count: Cell<u32>,
}

impl Run {
    /// Creates a new account at the start time.
    pub(crate) async fn new(cluster: &Rc<Cluster>) -> Rc<Self> {
        let now: Timestamp = START_TIME.parse().expect("a valid time");
        cluster.clock.set(now);
        let id = random_uuid(&*cluster.random);
        let (user, name) = (UserId::new(id), format!("u{}", id.simple()));
        let set = cluster.stores.accounts().database_set().await.expect("the operation succeeds");
        let database = choose_database(user, &set.members);
        let account = NewAccount {
            id: user,
            username: Username::parse(&name).expect("a valid name"),
            email: EmailAddress::parse(&format!("{name}@example.com")).expect("a valid address"),
            password_hash: SecretString::from(CHEAP_HASH.as_str()),
            created_at: now,
            database,
        };
        cluster.stores.accounts().create(&account).await.expect("the operation succeeds");
        let mut start = Model::new(PASSWORD, now);
        start.data.quota = cluster.quota;
        start.has_moves = cluster.mover.is_some();
        Rc::new(Self {
            cluster: cluster.clone(),
            name,
            user,
            database,
            start,
            calls: RefCell::default(),
            events: Cell::new(0),
            invoked_at: RefCell::default(),
            text_count: Cell::new(0),
        })
    }

    /// Removes the account and all its data.
    pub(crate) async fn delete_account(&self) {
        let (accounts, sessions, data) =
            (self.cluster.stores.accounts(), self.cluster.stores.sessions(), self.cluster.stores.data());
        begin_deletion(&*accounts, self.user, self.now()).await;
        let eraser = AccountEraser { accounts: &*accounts, sessions: &*sessions, data: &*data };
        assert!(
            eraser.remove(self.user, self.now(), 100).await.expect("the operation succeeds"),
            "the removal is complete"
        );
        if let Some(mover) = &self.cluster.mover {
            mover.clean_up().await;
        }
    }

    /// Returns the current time.
    pub(crate) fn now(&self) -> Timestamp {
        self.cluster.clock.now()
    }

    /// Returns a text that no other edit of this run has.
    pub(crate) fn unique_text(&self) -> String {
        self.text_count.set(self.text_count.get() + 1);
        format!("select {}", self.text_count.get())
    }

    /// Returns the initial state and the calls so far.
    pub(crate) fn history(&self) -> (Model, Vec<Call>) {
        (self.start.clone(), self.calls.borrow().clone())
    }

    fn event(&self) -> u64 {
        self.events.set(self.events.get() + 1);
        self.events.get()
    }

    /// Records that a request of `actor` was released: its call has been invoked by now.
    pub(crate) fn request_released(&self, actor: usize) {
        let mut invoked_at = self.invoked_at.borrow_mut();
        if invoked_at.len() <= actor {
            invoked_at.resize(actor + 1, None);
        }
        if invoked_at[actor].is_none() {
            invoked_at[actor] = Some(self.event());
        }
    }

    /// Makes a call while no other call is in progress.
    pub(crate) async fn call(&self, request: Request) -> Response {
        let (clock, invoked) = (self.now(), self.event());
        let response = self.perform(0, &request, None).await;
        self.record(request, response.clone(), invoked, clock);
        response
    }

    /// Makes a call as one of several actors.
    pub(crate) async fn call_as(&self, actor_scheduler: &ActorScheduler, actor: usize, request: Request) -> Response {
        let clock = self.now();
        if let Some(invoked_at) = self.invoked_at.borrow_mut().get_mut(actor) {
            *invoked_at = None;
        }
        let response = self.perform(actor, &request, Some(actor_scheduler)).await;
        // A call that sends no request is invoked and returns at the same time.
        let invoked = self.invoked_at.borrow().get(actor).copied().flatten();
        let invoked = invoked.unwrap_or_else(|| self.event());
        self.record(request, response.clone(), invoked, clock);
        actor_scheduler.returned();
        response
    }

    fn record(&self, request: Request, response: Response, invoked: u64, clock: Timestamp) {
        let returned = self.event();
        self.calls.borrow_mut().push(Call { request, response, invoked, returned, clock });
    }

    async fn perform(&self, instance: usize, request: &Request, actor_scheduler: Option<&ActorScheduler>) -> Response {
        if let Some(call) = wire::call(&self.name, request) {
            let response = self.cluster.api(instance).send(call).await;
            return wire::response(request, &response);
        }
        match request {
            Request::OpenSession => {
                let tokens = self.open_session().await;
                Response::Tokens { access: tokens.access, refresh: tokens.refresh }
            }
            Request::BeginDeletion => {
                begin_deletion(&*self.cluster.stores.accounts(), self.user, self.now()).await;
                Response::Done
            }
            Request::DeliverEmail => self.deliver_email().await,
            Request::Purge => {
                let report = self.cluster.purge().run(self.now()).await.expect("the operation succeeds");
                let purge::Report { tombstones, conflicts, versions, .. } = report;
                Response::Purged { tombstones, conflicts, versions }
            }
            Request::MoveUser { back } => {
                let mover = self.cluster.mover.as_ref().expect("the cluster has several databases");
                let home = self.database.expect("the user is placed");
                mover.move_user(self.user, home, *back, &*self.cluster.clock).await;
                Response::Done
            }
            Request::AdvanceClock { seconds } => {
                if let Some(actor_scheduler) = actor_scheduler {
                    actor_scheduler.turn("clock", "advance").await;
                }
                self.cluster.clock.advance(*seconds);
                Response::Done
            }
            other => unreachable!("{other:?} is an API call"),
        }
    }

    async fn open_session(&self) -> Tokens {
        let (random, now) = (&*self.cluster.random, self.now());
        let session = Session {
            id: SessionId::new(random_uuid(random)),
            user: self.user,
            device: "test".to_owned(),
            ip: "127.0.0.1".to_owned(),
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus_seconds(SESSION_SECONDS),
        };
        let refresh = OpaqueToken::generate(random);
        let new = NewSession { session: session.clone(), refresh: refresh.hash(), database: self.database };
        self.cluster.stores.sessions().open(&new).await.expect("the operation succeeds");
        let (access, _) = self.cluster.tokens.issue(&session, random_uuid(random), now).expect("the token is issued");
        Tokens { access: access.expose_secret().to_owned(), refresh: refresh.expose().to_owned() }
    }

    async fn deliver_email(&self) -> Response {
        let mailer = Arc::new(MemoryMailer::default());
        let worker = self.cluster.outbox_worker(mailer.clone());
        worker.deliver(usize::MAX, std::time::Duration::from_secs(30)).await.expect("the operation succeeds");
        let mail = |mail: &shared::mail::Email| Email { kind: kind(mail.kind), link: mail.link_token() };
        Response::Emails(mailer.sent().iter().map(mail).collect())
    }

    /// Opens a session and returns its tokens.
    pub(crate) async fn new_session(&self) -> Tokens {
        match self.call(Request::OpenSession).await {
            Response::Tokens { access, refresh } => Tokens { access, refresh },
            other => panic!("{other:?} contains no tokens"),
        }
    }
}

/// Returns the key of the saved query `id`.
pub(crate) fn saved_query(id: &str) -> Key {
    Key { item_type: ItemType::SavedQuery, id: id.to_owned() }
}

const fn kind(kind: shared::storage::EmailKind) -> EmailKind {
    match kind {
        shared::storage::EmailKind::VerifyEmail => EmailKind::VerifyEmail,
        shared::storage::EmailKind::ResetPassword => EmailKind::ResetPassword,
        shared::storage::EmailKind::Welcome => EmailKind::Welcome,
        shared::storage::EmailKind::PasswordChanged => EmailKind::PasswordChanged,
    }
}
