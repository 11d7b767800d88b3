//! Responses, reduced to the fields that the model checks.

use shared::models::{ResolvedBy, Timestamp, Winner};

use crate::call::{Content, Key};

/// Effect of an applied change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The item is what the change said.
    AsSent,
    /// Merged with another device's edit.
    Merged,
    /// Nothing: an edit of a history entry.
    Unchanged,
}

/// Result of one change. `current` is the item after the whole upload, where the response has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChangeResult {
    /// Applied.
    Applied {
        /// Version after the change.
        version: i64,
        /// Effect of the change.
        effect: Effect,
        /// The item.
        current: Option<Current>,
    },
    /// Conflict.
    Conflict {
        /// The conflict.
        conflict: Box<Conflict>,
        /// Version of the item after the whole upload.
        version: i64,
        /// The item.
        current: Option<Current>,
    },
    /// Refused, because the item is at another version.
    Refused {
        /// Version of the item after the whole upload.
        version: i64,
        /// The item.
        current: Option<Current>,
    },
    /// Rejected with this error code.
    Rejected(String),
}

impl ChangeResult {
    /// Returns whether the server has recorded the change.
    pub const fn is_recorded(&self) -> bool {
        matches!(self, Self::Applied { .. } | Self::Conflict { .. })
    }

    /// Returns the item that the result has.
    pub const fn current(&self) -> Option<&Current> {
        match self {
            Self::Applied { current, .. } | Self::Conflict { current, .. } | Self::Refused { current, .. } => {
                current.as_ref()
            }
            Self::Rejected(_) => None,
        }
    }
}

/// Response to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadResponse {
    /// `synced_at`.
    pub at: Timestamp,
    /// Result of each change, in order.
    pub results: Vec<ChangeResult>,
}

/// State of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Current {
    /// Version; 0 if the item does not exist.
    pub version: i64,
    /// Content; `None` if the item is deleted or does not exist.
    pub content: Option<Content>,
}

/// Version of an item that is kept: the current one, or one that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeptVersion {
    /// Content; `None` for a deletion.
    pub content: Option<Content>,
    /// Version.
    pub version: i64,
    /// Time of the edit.
    pub updated_at: Timestamp,
    /// Device that wrote the version; empty for none.
    pub device: String,
    /// Server time at which it was replaced; `None` for the current version.
    pub replaced_at: Option<Timestamp>,
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
    /// Means of resolution.
    pub by: ResolvedBy,
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
    /// Server time of the first record.
    pub detected_at: Timestamp,
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
    /// Conflicts, in the order in which they were written.
    pub conflicts: Vec<Conflict>,
    /// The cursor.
    pub sync_timestamp: Timestamp,
    /// Whether more pages follow.
    pub has_more: bool,
    /// Whether the page is the first of a full sync.
    pub reset: bool,
    /// Numbers of live items in the digest of the last page: of the requested types, in the order of
    /// [`shared::models::ItemType::ALL`].
    pub digest: Option<Vec<i64>>,
}

/// Response to a status request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Status {
    /// Devices sorted by id, each with its number of applied changes and of conflicts. Repeats are not counted.
    pub devices: Vec<(String, i64, i64)>,
    /// Numbers of live items, in the order of [`shared::models::ItemType::ALL`].
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

/// Response to a [`Request`](crate::Request).
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
    /// Response to a list of versions: all versions of the item, newest first.
    Versions(Vec<KeptVersion>),
    /// Response to a restoration.
    Restored {
        /// The item as the request wrote it; `None` if it is deleted.
        item: Option<PageItem>,
        /// Time of the edit.
        updated_at: Option<Timestamp>,
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
        /// Replaced versions.
        versions: u64,
    },
    /// Error response.
    Refused {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
        /// Current state of the conflict.
        conflict: Option<Box<Conflict>>,
        /// Current state of the item.
        current: Option<Box<Current>>,
    },
}

impl Response {
    /// Returns whether the response is an error with this status.
    pub fn is_refused(&self, expected: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == expected)
    }

    /// Returns whether the response is an error with this code.
    pub fn has_code(&self, expected: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == expected)
    }
}
