use super::{SessionId, Timestamp, UserId};

/// A session: one login on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Id; every access token of the session carries it in the claim `sid`.
    pub id: SessionId,
    /// The user who logged in.
    pub user: UserId,
    /// Name of the device: the name sent at login, or the client's `User-Agent`.
    pub device: String,
    /// Address of the client at login.
    pub ip: String,
    /// Time of the login.
    pub created_at: Timestamp,
    /// Time of the last request, to the minute.
    pub last_seen_at: Timestamp,
    /// Time at which the session ends unless it is refreshed.
    pub expires_at: Timestamp,
}
