use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, Caller, CommonErrors, DownloadLimit, ErrorBody, Query, QueryErrors};
use shared::models::{FieldError, ItemId, ItemKey, ItemType, SyncVersion, Timestamp, VersionRecord, limits};
use shared::storage::KeptVersion;
use utoipa::ToSchema;

use crate::Downloads;
use crate::examples;

/// Page of the versions of an item.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionList {
    /// Versions, newest first. The first one of the first page is the current one.
    #[schema(max_items = 100)]
    versions: Vec<KeptVersionRecord>,
    /// Value of `cursor` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 19, pattern = "^[0-9]{1,19}$")]
    next_cursor: Option<String>,
}

/// Version of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptVersion)]
struct KeptVersionRecord {
    /// The version.
    #[serde(flatten)]
    version: VersionRecord,
    /// Server time at which another version replaced it; absent for the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replaced_at: Option<Timestamp>,
}

impl KeptVersionRecord {
    fn new(id: &ItemId, KeptVersion { version, replaced_at }: &KeptVersion) -> Self {
        Self { version: VersionRecord::new(id, version), replaced_at: *replaced_at }
    }
}

/// Lists the versions of an item.
///
/// Replaced versions of connections and saved queries are kept for 30 days, the newest 100 of each item, including those that a
/// merge or a restore replaced.
/// `POST /api/sync/restore` writes one of them anew. Entries of the query history have their current version only.
#[utoipa::path(
    get,
    path = "/api/sync/versions",
    operation_id = "list_versions",
    tag = "sync",
    security(("bearer" = [])),
    params(
        ("item_type" = ItemType, Query, description = "Type of the item", example = "saved_query"),
        ("item_id" = ItemId, Query, description = "Id of the item", example = "orders"),
        (
            "limit" = Option<u32>,
            Query,
            description = "Maximum number of versions of the page; 100 by default",
            minimum = 1,
            maximum = 100,
            example = 100
        ),
        (
            "cursor" = Option<String>,
            Query,
            description = "`next_cursor` of the previous page",
            max_length = 19,
            pattern = "^[0-9]{1,19}$",
            example = "2"
        )
    ),
    responses(
        (
            status = 200,
            description = "A page of versions.",
            body = VersionList,
            links(("next_page" = (
                operation_id = "list_versions",
                parameters(
                    ("item_type" = "$request.query.item_type"),
                    ("item_id" = "$request.query.item_id"),
                    ("cursor" = "$response.body#/next_cursor")
                ),
                description = "The next page."
            ))),
            example = json!(examples::versions())
        ),
        (
            status = 404,
            description = "The user has no such item.",
            body = ErrorBody,
            example = json!(ApiError::not_found("item").example())
        ),
        QueryErrors,
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn versions(
    State(downloads): State<Downloads>,
    caller: Caller<DownloadLimit>,
    RawQuery(query): RawQuery,
) -> Result<Json<VersionList>, ApiError> {
    let (key, before, limit) = parse(&Query::parse(query.as_deref())?)?;
    let page = downloads.feed.versions(caller.placed(), &key, before, limit).await?;
    let page = page.ok_or_else(|| ApiError::not_found("item"))?;
    Ok(Json(VersionList {
        versions: page.versions.iter().map(|version| KeptVersionRecord::new(&key.id, version)).collect(),
        next_cursor: page.next.map(|before| before.to_string()),
    }))
}

fn parse(query: &Query) -> Result<(ItemKey, Option<SyncVersion>, usize), ApiError> {
    let mut errors = Vec::new();
    let item_type = match query.get("item_type").map(ItemType::from_name) {
        Some(Some(item_type)) => Ok(item_type),
        Some(None) => Err(FieldError::new("item_type", "must be connection, saved_query or query_history")),
        None => Err(FieldError::new("item_type", "is missing")),
    };
    let item_type = item_type.map_err(|error| errors.push(error));
    let id = match query.get("item_id") {
        Some(id) => ItemId::parse(id).map_err(|error| FieldError::new("item_id", error)),
        None => Err(FieldError::new("item_id", "is missing")),
    };
    let id = id.map_err(|error| errors.push(error));
    let cursor = query.get("cursor").map(str::parse::<SyncVersion>).transpose().ok();
    let cursor = cursor.filter(|cursor| cursor.is_none_or(|cursor| cursor >= 0));
    if cursor.is_none() {
        errors.push(FieldError::new("cursor", "must be the next_cursor of a page"));
    }
    let limit = query.limit(limits::PAGE_VERSIONS).map_err(|error| errors.push(error));
    match (item_type, id, cursor, limit) {
        (Ok(item_type), Ok(id), Some(cursor), Ok(limit)) => Ok((ItemKey { item_type, id }, cursor, limit)),
        _ => Err(ApiError::invalid(errors)),
    }
}
