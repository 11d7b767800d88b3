//! Requests and answers, as far as the model looks at them.

use shared::models::{ItemType, Strategy, Timestamp, Winner};

/// One item: its kind and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub item_type: ItemType,
    /// Its id.
    pub id: String,
}

/// The content of an item. All other fields are the same in every item of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// The name; empty for history.
    pub name: String,
    /// The query, or the database of a connection. Unique in each edit.
    pub text: String,
}

/// The edit that a change makes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Edit {
    /// `create`.
    Create(Content),
    /// `update`.
    Update(Content),
    /// `delete`.
    Delete,
}

impl Edit {
    /// The content afterwards; `None` for a deletion.
    pub const fn content(&self) -> Option<&Content> {
        match self {
            Self::Create(content) | Self::Update(content) => Some(content),
            Self::Delete => None,
        }
    }
}

/// One change of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The change's id.
    pub id: String,
    /// The item.
    pub key: Key,
    /// The edit.
    pub edit: Edit,
    /// The version that the device last saw; 0 for none.
    pub base: i64,
    /// When it was done, by the device's clock.
    pub updated_at: Timestamp,
}

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upload {
    /// The device.
    pub device: String,
    /// When the device last heard from the server.
    pub last_sync_at: Option<Timestamp>,
    /// The strategy for its conflicts.
    pub strategy: Strategy,
    /// Its changes, in order.
    pub changes: Vec<Change>,
}

/// A way to resolve a conflict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Choice {
    /// `last_write_wins`.
    LastWriteWins,
    /// `keep_both`.
    KeepBoth,
    /// `user_choice` of the local version.
    Local,
    /// `user_choice` of the remote version.
    Remote,
    /// `user_choice` with merged data.
    Merged(Content),
}

/// A call of the service, or something that happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// `POST /api/sync/upload`.
    Upload {
        /// The access token.
        token: String,
        /// The body.
        upload: Upload,
    },
    /// `GET /api/sync/download`.
    Download {
        /// The access token.
        token: String,
        /// The device.
        device: String,
        /// The cursor.
        since: Option<Timestamp>,
        /// Most items.
        limit: usize,
    },
    /// `GET /api/sync/status`.
    Status {
        /// The access token.
        token: String,
    },
    /// `GET /api/sync/conflicts?status=all`.
    ListConflicts {
        /// The access token.
        token: String,
    },
    /// `POST /api/sync/conflicts/{id}/resolve`.
    Resolve {
        /// The access token.
        token: String,
        /// The conflict.
        conflict: String,
        /// The way.
        choice: Choice,
        /// The revision that the user has seen.
        revision: Option<i64>,
    },
    /// A session is opened without a password, so that there is one to look with.
    OpenSession,
    /// `POST /api/auth/login`.
    LogIn {
        /// The password.
        password: String,
    },
    /// `POST /api/auth/refresh`.
    Refresh {
        /// The refresh token.
        refresh_token: String,
    },
    /// `POST /api/auth/logout`.
    LogOut {
        /// The access token.
        token: String,
    },
    /// `GET /api/auth/profile`.
    ShowProfile {
        /// The access token.
        token: String,
    },
    /// `DELETE /api/auth/profile`.
    DeleteAccount {
        /// The access token.
        token: String,
        /// The password.
        password: String,
    },
    /// The first step of a deletion, after which its process dies.
    BeginDeletion,
    /// `POST /api/auth/change-password`.
    ChangePassword {
        /// The access token.
        token: String,
        /// The password until now.
        current: String,
        /// The password from now on.
        new: String,
    },
    /// `POST /api/auth/request-password-reset`.
    RequestReset,
    /// `POST /api/auth/reset-password`.
    ResetPassword {
        /// The token in the link.
        link: String,
        /// The password from now on.
        new: String,
    },
    /// `POST /api/auth/verify-email`.
    VerifyEmail {
        /// The token in the link.
        link: String,
    },
    /// One run of the outbox worker.
    DeliverMail,
    /// One run of the purge.
    Purge,
    /// Time passes.
    AdvanceClock {
        /// Seconds, not negative.
        seconds: i64,
    },
}

/// The result of one change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It is applied, as this version.
    Applied(i64),
    /// It conflicts.
    Conflict(Box<Conflict>),
    /// It is rejected, with this code.
    Rejected(String),
}

/// The answer to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uploaded {
    /// `synced_at`.
    pub at: Timestamp,
    /// The result of each change, in order.
    pub results: Vec<Applied>,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Side {
    /// Its content; `None` for a deletion.
    pub content: Option<Content>,
    /// When it was edited.
    pub updated_at: Timestamp,
    /// Its version; of the local side the version that it is based on.
    pub version: i64,
    /// The device that wrote it; empty for none.
    pub device: String,
}

/// The resolution of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settled {
    /// When.
    pub at: Timestamp,
    /// By which strategy.
    pub strategy: Strategy,
    /// Which side won.
    pub winner: Option<Winner>,
    /// The copy, where one was made.
    pub copy: Option<String>,
}

/// A conflict as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// Its id.
    pub id: String,
    /// The item.
    pub key: Key,
    /// The version that the uploading device sent.
    pub local: Side,
    /// The version that the server held.
    pub remote: Side,
    /// Its resolution, if it is resolved.
    pub settled: Option<Settled>,
    /// Changes whenever the conflict does.
    pub revision: i64,
}

/// An item as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageItem {
    /// Which.
    pub key: Key,
    /// Its content; `None` for a tombstone.
    pub content: Option<Content>,
    /// Its version.
    pub version: i64,
}

/// One page of a download.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    /// The items and tombstones, sorted.
    pub items: Vec<PageItem>,
    /// The open conflicts, newest first.
    pub conflicts: Vec<Conflict>,
    /// The cursor.
    pub sync_timestamp: Timestamp,
    /// Whether there is more.
    pub has_more: bool,
    /// Whether the page starts the whole state.
    pub reset: bool,
}

/// The answer to a status call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Status {
    /// Devices by id: changes applied, and changes that conflicted, for the first time.
    pub devices: Vec<(String, i64, i64)>,
    /// Live items, in the order of [`ItemType::ALL`].
    pub counts: [i64; 3],
    /// Open conflicts.
    pub open_conflicts: i64,
    /// The newest change.
    pub sync_timestamp: Timestamp,
}

/// The kind of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKind {
    /// A link to verify the address.
    VerifyEmail,
    /// A link to choose a new password.
    ResetPassword,
    /// The address is verified.
    Welcome,
    /// The password was changed.
    PasswordChanged,
}

/// A mail that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mail {
    /// Its kind.
    pub kind: MailKind,
    /// The token in its link, if it has one.
    pub link: Option<String>,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Response {
    /// Of an upload.
    Uploaded(Uploaded),
    /// Of a download.
    Page(Page),
    /// Of a status call.
    Status(Status),
    /// Of a list of conflicts: all of them.
    Conflicts(Vec<Conflict>),
    /// Of a resolution.
    Resolved {
        /// `resolved_at`.
        at: Timestamp,
        /// The item, or the copy, unless it is deleted.
        item: Option<PageItem>,
    },
    /// Of a login or a refresh.
    Tokens {
        /// The access token.
        access: String,
        /// The refresh token.
        refresh: String,
    },
    /// Success without further content.
    Done,
    /// The mails that were sent, in order.
    Mails(Vec<Mail>),
    /// Rows that a purge removed.
    Purged {
        /// Tombstones.
        tombstones: u64,
        /// Resolved conflicts.
        conflicts: u64,
    },
    /// An error.
    Refused {
        /// Its status.
        status: u16,
        /// Its code.
        code: String,
        /// The conflict as it is now.
        conflict: Option<Box<Conflict>>,
    },
}

impl Response {
    /// Whether it is an error with this status.
    pub fn is_refused(&self, expected: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == expected)
    }
}
