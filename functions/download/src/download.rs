use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, Caller, CommonErrors, DownloadLimit, Query, QueryErrors, device_id};
use shared::models::{
    ConflictRecord, Connection, Content, DeviceId, FieldError, ItemId, ItemKey, ItemRecord, ItemType, QueryHistory,
    SavedQuery, Stored, SyncVersion, SyncVersionSchema, Timestamp, UserId, limits,
};
use shared::storage::{Page, PageRequest};
use shared::sync::{DownloadMode, download_mode, next_full_sync};
use utoipa::ToSchema;

use crate::Downloads;
use crate::digest::DigestRecord;
use crate::examples;

/// Page of changes.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct DownloadResponse {
    /// New and changed connections.
    #[schema(max_items = 1000, value_type = Vec<ItemRecord<Connection>>)]
    connections: Vec<ItemRecord<Content>>,
    /// New and changed saved queries.
    #[schema(max_items = 1000, value_type = Vec<ItemRecord<SavedQuery>>)]
    saved_queries: Vec<ItemRecord<Content>>,
    /// New entries of the query history.
    #[schema(max_items = 1000, value_type = Vec<ItemRecord<QueryHistory>>)]
    query_history: Vec<ItemRecord<Content>>,
    /// Deleted items.
    #[schema(max_items = 1000)]
    deleted: Vec<Tombstone>,
    /// Open conflicts, newest first: on the last page only, and as many as fit. `GET /api/sync/conflicts` lists all.
    #[schema(max_items = 100)]
    conflicts: Vec<ConflictRecord>,
    /// Value of `since` for the next download.
    sync_timestamp: Timestamp,
    /// Whether more pages follow now.
    has_more: bool,
    /// Whether a full sync starts: this page and those that follow replace the client's data, except for edits that it has
    /// not uploaded yet.
    reset: bool,
    /// Summary of the whole state, on the last page. Absent while the server does not know it, for example after an update of the
    /// server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    digest: Option<DigestRecord>,
}

/// Deleted item.
#[derive(Debug, Serialize, ToSchema)]
struct Tombstone {
    /// Type of the item.
    item_type: ItemType,
    /// Id of the item.
    item_id: ItemId,
    /// Server time of the deletion.
    deleted_at: Timestamp,
    /// Version of the item that the deletion created.
    #[schema(value_type = SyncVersionSchema)]
    sync_version: SyncVersion,
}

/// Returns a page of changes.
///
/// With `since`, the changes after that time; without it, the whole state (`reset` is true). Clients pass each `sync_timestamp`
/// back as the next `since`. With `has_more`, they ask for the next page at once. A `since` that is older than the last
/// purge, or newer than the user's newest change, starts a full sync. A page has at most 1,000 items and 4 MB.
#[utoipa::path(
    get,
    path = "/api/sync/download",
    tag = "sync",
    security(("bearer" = [])),
    params(
        ("device_id" = DeviceId, Query, description = "Id of the device, chosen by the client", example = "laptop"),
        ("since" = Option<Timestamp>, Query, description = "Newest `sync_timestamp` that the device has received; without it, the whole state is returned",
            example = "2026-01-31T12:00:00.000000Z"),
        (
            "limit" = Option<u32>,
            Query,
            description = "Maximum number of items of the page; 1,000 by default",
            minimum = 1,
            maximum = 1000,
            example = 1000
        )
    ),
    responses(
        (
            status = 200,
            description = "A page of changes.",
            body = DownloadResponse,
            links(("next_page" = (
                operation_id = "download",
                parameters(("since" = "$response.body#/sync_timestamp")),
                description = "The next page."
            ))),
            example = json!(examples::download())
        ),
        QueryErrors,
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn download(
    State(downloads): State<Downloads>,
    caller: Caller<DownloadLimit>,
    RawQuery(query): RawQuery,
) -> Result<Json<DownloadResponse>, ApiError> {
    let wanted = Wanted::parse(query.as_deref())?;
    caller.record_device(&wanted.device);
    downloads.respond(caller.user, wanted).await.map(Json)
}

/// Parameters of a download.
struct Wanted {
    device: DeviceId,
    since: Option<Timestamp>,
    limit: usize,
}

impl Wanted {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let query = Query::parse(query)?;
        let mut errors = Vec::new();
        let device = match query.get("device_id") {
            None => Err(FieldError::new("device_id", "is missing")),
            Some(device) => device_id(device),
        };
        let device = device.map_err(|error| errors.push(error));
        let since = query.time("since").map_err(|error| errors.push(error));
        let limit = query.limit(limits::PAGE_ITEMS).map_err(|error| errors.push(error));
        match (device, since, limit) {
            (Ok(device), Ok(since), Ok(limit)) => Ok(Self { device, since, limit }),
            _ => Err(ApiError::invalid(errors)),
        }
    }

    fn page(&self, mode: DownloadMode) -> PageRequest {
        let (since, tombstones) = match mode {
            DownloadMode::Delta(since) => (since, true),
            DownloadMode::Reset => (Timestamp::MIN, false),
        };
        PageRequest { device: self.device.clone(), since, tombstones, limit: self.limit }
    }
}

impl Downloads {
    async fn respond(&self, user: UserId, wanted: Wanted) -> Result<DownloadResponse, ApiError> {
        // The delta is loaded before it is known whether the cursor is still valid: the same query returns both.
        let mut mode = wanted.since.map_or(DownloadMode::Reset, DownloadMode::Delta);
        let mut page = self.feed.page(user, &wanted.page(mode)).await?;
        if mode != DownloadMode::Reset && download_mode(wanted.since, page.head, page.full_sync) == DownloadMode::Reset
        {
            mode = DownloadMode::Reset;
            page = self.feed.page(user, &wanted.page(mode)).await?;
        }
        let cursor = match page.items.last() {
            Some((_, stored)) if page.has_more => stored.seq,
            _ => page.head.time,
        };
        if page.has_more
            && let Some(full_sync) = next_full_sync(mode, cursor, page.head, page.full_sync)
        {
            self.feed.save_full_sync_cursor(user, &wanted.device, full_sync).await?;
        }
        Ok(DownloadResponse::new(page, cursor, mode == DownloadMode::Reset))
    }
}

impl DownloadResponse {
    fn new(page: Page, cursor: Timestamp, reset: bool) -> Self {
        let mut response = Self { sync_timestamp: cursor, has_more: page.has_more, reset, ..Self::default() };
        if !page.has_more {
            response.conflicts = page.conflicts.iter().map(ConflictRecord::from).collect();
            response.digest = page.digest.map(DigestRecord::from);
        }
        for (key, stored) in page.items {
            response.add(key, stored);
        }
        response
    }

    fn add(&mut self, key: ItemKey, stored: Stored) {
        if let Some(deleted_at) = stored.deleted_at {
            let ItemKey { item_type, id: item_id } = key;
            self.deleted.push(Tombstone { item_type, item_id, deleted_at, sync_version: stored.version });
            return;
        }
        let Some(item) = stored.item else { return };
        let list = match key.item_type {
            ItemType::Connection => &mut self.connections,
            ItemType::SavedQuery => &mut self.saved_queries,
            ItemType::QueryHistory => &mut self.query_history,
        };
        list.push(ItemRecord::new(key.id, item, stored.updated_at, stored.version));
    }
}
