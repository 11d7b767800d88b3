//! The states in which operations meet: a catalogue.

use std::rc::Rc;

use model::{Applied, Change, Choice, Content, Edit, Key, MailKind, Request, Response, Upload, Uploaded};
use shared::models::{ItemType, Strategy, Timestamp};

use crate::run::{Run, Tokens, saved_query};
use crate::world::World;

/// Seconds after which what was deleted, or settled, is purged.
const PURGED_AFTER: i64 = 31 * 24 * 3_600;

/// The start state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Start {
    /// No item.
    Nothing,
    /// One item, of the laptop.
    Item,
    /// One item, which the laptop has deleted.
    DeletedItem,
    /// The phone's edit waits for the user.
    OpenConflict,
    /// The phone's edit won by last-write-wins.
    WonConflict,
    /// The phone's edit lost by last-write-wins.
    LostConflict,
    /// The phone's edit became a copy.
    Copy,
    /// The user chose between laptop and phone.
    ChosenConflict,
    /// An entry of the history.
    History,
    /// Deleted items and a settled conflict that the next purge removes, and a download in progress.
    PurgeDue,
    /// The account's deletion was interrupted after its first step.
    DeletionBegun,
    /// Mails wait: with a link to verify the address, and with one to choose a new password.
    MailDue,
    /// A link to choose a new password was mailed.
    LinkMailed,
    /// A refresh token was rotated just now.
    RotatedToken,
}

impl Start {
    pub(crate) const ALL: [Self; 14] = [
        Self::Nothing,
        Self::Item,
        Self::DeletedItem,
        Self::OpenConflict,
        Self::WonConflict,
        Self::LostConflict,
        Self::Copy,
        Self::ChosenConflict,
        Self::History,
        Self::PurgeDue,
        Self::DeletionBegun,
        Self::MailDue,
        Self::LinkMailed,
        Self::RotatedToken,
    ];
}

/// A start state, and the ids, versions and tokens that operations in it use.
pub(crate) struct Scene {
    pub(crate) run: Rc<Run>,
    pub(crate) start: Start,
    /// The sessions of three devices: laptop, phone, tablet.
    pub(crate) sessions: [Tokens; 3],
    /// The version that the laptop has seen of the item.
    pub(crate) version: i64,
    /// The phone's conflict, and its revision.
    pub(crate) conflict: Option<(String, i64)>,
    /// The phone's newest change.
    pub(crate) phone_change: Option<Change>,
    /// Where a device is that has downloaded everything.
    pub(crate) cursor: Timestamp,
    /// Where a device was before anything was deleted.
    pub(crate) early_cursor: Timestamp,
    /// Where the device `pager` is in the middle of a download.
    pub(crate) page_cursor: Option<Timestamp>,
    /// The token in a link to choose a new password.
    pub(crate) link: Option<String>,
    /// A refresh token that was rotated.
    pub(crate) rotated: Option<String>,
}

impl Scene {
    /// Makes the state `start`.
    pub(crate) async fn set(world: &Rc<World>, start: Start) -> Self {
        let run = Run::new(world).await;
        let sessions = [run.session().await, run.session().await, run.session().await];
        let mut scene = Self {
            run,
            start,
            sessions,
            version: 0,
            conflict: None,
            phone_change: None,
            cursor: Timestamp::EPOCH,
            early_cursor: Timestamp::EPOCH,
            page_cursor: None,
            link: None,
            rotated: None,
        };
        scene.prepare().await;
        scene
    }

    async fn prepare(&mut self) {
        match self.start {
            Start::Nothing => {}
            Start::Item => self.laptop_writes().await,
            Start::DeletedItem => {
                self.laptop_writes().await;
                self.laptop_deletes().await;
            }
            Start::OpenConflict => self.phone_conflicts(Strategy::UserChoice, 1).await,
            Start::WonConflict => self.phone_conflicts(Strategy::LastWriteWins, 1).await,
            Start::LostConflict => self.phone_conflicts(Strategy::LastWriteWins, -1_000).await,
            Start::Copy => self.phone_conflicts(Strategy::KeepBoth, 1).await,
            Start::ChosenConflict => {
                self.phone_conflicts(Strategy::UserChoice, 1).await;
                self.resolves(Choice::Remote).await;
            }
            Start::History => {
                let entry = self.change("laptop", history("h"), Edit::Create(self.content()), 0, 0);
                self.upload(0, "laptop", Strategy::LastWriteWins, entry).await;
            }
            Start::PurgeDue => self.becomes_due().await,
            Start::DeletionBegun => {
                self.laptop_writes().await;
                self.run.call(Request::BeginDeletion).await;
            }
            Start::MailDue => {
                self.run.call(Request::RequestReset).await;
            }
            Start::LinkMailed => {
                self.run.call(Request::RequestReset).await;
                let Response::Mails(mails) = self.run.call(Request::DeliverMail).await else { panic!("no mails") };
                let reset = mails.into_iter().find(|mail| mail.kind == MailKind::ResetPassword);
                self.link = reset.and_then(|mail| mail.link);
            }
            Start::RotatedToken => {
                let old = self.sessions[1].refresh.clone();
                let answer = self.run.call(Request::Refresh { refresh_token: old.clone() }).await;
                let Response::Tokens { access, refresh } = answer else { panic!("no tokens") };
                self.sessions[1] = Tokens { access, refresh };
                self.rotated = Some(old);
            }
        }
        if self.start != Start::DeletionBegun {
            self.cursor = self.downloaded().await;
        }
    }

    /// Where the laptop is once it has downloaded everything.
    async fn downloaded(&self) -> Timestamp {
        match self.run.call(self.download(0, "laptop", None, 1_000)).await {
            Response::Page(page) => page.sync_timestamp,
            other => panic!("{other:?} is no page"),
        }
    }

    /// The laptop creates the item, or edits it.
    async fn laptop_writes(&mut self) {
        let edit = if self.version == 0 { Edit::Create(self.content()) } else { Edit::Update(self.content()) };
        let change = self.change("laptop", saved_query("i"), edit, self.version, 0);
        let uploaded = self.upload(0, "laptop", Strategy::LastWriteWins, change).await;
        let [Applied::Applied(version)] = uploaded.results[..] else { panic!("{uploaded:?} is not applied") };
        self.version = version;
    }

    async fn laptop_deletes(&mut self) {
        let change = self.change("laptop", saved_query("i"), Edit::Delete, self.version, 0);
        self.upload(0, "laptop", Strategy::LastWriteWins, change).await;
        self.version += 1;
    }

    /// Laptop and phone edit the same version; the laptop comes first. `later` is by how many seconds the phone's edit is
    /// the later one.
    async fn phone_conflicts(&mut self, strategy: Strategy, later: i64) {
        self.laptop_writes().await;
        self.laptop_writes().await;
        self.run.call(Request::AdvanceClock { seconds: 2 }).await;
        let change = self.change("phone", saved_query("i"), Edit::Update(self.content()), 1, later - 2);
        let uploaded = self.upload(1, "phone", strategy, change.clone()).await;
        let [Applied::Conflict(conflict)] = &uploaded.results[..] else { panic!("{uploaded:?} is no conflict") };
        self.conflict = Some((conflict.id.clone(), conflict.revision));
        self.phone_change = Some(change);
        if strategy == Strategy::LastWriteWins && later > 0 {
            self.version += 1;
        }
    }

    async fn resolves(&mut self, choice: Choice) {
        let (conflict, _) = self.conflict.clone().expect("a conflict");
        let token = self.sessions[0].access.clone();
        self.run.call(Request::Resolve { token, conflict, choice, revision: None }).await;
        self.version += 1;
    }

    async fn becomes_due(&mut self) {
        self.phone_conflicts(Strategy::LastWriteWins, 1).await;
        for id in ["old", "older"] {
            let create = self.change("laptop", saved_query(id), Edit::Create(self.content()), 0, 0);
            self.upload(0, "laptop", Strategy::LastWriteWins, create).await;
        }
        self.early_cursor = self.downloaded().await;
        for id in ["old", "older"] {
            let delete = self.change("laptop", saved_query(id), Edit::Delete, 1, 0);
            self.upload(0, "laptop", Strategy::LastWriteWins, delete).await;
        }
        self.run.call(Request::AdvanceClock { seconds: PURGED_AFTER }).await;
        // Their first sessions have expired.
        self.sessions = [self.run.session().await, self.run.session().await, self.run.session().await];
        for id in ["live", "alive"] {
            let create = self.change("laptop", saved_query(id), Edit::Create(self.content()), 0, 0);
            self.upload(0, "laptop", Strategy::LastWriteWins, create).await;
        }
        let first = self.run.call(self.download(2, "pager", None, 1)).await;
        let Response::Page(page) = first else { panic!("{first:?} is no page") };
        self.page_cursor = Some(page.sync_timestamp);
    }

    /// A text for an edit.
    pub(crate) fn content(&self) -> Content {
        Content { name: "n".to_owned(), text: self.run.unique_text() }
    }

    /// A change made `later` seconds from now, with an id of its own.
    pub(crate) fn change(&self, device: &str, key: Key, edit: Edit, base: i64, later: i64) -> Change {
        let edit = match (key.item_type, edit) {
            (ItemType::QueryHistory, Edit::Create(content)) => {
                Edit::Create(Content { name: String::new(), text: content.text })
            }
            (_, edit) => edit,
        };
        let id = format!("{device} {} {}", self.run.unique_text(), key.id);
        Change { id, key, edit, base, updated_at: self.run.now().plus_seconds(later) }
    }

    async fn upload(&self, session: usize, device: &str, strategy: Strategy, change: Change) -> Uploaded {
        match self.run.call(self.upload_request(session, device, strategy, change)).await {
            Response::Uploaded(uploaded) => uploaded,
            other => panic!("{other:?} is no answer to an upload"),
        }
    }

    /// An upload of one change, by a device that has just downloaded.
    pub(crate) fn upload_request(&self, session: usize, device: &str, strategy: Strategy, change: Change) -> Request {
        let token = self.sessions[session].access.clone();
        let last_sync_at = Some(self.cursor).filter(|cursor| *cursor > Timestamp::EPOCH);
        let upload = Upload { device: device.to_owned(), last_sync_at, strategy, changes: vec![change] };
        Request::Upload { token, upload }
    }

    /// A download.
    pub(crate) fn download(&self, session: usize, device: &str, since: Option<Timestamp>, limit: usize) -> Request {
        Request::Download { token: self.sessions[session].access.clone(), device: device.to_owned(), since, limit }
    }
}

/// The entry `id` of the history.
pub(crate) fn history(id: &str) -> Key {
    Key { item_type: ItemType::QueryHistory, id: id.to_owned() }
}
