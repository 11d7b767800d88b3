use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::http::{ApiError, device_id, from_json};
use shared::models::{
    Action, ChangeId, Content, DeviceId, FieldError, ItemId, ItemType, Strategy, SyncVersion, Timestamp, limits,
};
use shared::sync::{Upload, parse_change};
use utoipa::ToSchema;

/// Changes of a device.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct UploadRequest<'a> {
    /// Id of the device, chosen by the client.
    #[schema(value_type = DeviceId)]
    device_id: String,
    /// Newest `sync_timestamp` that the device has received.
    #[serde(default)]
    #[schema(value_type = Option<Timestamp>)]
    last_sync_at: Option<String>,
    /// Strategy that resolves conflicts; `default_strategy` of `GET /api/sync/limits` by default.
    #[serde(default)]
    #[schema(value_type = Option<Strategy>)]
    conflict_strategy: Option<String>,
    /// Changes, in the order in which they were made.
    #[serde(borrow)]
    #[schema(value_type = Vec<ChangeBody>, min_items = 1, max_items = 5000)]
    changes: Vec<&'a RawValue>,
}

/// `UploadRequest` as JSON, compressed: at most 10 MiB, before and after decompression.
#[derive(Serialize, ToSchema)]
#[schema(value_type = String, format = Binary, max_length = 10485760)]
pub(crate) struct Compressed(Vec<u8>);

/// Change of one item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub(crate) struct ChangeBody {
    /// Id of the change, by which a repeat is recognised; without one, the whole content is compared.
    id: Option<ChangeId>,
    /// Type of the item.
    item_type: ItemType,
    /// Id of the item, chosen by the client that created it.
    item_id: ItemId,
    /// Kind of change.
    action: Action,
    /// The whole item, without credentials. Not needed for a deletion.
    data: Option<ChangeData>,
    /// Time of the change, by the device's clock. Optional for the query history, whose `executed_at` counts.
    updated_at: Option<Timestamp>,
    /// Version of the item that the device last saw; 0 or absent if it has seen none.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 9007199254740991i64)]
    sync_version: Option<SyncVersion>,
    /// SHA-256 of `data` in canonical JSON (RFC 8785), in hexadecimal. A mismatch is rejected.
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9A-Fa-f]{64}$")]
    checksum: Option<String>,
}

/// Data of an item, as a device sends it. Fields that are not listed are kept with the item: at most 64, and 16 KiB of JSON.
/// An update that leaves one out does not change it; `null` removes it.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeData {
    /// Content of the item.
    #[serde(flatten)]
    content: Content,
    /// Id of the item again, if present.
    id: Option<ItemId>,
    /// Creation time, by the clock of the device that created the item.
    created_at: Option<Timestamp>,
}

/// Parses the body of an upload. A change that is invalid becomes a rejection, not an error.
///
/// # Errors
/// 400 with the invalid fields of the upload itself.
pub(crate) fn parse(body: &[u8], default_strategy: Strategy) -> Result<Upload, ApiError> {
    let request: UploadRequest<'_> = from_json(body)?;
    let mut errors = Vec::new();
    let device = device_id(&request.device_id).map_err(|error| errors.push(error));
    let last_sync_at = request.last_sync_at.map(|time| time.parse::<Timestamp>()).transpose();
    let last_sync_at = last_sync_at.map_err(|error| errors.push(FieldError::new("last_sync_at", error.to_string())));
    let strategy = match request.conflict_strategy.as_deref() {
        None => Some(default_strategy),
        Some(name) => Strategy::from_name(name),
    };
    if strategy.is_none() {
        errors.push(FieldError::new(
            "conflict_strategy",
            "must be last_write_wins, keep_both, user_choice, merge or refuse",
        ));
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
