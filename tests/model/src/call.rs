//! Requests, reduced to the fields that the model checks.

use shared::models::{ItemType, ResolvedBy, Strategy, Timestamp};

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

impl Choice {
    /// Returns how the service names the resolution by this choice.
    pub(crate) const fn resolved_by(&self) -> ResolvedBy {
        match self {
            Self::LastWriteWins => ResolvedBy::LastWriteWins,
            Self::KeepBoth => ResolvedBy::KeepBoth,
            Self::Local | Self::Remote | Self::Merged(_) => ResolvedBy::UserChoice,
        }
    }
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
        /// Maximum number of items and conflicts.
        limit: usize,
        /// Type of the items; `None` for all.
        item_type: Option<ItemType>,
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
    /// `GET /api/sync/versions`.
    ListVersions {
        /// The access token.
        token: String,
        /// Key of the item.
        key: Key,
    },
    /// `POST /api/sync/restore`.
    Restore {
        /// The access token.
        token: String,
        /// Key of the item.
        key: Key,
        /// Version to restore.
        version: i64,
        /// Version of the item that the user has seen.
        expected: i64,
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
    /// Move of the user to another database, or back to the first.
    MoveUser {
        /// Whether the user moves back.
        back: bool,
    },
    /// Advances the clock.
    AdvanceClock {
        /// Seconds, at least 0.
        seconds: i64,
    },
}
