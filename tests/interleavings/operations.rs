//! The operations that meet: a catalogue.

use model::{Change, Choice, Content, Edit, Request, Upload};
use shared::models::Strategy;

use crate::run::{PASSWORD, saved_query};
use crate::scenes::{Scene, Start, history};

/// The password that a change sets, and the one that a reset sets.
pub(crate) const CHANGED: &str = "Changed42";
pub(crate) const RESET: &str = "Another42";

/// An action of a client, the scheduler or the outbox worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The laptop edits the version that it has seen.
    Update(Strategy),
    /// The tablet edits the first version.
    UpdateStale(Strategy),
    /// The phone goes on with its edit of the first version.
    Renew(Strategy),
    /// The tablet deletes the first version.
    DeleteStale(Strategy),
    /// The phone deletes on the branch of its edit.
    RenewByDeletion(Strategy),
    /// Two devices create the same item.
    Create,
    CreateElsewhere,
    /// The laptop deletes the version that it has seen.
    Delete,
    /// The phone repeats its newest change.
    Repeat,
    /// An upload that is the same each time: its answer was lost, and it is sent again.
    Retry,
    /// The tablet, which has slept for a month, edits an item that was deleted meanwhile.
    UpdateForgotten,
    Append,
    AppendElsewhere,
    DeleteHistory,
    Resolve(Way),
    /// Resolves the revision that the phone was shown.
    ResolveRevision(Way),
    ListConflicts,
    DownloadDelta,
    /// A delta from before what was deleted.
    DownloadEarly,
    DownloadFull,
    DownloadPage,
    Status,
    Purge,
    DeleteAccount,
    LogIn,
    LogInChanged,
    Refresh,
    RefreshRotated,
    LogOut,
    ChangePassword,
    ChangePasswordElsewhere,
    RequestReset,
    ResetPassword,
    DeliverMail,
    TimePasses,
}

/// A way to resolve a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    LastWriteWins,
    KeepBoth,
    Local,
    Remote,
    Merged,
}

const WAYS: [Way; 5] = [Way::LastWriteWins, Way::KeepBoth, Way::Local, Way::Remote, Way::Merged];

impl Operation {
    /// The whole catalogue.
    pub(crate) fn all() -> Vec<Self> {
        let by_strategy = Strategy::ALL.into_iter().flat_map(|strategy| {
            [
                Self::UpdateStale(strategy),
                Self::Renew(strategy),
                Self::DeleteStale(strategy),
                Self::RenewByDeletion(strategy),
            ]
        });
        let resolutions = WAYS.into_iter().map(Self::Resolve).chain([Self::ResolveRevision(Way::Local)]);
        let others = [
            Self::Update(Strategy::LastWriteWins),
            Self::Create,
            Self::CreateElsewhere,
            Self::Delete,
            Self::Repeat,
            Self::Retry,
            Self::UpdateForgotten,
            Self::Append,
            Self::AppendElsewhere,
            Self::DeleteHistory,
            Self::ListConflicts,
            Self::DownloadDelta,
            Self::DownloadEarly,
            Self::DownloadFull,
            Self::DownloadPage,
            Self::Status,
            Self::Purge,
            Self::DeleteAccount,
            Self::LogIn,
            Self::LogInChanged,
            Self::Refresh,
            Self::RefreshRotated,
            Self::LogOut,
            Self::ChangePassword,
            Self::ChangePasswordElsewhere,
            Self::RequestReset,
            Self::ResetPassword,
            Self::DeliverMail,
            Self::TimePasses,
        ];
        by_strategy.chain(resolutions).chain(others).collect()
    }

    /// Whether it concerns accounts, so that passwords and tokens are tried in the end.
    pub(crate) const fn concerns_account(self) -> bool {
        matches!(
            self,
            Self::DeleteAccount
                | Self::LogIn
                | Self::LogInChanged
                | Self::Refresh
                | Self::RefreshRotated
                | Self::LogOut
                | Self::ChangePassword
                | Self::ChangePasswordElsewhere
                | Self::RequestReset
                | Self::ResetPassword
                | Self::DeliverMail
        )
    }

    /// Whether it is about sync data and takes few requests, so that three of them have few interleavings.
    pub(crate) const fn is_short(self) -> bool {
        !self.concerns_account() && !matches!(self, Self::TimePasses)
    }

    /// Whether it does anything in the state `start` that it does not do elsewhere.
    pub(crate) const fn suits(self, start: Start) -> bool {
        let has_item = !matches!(
            start,
            Start::Nothing | Start::History | Start::MailDue | Start::LinkMailed | Start::RotatedToken
        );
        let has_conflict = matches!(
            start,
            Start::OpenConflict
                | Start::WonConflict
                | Start::LostConflict
                | Start::Copy
                | Start::ChosenConflict
                | Start::PurgeDue
        );
        match self {
            Self::Update(_) | Self::UpdateStale(_) | Self::DeleteStale(_) | Self::Delete | Self::Retry => has_item,
            Self::Renew(_) | Self::RenewByDeletion(_) | Self::Repeat | Self::Resolve(_) | Self::ResolveRevision(_) => {
                has_conflict
            }
            Self::DeleteHistory => matches!(start, Start::History),
            Self::DownloadPage | Self::DownloadEarly | Self::UpdateForgotten => matches!(start, Start::PurgeDue),
            Self::RefreshRotated => matches!(start, Start::RotatedToken),
            Self::ResetPassword => matches!(start, Start::LinkMailed),
            _ => true,
        }
    }

    /// The request that it is in `scene`.
    pub(crate) fn request(self, scene: &Scene) -> Request {
        let [laptop, phone, tablet] = [0, 1, 2].map(|session| scene.sessions[session].access.clone());
        let put = || Edit::Update(scene.content());
        let item = || saved_query("i");
        match self {
            Self::Update(strategy) => {
                scene.upload_request(0, "laptop", strategy, scene.change("laptop", item(), put(), scene.version, 0))
            }
            Self::UpdateStale(strategy) => {
                scene.upload_request(2, "tablet", strategy, scene.change("tablet", item(), put(), 1, 0))
            }
            Self::Renew(strategy) => {
                scene.upload_request(1, "phone", strategy, scene.change("phone", item(), put(), 1, 0))
            }
            Self::DeleteStale(strategy) => {
                scene.upload_request(2, "tablet", strategy, scene.change("tablet", item(), Edit::Delete, 1, 0))
            }
            Self::RenewByDeletion(strategy) => {
                scene.upload_request(1, "phone", strategy, scene.change("phone", item(), Edit::Delete, 1, 0))
            }
            Self::Create | Self::CreateElsewhere => {
                let (session, device) = if self == Self::Create { (0, "laptop") } else { (1, "phone") };
                let create = Edit::Create(scene.content());
                let change = scene.change(device, saved_query("new"), create, 0, 0);
                scene.upload_request(session, device, Strategy::UserChoice, change)
            }
            Self::Delete => {
                let change = scene.change("laptop", item(), Edit::Delete, scene.version, 0);
                scene.upload_request(0, "laptop", Strategy::LastWriteWins, change)
            }
            Self::Repeat => {
                let change = scene.phone_change.clone().expect("the phone has made a change");
                scene.upload_request(1, "phone", Strategy::LastWriteWins, change)
            }
            Self::Retry => {
                let content = Content { name: "n".to_owned(), text: "select 'sent twice'".to_owned() };
                let change = scene.change("phone", item(), Edit::Update(content), 1, 0);
                let change = Change { id: "sent twice".to_owned(), ..change };
                scene.upload_request(1, "phone", Strategy::UserChoice, change)
            }
            Self::UpdateForgotten => {
                let change = scene.change("tablet", saved_query("old"), put(), 1, 0);
                let request = scene.upload_request(2, "tablet", Strategy::UserChoice, change);
                let Request::Upload { token, upload } = request else { return request };
                Request::Upload { token, upload: Upload { last_sync_at: Some(scene.early_cursor), ..upload } }
            }
            Self::Append | Self::AppendElsewhere => {
                let (session, device) = if self == Self::Append { (0, "laptop") } else { (1, "phone") };
                let change = scene.change(device, history("h"), Edit::Create(scene.content()), 0, 0);
                scene.upload_request(session, device, Strategy::LastWriteWins, change)
            }
            Self::DeleteHistory => {
                let change = scene.change("phone", history("h"), Edit::Delete, 1, 0);
                scene.upload_request(1, "phone", Strategy::LastWriteWins, change)
            }
            Self::Resolve(way) | Self::ResolveRevision(way) => {
                let (conflict, revision) = scene.conflict.clone().expect("there is a conflict");
                let revision = Some(revision).filter(|_| matches!(self, Self::ResolveRevision(_)));
                Request::Resolve { token: tablet, conflict, choice: way.choice(scene), revision }
            }
            Self::ListConflicts => Request::ListConflicts { token: laptop },
            Self::DownloadDelta => scene.download(0, "laptop", Some(scene.cursor), 1_000),
            Self::DownloadEarly => scene.download(0, "laptop", Some(scene.early_cursor), 1_000),
            Self::DownloadFull => scene.download(1, "phone", None, 1),
            Self::DownloadPage => scene.download(2, "pager", scene.page_cursor, 1),
            Self::Status => Request::Status { token: laptop },
            Self::Purge => Request::Purge,
            Self::DeleteAccount => Request::DeleteAccount { token: tablet, password: PASSWORD.to_owned() },
            Self::LogIn => Request::LogIn { password: PASSWORD.to_owned() },
            Self::LogInChanged => Request::LogIn { password: CHANGED.to_owned() },
            Self::Refresh => Request::Refresh { refresh_token: scene.sessions[1].refresh.clone() },
            Self::RefreshRotated => {
                Request::Refresh { refresh_token: scene.rotated.clone().expect("a token was rotated") }
            }
            Self::LogOut => Request::LogOut { token: phone },
            Self::ChangePassword | Self::ChangePasswordElsewhere => {
                let token = if self == Self::ChangePassword { laptop } else { phone };
                Request::ChangePassword { token, current: PASSWORD.to_owned(), new: CHANGED.to_owned() }
            }
            Self::RequestReset => Request::RequestReset,
            Self::ResetPassword => {
                Request::ResetPassword { link: scene.link.clone().expect("a link was mailed"), new: RESET.to_owned() }
            }
            Self::DeliverMail => Request::DeliverMail,
            // Past the grace of a rotated refresh token.
            Self::TimePasses => Request::AdvanceClock { seconds: 11 },
        }
    }
}

impl Way {
    fn choice(self, scene: &Scene) -> Choice {
        match self {
            Self::LastWriteWins => Choice::LastWriteWins,
            Self::KeepBoth => Choice::KeepBoth,
            Self::Local => Choice::Local,
            Self::Remote => Choice::Remote,
            Self::Merged => Choice::Merged(scene.content()),
        }
    }
}
