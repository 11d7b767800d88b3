//! Catalogue of the initial states of runs.

use std::rc::Rc;

use model::{
    Change, ChangeResult, Choice, Content, Edit, Effect, EmailKind, Key, Request, Response, Upload, UploadResponse,
};
use shared::models::{ItemType, Strategy, Timestamp};

use crate::cluster::Cluster;
use crate::run::{Run, Tokens, saved_query};

/// Time after which tombstones and resolved conflicts are purged, in seconds.
const PURGE_AFTER_SECONDS: i64 = 31 * 24 * 3_600;

/// Initial state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InitialState {
    /// No item.
    Empty,
    /// One item, created on the laptop.
    Item,
    /// One item, created and deleted on the laptop.
    DeletedItem,
    /// An open conflict of an edit on the phone.
    OpenConflict,
    /// A conflict resolved by last-write-wins in favour of the phone.
    LocalWonConflict,
    /// A conflict resolved by last-write-wins in favour of the laptop.
    RemoteWonConflict,
    /// A conflict resolved by `keep_both`: the edit on the phone became a copy.
    ConflictWithCopy,
    /// A conflict resolved by the user.
    UserResolvedConflict,
    /// One history entry.
    History,
    /// Deleted items and a resolved conflict that the next purge removes, and a full sync in progress.
    PurgeDue,
    /// A deletion of the account that was interrupted after its first step.
    DeletionBegun,
    /// Two queued emails: one with a verification link, one with a password reset link.
    EmailDue,
    /// A password reset link was sent.
    ResetLinkSent,
    /// A refresh token was just rotated.
    RotatedToken,
    /// Two items, in an account with room for three.
    AlmostFull,
    /// A deleted item and two other ones, in an account with room for three.
    AlmostFullAfterDeletion,
}

impl InitialState {
    /// States at the quota.
    pub(crate) const AT_QUOTA: [Self; 2] = [Self::AlmostFull, Self::AlmostFullAfterDeletion];
    /// All other states.
    pub(crate) const ALL: [Self; 14] = [
        Self::Empty,
        Self::Item,
        Self::DeletedItem,
        Self::OpenConflict,
        Self::LocalWonConflict,
        Self::RemoteWonConflict,
        Self::ConflictWithCopy,
        Self::UserResolvedConflict,
        Self::History,
        Self::PurgeDue,
        Self::DeletionBegun,
        Self::EmailDue,
        Self::ResetLinkSent,
        Self::RotatedToken,
    ];

    /// Returns the maximum number of items of an account in this state.
    pub(crate) const fn quota(self) -> Option<i64> {
        if matches!(self, Self::AlmostFull | Self::AlmostFullAfterDeletion) { Some(3) } else { None }
    }
}

/// Run in its initial state, with the ids, versions and tokens that its operations use.
pub(crate) struct Scenario {
    pub(crate) run: Rc<Run>,
    pub(crate) state: InitialState,
    /// Sessions of three devices: laptop, phone, tablet.
    pub(crate) sessions: [Tokens; 3],
    /// Version of the item that the laptop has seen.
    pub(crate) version: i64,
    /// Content of the first version of the item.
    pub(crate) first: Option<Content>,
    /// Id and revision of the conflict of the phone.
    pub(crate) conflict: Option<(String, i64)>,
    /// Newest change of the phone.
    pub(crate) phone_change: Option<Change>,
    /// Cursor of a device that has downloaded everything.
    pub(crate) cursor: Timestamp,
    /// Cursor of a device before the deletions.
    pub(crate) early_cursor: Timestamp,
    /// Cursor of the device `pager` in the middle of a full sync.
    pub(crate) page_cursor: Option<Timestamp>,
    /// Token in a password reset link.
    pub(crate) link: Option<String>,
    /// Refresh token that was rotated.
    pub(crate) rotated: Option<String>,
}

impl Scenario {
    /// Creates a run in the state `state`.
    pub(crate) async fn new(cluster: &Rc<Cluster>, state: InitialState) -> Self {
        let run = Run::new(cluster).await;
        let sessions = [run.new_session().await, run.new_session().await, run.new_session().await];
        let mut scenario = Self {
            run,
            state,
            sessions,
            version: 0,
            first: None,
            conflict: None,
            phone_change: None,
            cursor: Timestamp::EPOCH,
            early_cursor: Timestamp::EPOCH,
            page_cursor: None,
            link: None,
            rotated: None,
        };
        scenario.prepare().await;
        scenario
    }

    async fn prepare(&mut self) {
        match self.state {
            InitialState::Empty => {}
            InitialState::Item => self.write_on_laptop().await,
            InitialState::DeletedItem => {
                self.write_on_laptop().await;
                self.delete_on_laptop().await;
            }
            InitialState::OpenConflict => self.create_phone_conflict(Strategy::UserChoice, 1).await,
            InitialState::LocalWonConflict => self.create_phone_conflict(Strategy::LastWriteWins, 1).await,
            InitialState::RemoteWonConflict => self.create_phone_conflict(Strategy::LastWriteWins, -1_000).await,
            InitialState::ConflictWithCopy => self.create_phone_conflict(Strategy::KeepBoth, 1).await,
            InitialState::UserResolvedConflict => {
                self.create_phone_conflict(Strategy::UserChoice, 1).await;
                self.resolve(Choice::Remote).await;
            }
            InitialState::History => {
                let entry = self.change("laptop", history("h"), Edit::Create(self.content()), 0, 0);
                self.upload(0, "laptop", Strategy::LastWriteWins, entry).await;
            }
            InitialState::PurgeDue => self.prepare_purge().await,
            InitialState::DeletionBegun => {
                self.write_on_laptop().await;
                self.run.call(Request::BeginDeletion).await;
            }
            InitialState::EmailDue => {
                self.run.call(Request::RequestReset).await;
            }
            InitialState::ResetLinkSent => {
                self.run.call(Request::RequestReset).await;
                let Response::Emails(mails) = self.run.call(Request::DeliverEmail).await else { panic!("no emails") };
                let reset = mails.into_iter().find(|mail| mail.kind == EmailKind::ResetPassword);
                self.link = reset.and_then(|mail| mail.link);
            }
            InitialState::RotatedToken => {
                let old = self.sessions[1].refresh.clone();
                let response = self.run.call(Request::Refresh { refresh_token: old.clone() }).await;
                let Response::Tokens { access, refresh } = response else { panic!("no tokens") };
                self.sessions[1] = Tokens { access, refresh };
                self.rotated = Some(old);
            }
            InitialState::AlmostFull => {
                self.write_on_laptop().await;
                self.create_on_laptop("other").await;
            }
            InitialState::AlmostFullAfterDeletion => {
                self.write_on_laptop().await;
                self.delete_on_laptop().await;
                self.create_on_laptop("other").await;
                self.create_on_laptop("third").await;
            }
        }
        if self.state != InitialState::DeletionBegun {
            self.cursor = self.download_all().await;
        }
    }

    /// Downloads everything on the laptop and returns the cursor.
    async fn download_all(&self) -> Timestamp {
        match self.run.call(self.download(0, "laptop", None, 1_000)).await {
            Response::Page(page) => page.sync_timestamp,
            other => panic!("{other:?} is not a page"),
        }
    }

    /// Creates or edits the item on the laptop.
    async fn write_on_laptop(&mut self) {
        let content = self.content();
        self.first.get_or_insert_with(|| content.clone());
        let edit = if self.version == 0 { Edit::Create(content) } else { Edit::Update(content) };
        let change = self.change("laptop", saved_query("i"), edit, self.version, 0);
        let uploaded = self.upload(0, "laptop", Strategy::LastWriteWins, change).await;
        let [ChangeResult::Applied { version, effect: Effect::AsSent, .. }] = uploaded.results[..] else {
            panic!("{uploaded:?} is not applied")
        };
        self.version = version;
    }

    async fn create_on_laptop(&self, id: &str) {
        let create = self.change("laptop", saved_query(id), Edit::Create(self.content()), 0, 0);
        self.upload(0, "laptop", Strategy::LastWriteWins, create).await;
    }

    async fn delete_on_laptop(&mut self) {
        let change = self.change("laptop", saved_query("i"), Edit::Delete, self.version, 0);
        self.upload(0, "laptop", Strategy::LastWriteWins, change).await;
        self.version += 1;
    }

    /// Edits the same version on the laptop and then on the phone. The edit on the phone is `offset_seconds` later; a
    /// negative offset makes it earlier.
    async fn create_phone_conflict(&mut self, strategy: Strategy, offset_seconds: i64) {
        self.write_on_laptop().await;
        self.write_on_laptop().await;
        self.run.call(Request::AdvanceClock { seconds: 2 }).await;
        let change = self.change("phone", saved_query("i"), Edit::Update(self.content()), 1, offset_seconds - 2);
        let uploaded = self.upload(1, "phone", strategy, change.clone()).await;
        let [ChangeResult::Conflict { conflict, .. }] = &uploaded.results[..] else {
            panic!("{uploaded:?} is not a conflict")
        };
        self.conflict = Some((conflict.id.clone(), conflict.revision));
        self.phone_change = Some(change);
        if strategy == Strategy::LastWriteWins && offset_seconds > 0 {
            self.version += 1;
        }
    }

    async fn resolve(&mut self, choice: Choice) {
        let (conflict, _) = self.conflict.clone().expect("the scenario has a conflict");
        let token = self.sessions[0].access.clone();
        self.run.call(Request::Resolve { token, conflict, choice, revision: None }).await;
        self.version += 1;
    }

    async fn prepare_purge(&mut self) {
        self.create_phone_conflict(Strategy::LastWriteWins, 1).await;
        for id in ["old", "older"] {
            self.create_on_laptop(id).await;
        }
        self.early_cursor = self.download_all().await;
        for id in ["old", "older"] {
            let delete = self.change("laptop", saved_query(id), Edit::Delete, 1, 0);
            self.upload(0, "laptop", Strategy::LastWriteWins, delete).await;
        }
        self.run.call(Request::AdvanceClock { seconds: PURGE_AFTER_SECONDS }).await;
        // The first sessions have expired.
        self.sessions = [self.run.new_session().await, self.run.new_session().await, self.run.new_session().await];
        for id in ["live", "alive"] {
            self.create_on_laptop(id).await;
        }
        let first = self.run.call(self.download(2, "pager", None, 1)).await;
        let Response::Page(page) = first else { panic!("{first:?} is not a page") };
        self.page_cursor = Some(page.sync_timestamp);
    }

    /// Returns unique content for an edit.
    pub(crate) fn content(&self) -> Content {
        Content { name: "n".to_owned(), text: self.run.unique_text() }
    }

    /// Returns the content of the first version of the item under the name `name`.
    pub(crate) fn renamed(&self, name: String) -> Content {
        let first = self.first.as_ref().expect("the scenario has an item");
        Content { name, text: first.text.clone() }
    }

    /// Returns a change with a unique id, made `offset_seconds` from now.
    pub(crate) fn change(&self, device: &str, key: Key, edit: Edit, base: i64, offset_seconds: i64) -> Change {
        let edit = match (key.item_type, edit) {
            (ItemType::QueryHistory, Edit::Create(content)) => {
                Edit::Create(Content { name: String::new(), text: content.text })
            }
            (_, edit) => edit,
        };
        let id = format!("{device} {} {}", self.run.unique_text(), key.id);
        Change { id, key, edit, base, updated_at: self.run.now().plus_seconds(offset_seconds) }
    }

    async fn upload(&self, session: usize, device: &str, strategy: Strategy, change: Change) -> UploadResponse {
        match self.run.call(self.upload_request(session, device, strategy, change)).await {
            Response::Uploaded(uploaded) => uploaded,
            other => panic!("{other:?} is not an upload response"),
        }
    }

    /// Returns an upload of one change by a device that has just downloaded.
    pub(crate) fn upload_request(&self, session: usize, device: &str, strategy: Strategy, change: Change) -> Request {
        self.upload_of(session, device, strategy, vec![change])
    }

    /// Returns an upload of `changes` by a device that has just downloaded.
    pub(crate) fn upload_of(&self, session: usize, device: &str, strategy: Strategy, changes: Vec<Change>) -> Request {
        let token = self.sessions[session].access.clone();
        let last_sync_at = Some(self.cursor).filter(|cursor| *cursor > Timestamp::EPOCH);
        Request::Upload { token, upload: Upload { device: device.to_owned(), last_sync_at, strategy, changes } }
    }

    /// Returns a download request.
    pub(crate) fn download(&self, session: usize, device: &str, since: Option<Timestamp>, limit: usize) -> Request {
        let token = self.sessions[session].access.clone();
        Request::Download { token, device: device.to_owned(), since, limit, item_type: None }
    }
}

/// Returns the key of the history entry `id`.
pub(crate) fn history(id: &str) -> Key {
    Key { item_type: ItemType::QueryHistory, id: id.to_owned() }
}
