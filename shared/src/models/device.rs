use super::{DeviceId, Timestamp};

/// A device that has uploaded at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Id, chosen by the device.
    pub id: DeviceId,
    /// Time of the last upload.
    pub last_sync_at: Timestamp,
    /// Number of applied changes.
    pub total_synced: i64,
    /// Number of changes that conflicted.
    pub conflicts_count: i64,
    /// Client version, from the last upload's `X-Client-Version` or `User-Agent` header.
    pub version: String,
}
