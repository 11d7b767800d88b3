use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, Caller, CommonErrors, DownloadLimit};
use shared::models::{Device, DeviceId, Timestamp};
use utoipa::ToSchema;

use crate::Downloads;

/// What the user has, in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusResponse {
    /// The devices that have uploaded, the latest first.
    devices: Vec<DeviceRecord>,
    /// How many items there are.
    counts: Counts,
    /// How many conflicts wait for the user.
    open_conflicts: i64,
    /// The newest change: a client that has this `since` has everything.
    sync_timestamp: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    /// Connections.
    connection: i64,
    /// Saved queries.
    saved_query: i64,
    /// Entries of the history.
    query_history: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
struct DeviceRecord {
    /// The id by which it calls itself.
    device_id: DeviceId,
    /// When it last uploaded.
    last_sync_at: Timestamp,
    /// How many of its changes were applied.
    total_synced: i64,
    /// How many of its changes met a conflict.
    conflicts_count: i64,
    /// What its client calls itself.
    version: String,
}

impl From<Device> for DeviceRecord {
    fn from(device: Device) -> Self {
        Self {
            device_id: device.id,
            last_sync_at: device.last_sync_at,
            total_synced: device.total_synced,
            conflicts_count: device.conflicts_count,
            version: device.version,
        }
    }
}

/// Says what the user has, and on which devices.
#[utoipa::path(
    get,
    path = "/api/sync/status",
    tag = "sync",
    security(("bearer" = [])),
    responses((status = 200, description = "What the user has.", body = StatusResponse), AuthErrors, CommonErrors)
)]
pub(crate) async fn status(
    State(downloads): State<Downloads>,
    caller: Caller<DownloadLimit>,
) -> Result<Json<StatusResponse>, ApiError> {
    let status = downloads.feed.status(caller.user).await?;
    let [connection, saved_query, query_history] = status.items;
    Ok(Json(StatusResponse {
        devices: status.devices.into_iter().map(DeviceRecord::from).collect(),
        counts: Counts { connection, saved_query, query_history },
        open_conflicts: status.open_conflicts,
        sync_timestamp: status.head.time,
    }))
}
