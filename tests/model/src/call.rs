//! Requests and responses, reduced to the fields that the model checks.

use shared::models::{ItemType, Strategy, Timestamp, Winner};

/// Key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Item type.
    pub item_type: ItemType,
    /// Item id.
    pub id: String,
}

/// Content of an item. All other fields are the same in every item of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// Name; empty for history entries.
    pub name: String,
    /// Query text, or database of a connection. Unique per edit.
    pub text: String,
}

/// Edit of a change.
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
    /// Returns the content after the edit; `None` for a deletion.
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
    /// Change id.
    pub id: String,
    /// Key of the item.
    pub key: Key,
    /// The edit.
    pub edit: Edit,
    /// Version that the device last downloaded; 0 for none.
    pub base: i64,
    /// Time of the edit by the clock of the device.
    pub updated_at: Timestamp,
}

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upload {
    /// The device.
    pub device: String,
    /// Time of the last sync of the device.
    pub last_sync_at: Option<Timestamp>,
    /// Conflict strategy.
    pub strategy: Strategy,
    /// Changes, in order.
    pub changes: Vec<Change>,
}

/// Choice that resolves a conflict.
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

/// Call of the service, or an event such as a purge or the passage of time.
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
        /// Maximum number of items.
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
        /// The choice.
        choice: Choice,
        /// Revision that the user has seen.
        revision: Option<i64>,
    },
    /// Opens a session without a password, for the observer.
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
    /// First step of a deletion, after which the process crashes.
    BeginDeletion,
    /// `POST /api/auth/change-password`.
    ChangePassword {
        /// The access token.
        token: String,
        /// Current password.
        current: String,
        /// New password.
        new: String,
    },
    /// `POST /api/auth/request-password-reset`.
    RequestReset,
    /// `POST /api/auth/reset-password`.
    ResetPassword {
        /// Token in the link.
        link: String,
        /// New password.
        new: String,
    },
    /// `POST /api/auth/verify-email`.
    VerifyEmail {
        /// Token in the link.
        link: String,
    },
    /// Run of the outbox worker.
    DeliverEmail,
    /// Run of the purge.
    Purge,
    /// Advances the clock.
    AdvanceClock {
        /// Seconds, at least 0.
        seconds: i64,
    },
}

/// Result of one change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChangeResult {
    /// Applied as this version.
    Applied(i64),
    /// Conflict.
    Conflict(Box<Conflict>),
    /// Rejected with this error code.
    Rejected(String),
}

/// Response to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadResponse {
    /// `synced_at`.
    pub at: Timestamp,
    /// Result of each change, in order.
    pub results: Vec<ChangeResult>,
}

/// Side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Side {
    /// Content; `None` for a deletion.
    pub content: Option<Content>,
    /// Time of the edit.
    pub updated_at: Timestamp,
    /// Version; for the local side the version that the edit is based on.
    pub version: i64,
    /// Device that made the edit; empty for none.
    pub device: String,
}

/// Resolution of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// Time of the resolution.
    pub at: Timestamp,
    /// Strategy.
    pub strategy: Strategy,
    /// Winning side.
    pub winner: Option<Winner>,
    /// Id of the copy, if one was created.
    pub copy: Option<String>,
}

/// Conflict as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// Conflict id.
    pub id: String,
    /// Key of the item.
    pub key: Key,
    /// Version that the uploading device sent.
    pub local: Side,
    /// Version that the server had stored.
    pub remote: Side,
    /// Resolution, if the conflict is resolved.
    pub resolution: Option<Resolution>,
    /// Revision; differs for every state of the conflict.
    pub revision: i64,
}

/// Item of a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageItem {
    /// Key of the item.
    pub key: Key,
    /// Content; `None` for a tombstone.
    pub content: Option<Content>,
    /// Version.
    pub version: i64,
}

/// Page of a download.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    /// Items and tombstones, sorted.
    pub items: Vec<PageItem>,
    /// Open conflicts, newest first.
    pub conflicts: Vec<Conflict>,
    /// The cursor.
    pub sync_timestamp: Timestamp,
    /// Whether more pages follow.
    pub has_more: bool,
    /// Whether the page is the first of a full sync.
    pub reset: bool,
}

/// Response to a status request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Status {
    /// Devices sorted by id, each with its number of applied changes and of conflicts. Repeats are not counted.
    pub devices: Vec<(String, i64, i64)>,
    /// Numbers of live items, in the order of [`ItemType::ALL`].
    pub counts: [i64; 3],
    /// Number of open conflicts.
    pub open_conflicts: i64,
    /// Time of the newest change.
    pub sync_timestamp: Timestamp,
}

/// Kind of an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EmailKind {
    /// Link to verify the address.
    VerifyEmail,
    /// Link to reset the password.
    ResetPassword,
    /// Welcome after the address was verified.
    Welcome,
    /// Notification that the password was changed.
    PasswordChanged,
}

/// Email that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email {
    /// Kind of the email.
    pub kind: EmailKind,
    /// Token in its link, if it has one.
    pub link: Option<String>,
}

/// Response to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Response {
    /// Response to an upload.
    Uploaded(UploadResponse),
    /// Response to a download.
    Page(Page),
    /// Response to a status request.
    Status(Status),
    /// Response to a list of conflicts: all conflicts.
    Conflicts(Vec<Conflict>),
    /// Response to a resolution.
    Resolved {
        /// `resolved_at`.
        at: Timestamp,
        /// The item or the copy; `None` if it is deleted.
        item: Option<PageItem>,
    },
    /// Response to a login or a refresh.
    Tokens {
        /// The access token.
        access: String,
        /// The refresh token.
        refresh: String,
    },
    /// Success without a body.
    Done,
    /// Emails that were sent, in order.
    Emails(Vec<Email>),
    /// Numbers of rows that a purge removed.
    Purged {
        /// Tombstones.
        tombstones: u64,
        /// Resolved conflicts.
        conflicts: u64,
    },
    /// Error response.
    Refused {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
        /// Current state of the conflict.
        conflict: Option<Box<Conflict>>,
    },
}

impl Response {
    /// Returns whether the response is an error with this status.
    pub fn is_refused(&self, expected: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == expected)
    }
}
