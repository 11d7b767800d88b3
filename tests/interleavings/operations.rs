//! Catalogue of concurrent operations.

use model::{Change, Choice, Content, Edit, Request, Upload};
use shared::models::{ItemType, Strategy};

use crate::run::{PASSWORD, saved_query};
use crate::scenarios::{InitialState, Scenario, history};

/// Passwords that a change and a reset set.
pub(crate) const CHANGED: &str = "Changed42";
pub(crate) const RESET: &str = "Another42";

/// Operation of a client, the purge schedule or the outbox worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The laptop edits the current version.
    Update(Strategy),
    /// The tablet edits the first version.
    UpdateStale(Strategy),
    /// The phone edits the first version again, on the branch of its conflict.
    ContinueBranch(Strategy),
    /// The tablet deletes the first version.
    DeleteStale(Strategy),
    /// The phone deletes the item on the branch of its conflict.
    DeleteOnBranch(Strategy),
    /// The tablet renames the first version, and merges. Other edits keep the name.
    Rename,
    /// Upload of a renaming that is identical each time.
    RetryRename,
    /// Like [`RetryRename`](Self::RetryRename), with another renaming in the same upload.
    RenameTwice,
    /// Restores the first version. Every such request is a repeat of the other ones.
    Restore,
    /// Restores the first version, and expects the version after the one that the laptop has seen.
    RestoreNext,
    /// Restores the version that the laptop has seen, which may be a deletion.
    RestoreCurrent,
    ListVersions,
    /// The laptop creates an item; [`CreateOnPhone`](Self::CreateOnPhone) creates the same one, and
    /// [`CreateAnother`](Self::CreateAnother) another one.
    Create,
    CreateOnPhone,
    CreateAnother,
    /// The laptop deletes the current version.
    Delete,
    /// The phone sends its newest change again.
    Repeat,
    /// Upload that is identical each time: its response was lost, and the client sends it again.
    Retry,
    /// The tablet, offline for a month, edits an item that was deleted meanwhile.
    UpdateAfterPurge,
    Append,
    AppendOnPhone,
    DeleteHistory,
    Resolve(ResolutionChoice),
    /// Resolves the revision that the phone has seen.
    ResolveRevision(ResolutionChoice),
    ListConflicts,
    DownloadDelta,
    /// Delta from before the deletions.
    DownloadEarly,
    DownloadFull,
    /// Delta of the saved queries alone.
    DownloadType,
    /// Next page of a full sync.
    DownloadPage,
    /// Start of another full sync of the same device, with larger pages.
    DownloadFullAgain,
    Status,
    Purge,
    /// Moves the user to the other database, or back.
    Move,
    MoveBack,
    DeleteAccount,
    LogIn,
    LogInWithNewPassword,
    Refresh,
    RefreshRotated,
    LogOut,
    ChangePassword,
    ChangePasswordOnPhone,
    RequestReset,
    ResetPassword,
    DeliverEmail,
    AdvanceTime,
}

/// Choice that resolves a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResolutionChoice {
    LastWriteWins,
    KeepBoth,
    Local,
    Remote,
    Merged,
}

const RESOLUTION_CHOICES: [ResolutionChoice; 5] = [
    ResolutionChoice::LastWriteWins,
    ResolutionChoice::KeepBoth,
    ResolutionChoice::Local,
    ResolutionChoice::Remote,
    ResolutionChoice::Merged,
];

impl Operation {
    /// Returns the whole catalogue.
    pub(crate) fn all() -> Vec<Self> {
        let by_strategy = Strategy::ALL.into_iter().flat_map(|strategy| {
            [
                Self::UpdateStale(strategy),
                Self::ContinueBranch(strategy),
                Self::DeleteStale(strategy),
                Self::DeleteOnBranch(strategy),
            ]
        });
        let resolutions =
            RESOLUTION_CHOICES.into_iter().map(Self::Resolve).chain([Self::ResolveRevision(ResolutionChoice::Local)]);
        let others = [
            Self::Update(Strategy::LastWriteWins),
            Self::Update(Strategy::Refuse),
            Self::Rename,
            Self::RenameTwice,
            Self::RetryRename,
            Self::Restore,
            Self::RestoreNext,
            Self::RestoreCurrent,
            Self::ListVersions,
            Self::Create,
            Self::CreateOnPhone,
            Self::CreateAnother,
            Self::Delete,
            Self::Repeat,
            Self::Retry,
            Self::UpdateAfterPurge,
            Self::Append,
            Self::AppendOnPhone,
            Self::DeleteHistory,
            Self::ListConflicts,
            Self::DownloadDelta,
            Self::DownloadEarly,
            Self::DownloadFull,
            Self::DownloadType,
            Self::DownloadPage,
            Self::DownloadFullAgain,
            Self::Status,
            Self::Purge,
            Self::DeleteAccount,
            Self::LogIn,
            Self::LogInWithNewPassword,
            Self::Refresh,
            Self::RefreshRotated,
            Self::LogOut,
            Self::ChangePassword,
            Self::ChangePasswordOnPhone,
            Self::RequestReset,
            Self::ResetPassword,
            Self::DeliverEmail,
            Self::AdvanceTime,
        ];
        by_strategy.chain(resolutions).chain(others).collect()
    }

    /// Returns whether the operation changes the account, so that all credentials are tried after the run.
    pub(crate) const fn concerns_account(self) -> bool {
        matches!(
            self,
            Self::DeleteAccount
                | Self::LogIn
                | Self::LogInWithNewPassword
                | Self::Refresh
                | Self::RefreshRotated
                | Self::LogOut
                | Self::ChangePassword
                | Self::ChangePasswordOnPhone
                | Self::RequestReset
                | Self::ResetPassword
                | Self::DeliverEmail
        )
    }

    /// Returns whether the operation sends many more requests than the other ones.
    pub(crate) const fn is_long(self) -> bool {
        matches!(self, Self::Move | Self::MoveBack)
    }

    /// Returns whether the operation is on sync data and sends few requests, so that triples have few interleavings.
    pub(crate) const fn is_short(self) -> bool {
        !self.concerns_account() && !matches!(self, Self::AdvanceTime)
    }

    /// Returns whether the operation has an effect in `state` that it does not have in other states.
    pub(crate) const fn applies_to(self, state: InitialState) -> bool {
        let has_item = !matches!(
            state,
            InitialState::Empty
                | InitialState::History
                | InitialState::EmailDue
                | InitialState::ResetLinkSent
                | InitialState::RotatedToken
        );
        let has_conflict = matches!(
            state,
            InitialState::OpenConflict
                | InitialState::LocalWonConflict
                | InitialState::RemoteWonConflict
                | InitialState::ConflictWithCopy
                | InitialState::UserResolvedConflict
                | InitialState::PurgeDue
        );
        match self {
            _ if state.quota().is_some() => self.concerns_quota(),
            Self::Update(_)
            | Self::UpdateStale(_)
            | Self::DeleteStale(_)
            | Self::Delete
            | Self::Retry
            | Self::Rename
            | Self::RenameTwice
            | Self::RetryRename
            | Self::Restore
            | Self::RestoreNext
            | Self::RestoreCurrent
            | Self::ListVersions => has_item,
            Self::CreateAnother => false,
            Self::ContinueBranch(_)
            | Self::DeleteOnBranch(_)
            | Self::Repeat
            | Self::Resolve(_)
            | Self::ResolveRevision(_) => has_conflict,
            Self::DeleteHistory => matches!(state, InitialState::History),
            Self::DownloadPage | Self::DownloadFullAgain | Self::DownloadEarly | Self::UpdateAfterPurge => {
                matches!(state, InitialState::PurgeDue)
            }
            Self::RefreshRotated => matches!(state, InitialState::RotatedToken),
            Self::ResetPassword => matches!(state, InitialState::ResetLinkSent),
            _ => true,
        }
    }

    /// Returns whether the operation changes the number of items, or depends on it.
    const fn concerns_quota(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::CreateOnPhone
                | Self::CreateAnother
                | Self::Delete
                | Self::Update(_)
                | Self::UpdateStale(_)
                | Self::Restore
                | Self::RestoreNext
                | Self::RestoreCurrent
                | Self::Append
                | Self::AppendOnPhone
                | Self::DownloadDelta
                | Self::Status
        )
    }

    /// Returns the request of the operation in `scenario`.
    pub(crate) fn request(self, scenario: &Scenario) -> Request {
        let [laptop, phone, tablet] = [0, 1, 2].map(|session| scenario.sessions[session].access.clone());
        let put = || Edit::Update(scenario.content());
        let item = || saved_query("i");
        match self {
            Self::Update(strategy) => scenario.upload_request(
                0,
                "laptop",
                strategy,
                scenario.change("laptop", item(), put(), scenario.version, 0),
            ),
            Self::UpdateStale(strategy) => {
                scenario.upload_request(2, "tablet", strategy, scenario.change("tablet", item(), put(), 1, 0))
            }
            Self::ContinueBranch(strategy) => {
                scenario.upload_request(1, "phone", strategy, scenario.change("phone", item(), put(), 1, 0))
            }
            Self::DeleteStale(strategy) => {
                scenario.upload_request(2, "tablet", strategy, scenario.change("tablet", item(), Edit::Delete, 1, 0))
            }
            Self::DeleteOnBranch(strategy) => {
                scenario.upload_request(1, "phone", strategy, scenario.change("phone", item(), Edit::Delete, 1, 0))
            }
            Self::Rename | Self::RenameTwice | Self::RetryRename => self.renaming(scenario),
            Self::Restore => Request::Restore { token: phone, key: item(), version: 1, expected: scenario.version },
            Self::RestoreNext => {
                Request::Restore { token: phone, key: item(), version: 1, expected: scenario.version + 1 }
            }
            Self::RestoreCurrent => {
                let version = scenario.version;
                Request::Restore { token: phone, key: item(), version, expected: version }
            }
            Self::ListVersions => Request::ListVersions { token: laptop, key: item() },
            Self::Create | Self::CreateOnPhone | Self::CreateAnother => {
                let (session, device) = if self == Self::Create { (0, "laptop") } else { (1, "phone") };
                let key = saved_query(if self == Self::CreateAnother { "another" } else { "new" });
                let create = Edit::Create(scenario.content());
                let change = scenario.change(device, key, create, 0, 0);
                scenario.upload_request(session, device, Strategy::UserChoice, change)
            }
            Self::Delete => {
                let change = scenario.change("laptop", item(), Edit::Delete, scenario.version, 0);
                scenario.upload_request(0, "laptop", Strategy::LastWriteWins, change)
            }
            Self::Repeat => {
                let change = scenario.phone_change.clone().expect("the phone has made a change");
                scenario.upload_request(1, "phone", Strategy::LastWriteWins, change)
            }
            Self::Retry => {
                let content = Content { name: "n".to_owned(), text: "select 'sent twice'".to_owned() };
                let change = scenario.change("phone", item(), Edit::Update(content), 1, 0);
                let change = Change { id: "sent twice".to_owned(), ..change };
                scenario.upload_request(1, "phone", Strategy::UserChoice, change)
            }
            Self::UpdateAfterPurge => {
                let change = scenario.change("tablet", saved_query("old"), put(), 1, 0);
                let request = scenario.upload_request(2, "tablet", Strategy::UserChoice, change);
                let Request::Upload { token, upload } = request else { return request };
                Request::Upload { token, upload: Upload { last_sync_at: Some(scenario.early_cursor), ..upload } }
            }
            Self::Append | Self::AppendOnPhone => {
                let (session, device) = if self == Self::Append { (0, "laptop") } else { (1, "phone") };
                let change = scenario.change(device, history("h"), Edit::Create(scenario.content()), 0, 0);
                scenario.upload_request(session, device, Strategy::LastWriteWins, change)
            }
            Self::DeleteHistory => {
                let change = scenario.change("phone", history("h"), Edit::Delete, 1, 0);
                scenario.upload_request(1, "phone", Strategy::LastWriteWins, change)
            }
            Self::Resolve(choice) | Self::ResolveRevision(choice) => {
                let (conflict, revision) = scenario.conflict.clone().expect("the scenario has a conflict");
                let revision = Some(revision).filter(|_| matches!(self, Self::ResolveRevision(_)));
                Request::Resolve { token: tablet, conflict, choice: choice.to_request(scenario), revision }
            }
            Self::ListConflicts => Request::ListConflicts { token: laptop },
            Self::DownloadDelta => scenario.download(0, "laptop", Some(scenario.cursor), 1_000),
            Self::DownloadEarly => scenario.download(0, "laptop", Some(scenario.early_cursor), 1_000),
            Self::DownloadFull => scenario.download(1, "phone", None, 1),
            Self::DownloadType => {
                let item_type = Some(ItemType::SavedQuery);
                let (device, since) = ("laptop".to_owned(), Some(scenario.cursor));
                Request::Download { token: laptop, device, since, limit: 1_000, item_type }
            }
            Self::DownloadPage => scenario.download(2, "pager", scenario.page_cursor, 1),
            Self::DownloadFullAgain => scenario.download(2, "pager", None, 2),
            Self::Status => Request::Status { token: laptop },
            Self::Purge => Request::Purge,
            Self::Move => Request::MoveUser { back: false },
            Self::MoveBack => Request::MoveUser { back: true },
            Self::DeleteAccount => Request::DeleteAccount { token: tablet, password: PASSWORD.to_owned() },
            Self::LogIn => Request::LogIn { password: PASSWORD.to_owned() },
            Self::LogInWithNewPassword => Request::LogIn { password: CHANGED.to_owned() },
            Self::Refresh => Request::Refresh { refresh_token: scenario.sessions[1].refresh.clone() },
            Self::RefreshRotated => {
                Request::Refresh { refresh_token: scenario.rotated.clone().expect("the scenario has a rotated token") }
            }
            Self::LogOut => Request::LogOut { token: phone },
            Self::ChangePassword | Self::ChangePasswordOnPhone => {
                let token = if self == Self::ChangePassword { laptop } else { phone };
                Request::ChangePassword { token, current: PASSWORD.to_owned(), new: CHANGED.to_owned() }
            }
            Self::RequestReset => Request::RequestReset,
            Self::ResetPassword => Request::ResetPassword {
                link: scenario.link.clone().expect("the scenario has a reset link"),
                new: RESET.to_owned(),
            },
            Self::DeliverEmail => Request::DeliverEmail,
            // Longer than the grace period of a rotated refresh token.
            Self::AdvanceTime => Request::AdvanceClock { seconds: 11 },
        }
    }

    /// Returns an upload of new names for the first version.
    fn renaming(self, scenario: &Scenario) -> Request {
        let rename = |name: String| {
            let edit = Edit::Update(scenario.renamed(name));
            scenario.change("tablet", saved_query("i"), edit, 1, 0)
        };
        let sent_twice = || Change { id: "renamed".to_owned(), ..rename("renamed".to_owned()) };
        let another = || rename(scenario.run.unique_text());
        let changes = match self {
            Self::RetryRename => vec![sent_twice()],
            Self::RenameTwice => vec![sent_twice(), another()],
            _ => vec![another()],
        };
        scenario.upload_of(2, "tablet", Strategy::Merge, changes)
    }
}

impl ResolutionChoice {
    fn to_request(self, scenario: &Scenario) -> Choice {
        match self {
            Self::LastWriteWins => Choice::LastWriteWins,
            Self::KeepBoth => Choice::KeepBoth,
            Self::Local => Choice::Local,
            Self::Remote => Choice::Remote,
            Self::Merged => Choice::Merged(scenario.content()),
        }
    }
}
