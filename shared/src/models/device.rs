use super::{DeviceId, Timestamp};

/// What is remembered of a device that has uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its own id.
    pub id: DeviceId,
    /// When it last uploaded.
    pub last_sync_at: Timestamp,
    /// How many of its changes were applied.
    pub total_synced: i64,
    /// How many of its changes met a conflict.
    pub conflicts_count: i64,
    /// The client's description of itself, as of the last upload.
    pub version: String,
}
