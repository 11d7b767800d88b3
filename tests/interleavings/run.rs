//! One run: an account, the calls that concern it, and what they were answered.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use model::{Call, Key, Mail, MailKind, Model, Request, Response};
use secrecy::{ExposeSecret, SecretString};
use shared::account_eraser::AccountEraser;
use shared::auth::OpaqueToken;
use shared::clock::{Clock, random_uuid};
use shared::mail::MemoryMailer;
use shared::models::{EmailAddress, ItemType, Session, SessionId, Timestamp, UserId, Username};
use shared::schedule::Scheduler;
use shared::storage::{NewAccount, NewSession};
use tests::begin_deletion;

use crate::executor::Turns;
use crate::wire;
use crate::world::World;

/// The account's password in the beginning.
pub(crate) const PASSWORD: &str = "Sesame42";
/// Each run begins at this moment.
const START: &str = "2026-03-01T00:00:00Z";
/// Seconds for which a session lives.
const SESSION: i64 = 7 * 24 * 3_600;

/// The hash of [`PASSWORD`] with parameters that cost next to nothing; a login replaces it by one of today's.
static CHEAP_HASH: LazyLock<String> = LazyLock::new(|| {
    let params = Params::new(8, 1, 1, None).expect("the least that Argon2 takes");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).expect("a hash").to_string()
});

/// The tokens of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// One run.
pub(crate) struct Run {
    pub(crate) world: Rc<World>,
    name: String,
    user: UserId,
    start: Model,
    calls: RefCell<Vec<Call>>,
    /// Counts what happens: calls that begin and calls that return.
    events: Cell<u64>,
    /// When the current call of each actor sent its first request.
    began: RefCell<Vec<Option<u64>>>,
    texts: Cell<u32>,
}

impl Run {
    /// A new account, at the start of time.
    pub(crate) async fn new(world: &Rc<World>) -> Rc<Self> {
        let now: Timestamp = START.parse().expect("a time");
        world.clock.set(now);
        let id = random_uuid(&*world.random);
        let (user, name) = (UserId::new(id), format!("u{}", id.simple()));
        let account = NewAccount {
            id: user,
            username: Username::parse(&name).expect("a name"),
            email: EmailAddress::parse(&format!("{name}@example.com")).expect("an address"),
            password_hash: SecretString::from(CHEAP_HASH.as_str()),
            created_at: now,
        };
        world.stores.accounts().create(&account).await.expect("the store answers");
        Rc::new(Self {
            world: world.clone(),
            name,
            user,
            start: Model::new(PASSWORD, now),
            calls: RefCell::default(),
            events: Cell::new(0),
            began: RefCell::default(),
            texts: Cell::new(0),
        })
    }

    /// Removes the account with everything that it holds.
    pub(crate) async fn clear(&self) {
        let (accounts, sessions, data) =
            (self.world.stores.accounts(), self.world.stores.sessions(), self.world.stores.data());
        begin_deletion(&*accounts, self.user, self.now()).await;
        let eraser = AccountEraser { accounts: &*accounts, sessions: &*sessions, data: &*data };
        assert!(eraser.remove(self.user, self.now(), 100).await.expect("the stores answer"), "all is removed");
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// A text that no other edit of this run has.
    pub(crate) fn unique_text(&self) -> String {
        self.texts.set(self.texts.get() + 1);
        format!("select {}", self.texts.get())
    }

    /// The calls so far, and the state before them.
    pub(crate) fn history(&self) -> (Model, Vec<Call>) {
        (self.start.clone(), self.calls.borrow().clone())
    }

    fn event(&self) -> u64 {
        self.events.set(self.events.get() + 1);
        self.events.get()
    }

    /// An actor's request was released: the call that sent it has begun by now.
    pub(crate) fn released(&self, actor: usize) {
        let mut began = self.began.borrow_mut();
        if began.len() <= actor {
            began.resize(actor + 1, None);
        }
        if began[actor].is_none() {
            began[actor] = Some(self.event());
        }
    }

    /// Makes a call while no other is under way.
    pub(crate) async fn call(&self, request: Request) -> Response {
        let (clock, invoked) = (self.now(), self.event());
        let response = self.perform(0, &request, None).await;
        self.record(request, response.clone(), invoked, clock);
        response
    }

    /// Makes a call as one of several actors.
    pub(crate) async fn call_as(&self, turns: &Turns, actor: usize, request: Request) -> Response {
        let clock = self.now();
        if let Some(began) = self.began.borrow_mut().get_mut(actor) {
            *began = None;
        }
        let response = self.perform(actor, &request, Some(turns)).await;
        // A call that sends nothing takes no time.
        let invoked = self.began.borrow().get(actor).copied().flatten();
        let invoked = invoked.unwrap_or_else(|| self.event());
        self.record(request, response.clone(), invoked, clock);
        turns.returned();
        response
    }

    fn record(&self, request: Request, response: Response, invoked: u64, clock: Timestamp) {
        let returned = self.event();
        self.calls.borrow_mut().push(Call { request, response, invoked, returned, clock });
    }

    async fn perform(&self, instance: usize, request: &Request, turns: Option<&Turns>) -> Response {
        if let Some(call) = wire::call(&self.name, request) {
            let answer = self.world.api(instance).send(call).await;
            return wire::response(request, &answer);
        }
        match request {
            Request::OpenSession => {
                let tokens = self.open_session().await;
                Response::Tokens { access: tokens.access, refresh: tokens.refresh }
            }
            Request::BeginDeletion => {
                begin_deletion(&*self.world.stores.accounts(), self.user, self.now()).await;
                Response::Done
            }
            Request::DeliverMail => self.deliver_mail().await,
            Request::Purge => {
                let report = self.world.purge().run(self.now()).await.expect("the stores answer");
                Response::Purged { tombstones: report.tombstones, conflicts: report.conflicts }
            }
            Request::AdvanceClock { seconds } => {
                if let Some(turns) = turns {
                    turns.turn("clock", "advance").await;
                }
                self.world.clock.advance(*seconds);
                Response::Done
            }
            other => unreachable!("{other:?} is a call of the API"),
        }
    }

    async fn open_session(&self) -> Tokens {
        let (random, now) = (&*self.world.random, self.now());
        let session = Session {
            id: SessionId::new(random_uuid(random)),
            user: self.user,
            device: "test".to_owned(),
            ip: "127.0.0.1".to_owned(),
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus_seconds(SESSION),
        };
        let refresh = OpaqueToken::generate(random);
        let new = NewSession { session: session.clone(), refresh: refresh.hash() };
        self.world.stores.sessions().open(&new).await.expect("the store answers");
        let (access, _) = self.world.tokens.issue(&session, random_uuid(random), now).expect("a token");
        Tokens { access: access.expose_secret().to_owned(), refresh: refresh.expose().to_owned() }
    }

    async fn deliver_mail(&self) -> Response {
        let mailer = Arc::new(MemoryMailer::default());
        let worker = self.world.outbox_worker(mailer.clone());
        worker.deliver(usize::MAX, std::time::Duration::from_secs(30)).await.expect("the store answers");
        let mail = |mail: &shared::mail::Email| Mail { kind: kind(mail.kind), link: mail.link_token() };
        Response::Mails(mailer.sent().iter().map(mail).collect())
    }

    /// Opens a session; its tokens.
    pub(crate) async fn session(&self) -> Tokens {
        match self.call(Request::OpenSession).await {
            Response::Tokens { access, refresh } => Tokens { access, refresh },
            other => panic!("{other:?} holds no tokens"),
        }
    }
}

/// The saved query `id`.
pub(crate) fn saved_query(id: &str) -> Key {
    Key { item_type: ItemType::SavedQuery, id: id.to_owned() }
}

const fn kind(kind: shared::storage::MailKind) -> MailKind {
    match kind {
        shared::storage::MailKind::VerifyEmail => MailKind::VerifyEmail,
        shared::storage::MailKind::ResetPassword => MailKind::ResetPassword,
        shared::storage::MailKind::Welcome => MailKind::Welcome,
        shared::storage::MailKind::PasswordChanged => MailKind::PasswordChanged,
    }
}
