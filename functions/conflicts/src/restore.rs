use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::http::{
    ApiError, AuthErrors, BodyErrors, Caller, Code, CommonErrors, ConflictLimit, ErrorBody, JsonBody, SmallBody,
};
use shared::models::{
    ChangeId, Content, CurrentItem, CurrentRecord, FieldError, Item, ItemId, ItemKey, ItemRecord, ItemType,
    SyncVersion, SyncVersionSchema, Timestamp, limits, optional_whole_number,
};
use shared::sync::{RestoreOutcome, RestoreRequest, canonical_hash};
use utoipa::ToSchema;

use crate::Conflicts;
use crate::examples;

/// Version of an item to restore.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RestoreRequest)]
pub(crate) struct RestoreBody {
    /// Type of the item: `connection` or `saved_query`.
    #[schema(value_type = RestorableType)]
    item_type: String,
    /// Id of the item.
    #[schema(value_type = ItemId)]
    item_id: String,
    /// Version to restore.
    #[serde(default, deserialize_with = "optional_whole_number")]
    #[schema(required, value_type = SyncVersionSchema)]
    sync_version: Option<i64>,
    /// Version of the item that the user has seen. If the item has changed since, the response is 409.
    #[serde(default, deserialize_with = "optional_whole_number")]
    #[schema(required, value_type = SyncVersionSchema)]
    expected_version: Option<i64>,
}

/// Type of an item whose versions are kept.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document alone")]
enum RestorableType {
    Connection,
    SavedQuery,
}

/// Result of a restoration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RestoreResponse {
    /// Always `true`.
    success: bool,
    /// The item after the restoration. Absent if it is deleted, which only the response to a late repeat can show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item: Option<ItemRecord<Content>>,
}

/// Restores a version of an item.
///
/// Writes the version anew, as the next one. A repeated request gets the same response. If the item has changed since it was
/// seen, nothing is written and the response is 409 with its current state. `GET /api/sync/versions` lists the versions.
#[utoipa::path(
    post,
    path = "/api/sync/restore",
    operation_id = "restore_version",
    tag = "sync",
    security(("bearer" = [])),
    request_body(
        content = RestoreBody,
        example = json!({ "item_type": "saved_query", "item_id": "orders", "sync_version": 1, "expected_version": 2 })
    ),
    responses(
        (
            status = 200,
            description = "The version is the item again.",
            body = RestoreResponse,
            example = json!({ "success": true, "item": examples::item() })
        ),
        (
            status = 404,
            description = "The user has no such item, or the version is not kept.",
            body = ErrorBody,
            example = json!(ApiError::not_found("version").example())
        ),
        (
            status = 409,
            description = "The item has changed since it was seen: `current` is its state. Or the account has no room \
                           (`QUOTA_EXCEEDED`).",
            body = ErrorBody,
            example = json!({
                "error": true,
                "code": "CONFLICT",
                "message": CHANGED,
                "request_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
                "current": { "sync_version": 3, "deleted": false, "data": examples::item() }
            })
        ),
        AuthErrors,
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn restore(
    State(conflicts): State<Conflicts>,
    caller: Caller<ConflictLimit>,
    JsonBody(body): SmallBody<RestoreBody>,
) -> Result<Json<RestoreResponse>, ApiError> {
    let request = body.parse()?;
    let id = request.key.id.clone();
    let (item, updated_at, version) = match conflicts.restore(caller.placed(), &request).await? {
        RestoreOutcome::Restored(_, stored) => (stored.item, stored.updated_at, stored.version),
        RestoreOutcome::AlreadyRestored(version) => (version.item, version.updated_at, version.sync_version),
        RestoreOutcome::Outdated(stored) => {
            let current = Some(Box::new(CurrentRecord::new(&id, CurrentItem::of(stored.as_ref()))));
            return Err(ApiError { current, ..ApiError::new(Code::Conflict, CHANGED) });
        }
        RestoreOutcome::Deletion => {
            let error = FieldError::new("sync_version", "must not be a deletion; upload one to delete the item");
            return Err(ApiError::invalid(vec![error]));
        }
        RestoreOutcome::NotFound => return Err(ApiError::not_found("version")),
        RestoreOutcome::QuotaExceeded => return Err(ApiError::quota_exceeded()),
    };
    Ok(Json(response(id, item, updated_at, version)))
}

/// Message of a 409 about an item that has changed.
const CHANGED: &str = "the item has changed since it was seen; look at it again, then restore the version";

fn response(id: ItemId, item: Option<Item>, updated_at: Timestamp, version: SyncVersion) -> RestoreResponse {
    RestoreResponse { success: true, item: item.map(|item| ItemRecord::new(id, item, updated_at, version)) }
}

impl RestoreBody {
    /// Checks the fields.
    ///
    /// # Errors
    /// 400 with the invalid fields.
    fn parse(self) -> Result<RestoreRequest, ApiError> {
        let mut errors = Vec::new();
        let item_type = ItemType::from_name(&self.item_type).filter(|item_type| *item_type != ItemType::QueryHistory);
        if item_type.is_none() {
            errors.push(FieldError::new("item_type", "must be connection or saved_query"));
        }
        let id = ItemId::parse(&self.item_id).map_err(|error| errors.push(FieldError::new("item_id", error)));
        let version = check_version("sync_version", self.sync_version, &mut errors);
        let expected = check_version("expected_version", self.expected_version, &mut errors);
        let (Some(item_type), Ok(id), Some(version), Some(expected)) = (item_type, id, version, expected) else {
            return Err(ApiError::invalid(errors));
        };
        let key = ItemKey { item_type, id };
        let said = (key.item_type, &key.id, version, expected);
        let id = ChangeId::new_unchecked(format!("restore:{}", canonical_hash(&said)));
        Ok(RestoreRequest { id, key, version, expected })
    }
}

fn check_version(field: &str, version: Option<i64>, errors: &mut Vec<FieldError>) -> Option<SyncVersion> {
    let error = match version {
        Some(version) if (0..=limits::INTEGER).contains(&version) => return Some(version),
        Some(_) => "must be a whole number, 0 or more",
        None => "is missing",
    };
    errors.push(FieldError::new(field, error));
    None
}
