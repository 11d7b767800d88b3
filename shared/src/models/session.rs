use super::{SessionId, Timestamp, UserId};

/// One login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, which every access token of it carries.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The device's description of itself.
    pub device: String,
    /// The address that logged in.
    pub ip: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
}
