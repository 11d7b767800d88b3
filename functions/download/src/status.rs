use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, Caller, CommonErrors, DownloadLimit};
use shared::models::{CountSchema, Device, DeviceId, ItemType, Timestamp};
use utoipa::ToSchema;

use crate::Downloads;
use crate::digest::DigestRecord;
use crate::examples;

/// Sync status of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusResponse {
    /// Devices that have uploaded, latest first.
    devices: Vec<DeviceRecord>,
    /// Number of items by type.
    counts: Counts,
    /// Number of open conflicts.
    #[schema(value_type = CountSchema)]
    open_conflicts: i64,
    /// Server time of the user's newest change. A client whose `since` is this time is up to date.
    sync_timestamp: Timestamp,
    /// Summary of the live items; absent while the server does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    digest: Option<DigestRecord>,
    /// Storage in use, out of the `user_bytes` and `user_items` that `GET /api/sync/limits` returns.
    storage: Storage,
}

/// Storage that an account uses.
#[derive(Debug, Serialize, ToSchema)]
struct Storage {
    /// Bytes of items, replaced versions, conflicts and receipts.
    #[schema(value_type = CountSchema)]
    bytes: i64,
    /// Number of items.
    #[schema(value_type = CountSchema)]
    items: i64,
}

/// Number of items by type.
#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    /// Number of connections.
    #[schema(value_type = CountSchema)]
    connection: i64,
    /// Number of saved queries.
    #[schema(value_type = CountSchema)]
    saved_query: i64,
    /// Number of entries of the query history.
    #[schema(value_type = CountSchema)]
    query_history: i64,
}

/// Device that has uploaded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
struct DeviceRecord {
    /// Id of the device, chosen by the client.
    device_id: DeviceId,
    /// Server time of the last upload.
    last_sync_at: Timestamp,
    /// Number of its changes that were applied.
    #[schema(value_type = CountSchema)]
    total_synced: i64,
    /// Number of its changes that conflicted.
    #[schema(value_type = CountSchema)]
    conflicts_count: i64,
    /// `X-Client-Version` or `User-Agent` header of the last upload: at most 128 characters.
    #[schema(max_length = 128, pattern = r"^[\t\x20-\x7e]*$")]
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

/// Returns the sync status.
///
/// The devices of the user, the number of items and of open conflicts, the time of the newest change, and what the account
/// stores.
#[utoipa::path(
    get,
    path = "/api/sync/status",
    tag = "sync",
    security(("bearer" = [])),
    responses(
        (
            status = 200,
            description = "The sync status.",
            body = StatusResponse,
            example = json!(examples::status())
        ),
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn status(
    State(downloads): State<Downloads>,
    caller: Caller<DownloadLimit>,
) -> Result<Json<StatusResponse>, ApiError> {
    let status = downloads.feed.status(caller.placed()).await?;
    let ([connection, saved_query, query_history], totals) = (status.items, status.totals);
    Ok(Json(StatusResponse {
        devices: status.devices.into_iter().map(DeviceRecord::from).collect(),
        counts: Counts { connection, saved_query, query_history },
        open_conflicts: status.open_conflicts,
        sync_timestamp: status.head.time,
        digest: (!totals.is_digest_stale).then(|| DigestRecord::new(totals.digest, &ItemType::ALL.into())),
        storage: Storage { bytes: totals.size.bytes.max(0), items: connection + saved_query + query_history },
    }))
}
