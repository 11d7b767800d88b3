use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::http::{ApiError, device_id, from_json};
use shared::models::{
    Action, ChangeId, Content, DeviceId, FieldError, ItemId, ItemType, Strategy, SyncVersion, Timestamp, limits,
};
use shared::sync::{Upload, parse_change};
use utoipa::ToSchema;

/// What a device has changed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct UploadRequest<'a> {
    /// The id by which the device calls itself.
    #[schema(value_type = DeviceId)]
    device_id: String,
    /// When the device last heard from the server: the newest `sync_timestamp`.
    #[serde(default)]
    #[schema(value_type = Option<Timestamp>)]
    last_sync_at: Option<String>,
    /// How conflicts are settled; by default as the server is set, see `GET /api/sync/limits`.
    #[serde(default)]
    #[schema(value_type = Option<Strategy>)]
    conflict_strategy: Option<String>,
    /// The changes, in the order in which they were made.
    #[serde(borrow)]
    #[schema(value_type = Vec<ChangeBody>, min_items = 1, max_items = 5000)]
    changes: Vec<&'a RawValue>,
}

/// The JSON of an upload, compressed.
#[derive(Serialize, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct Compressed(Vec<u8>);

/// One change of one item. Fields that the server does not know are ignored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub(crate) struct ChangeBody {
    /// What recognises a repeat; without it, the whole content does.
    id: Option<ChangeId>,
    /// The item's kind.
    item_type: ItemType,
    /// The item's id, chosen by the device that made it.
    item_id: ItemId,
    /// What was done.
    action: Action,
    /// The item, whole; not for a deletion. It never holds a credential.
    data: Option<ChangeData>,
    /// When it was done, by the device's clock. The history has its own time, and may leave this out.
    updated_at: Option<Timestamp>,
    /// The version of the item that the device last saw; 0, or none, if it has seen none.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 9007199254740991i64)]
    sync_version: Option<SyncVersion>,
    /// The SHA-256, in hex, of `data` in canonical JSON (RFC 8785).
    checksum: Option<String>,
}

/// What an item says, as a device sends it.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeData {
    /// What it says.
    #[serde(flatten)]
    content: Content,
    /// The item's id once more, or nothing.
    id: Option<ItemId>,
    /// When it was made, by its maker's clock.
    created_at: Option<Timestamp>,
}

/// Reads the body of an upload.
pub(crate) fn parse(body: &[u8], default_strategy: Strategy) -> Result<Upload, ApiError> {
    let request: UploadRequest<'_> = from_json(body)?;
    let mut errors = Vec::new();
    let device = device_id(&request.device_id).map_err(|error| errors.push(error));
    let last_sync_at = request.last_sync_at.map(|time| time.parse::<Timestamp>()).transpose();
    let last_sync_at = last_sync_at.map_err(|error| errors.push(FieldError::new("last_sync_at", error.to_string())));
    let strategy = match request.conflict_strategy.as_deref() {
        None => Some(default_strategy),
        Some(name) => Strategy::named(name),
    };
    if strategy.is_none() {
        errors.push(FieldError::new("conflict_strategy", "must be last_write_wins, keep_both or user_choice"));
    }
    if request.changes.is_empty() {
        errors.push(FieldError::new("changes", "must have at least one entry"));
    }
    if request.changes.len() > limits::UPLOAD_CHANGES {
        let message =
            format!("must have at most {} entries, but has {}", limits::UPLOAD_CHANGES, request.changes.len());
        errors.push(FieldError::new("changes", message));
    }
    let (Ok(device), Ok(last_sync_at), Some(strategy), true) = (device, last_sync_at, strategy, errors.is_empty())
    else {
        return Err(ApiError::invalid(errors));
    };
    let changes = request.changes.into_iter().enumerate().map(|(index, raw)| parse_change(index, raw)).collect();
    Ok(Upload { device, last_sync_at, strategy, changes })
}
