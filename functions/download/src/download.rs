use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, Caller, CommonErrors, DownloadLimit, Query, device_id};
use shared::models::{
    ConflictRecord, Connection, Content, DeviceId, FieldError, ItemId, ItemKey, ItemRecord, ItemType, QueryHistory,
    SavedQuery, Stored, SyncVersion, Timestamp, UserId, limits,
};
use shared::storage::{Page, PageRequest};
use shared::sync::{DownloadMode, download_mode, next_full_sync};
use utoipa::ToSchema;

use crate::Downloads;

/// One page of what has changed.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct DownloadResponse {
    /// Connections that are new or changed.
    connections: Vec<ItemRecord<Connection>>,
    /// Saved queries that are new or changed.
    saved_queries: Vec<ItemRecord<SavedQuery>>,
    /// Queries that were run.
    query_history: Vec<ItemRecord<QueryHistory>>,
    /// What was deleted.
    deleted: Vec<Tombstone>,
    /// Open conflicts, the newest first, on the last page and as many as fit; `GET /api/sync/conflicts` has all.
    conflicts: Vec<ConflictRecord>,
    /// What to pass as the next `since`.
    sync_timestamp: Timestamp,
    /// Whether to ask for more at once.
    has_more: bool,
    /// Whether this page starts the whole state, which replaces what the client has but for its unsent edits.
    reset: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Tombstone {
    /// The item's kind.
    item_type: ItemType,
    /// The item.
    item_id: ItemId,
    /// When it was deleted, by the server's clock.
    deleted_at: Timestamp,
    /// The version that its deletion is.
    sync_version: SyncVersion,
}

/// Hands out what has changed since `since`, or everything.
#[utoipa::path(
    get,
    path = "/api/sync/download",
    tag = "sync",
    security(("bearer" = [])),
    params(
        ("device_id" = DeviceId, Query, description = "The id by which the device calls itself"),
        ("since" = Option<Timestamp>, Query, description = "The last `sync_timestamp`; without it, everything"),
        ("limit" = Option<u32>, Query, description = "Most items of the page", minimum = 1, maximum = 1000)
    ),
    responses(
        (
            status = 200,
            description = "A page of what has changed.",
            body = DownloadResponse,
            links(("next_page" = (
                operation_id = "download",
                parameters(("since" = "$response.body#/sync_timestamp")),
                description = "What comes after."
            )))
        ),
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
    downloads.answer(caller.user, wanted).await.map(Json)
}

/// What a device asks for.
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

    fn page(&self, answer: DownloadMode) -> PageRequest {
        let (since, tombstones) = match answer {
            DownloadMode::Delta(since) => (since, true),
            DownloadMode::Reset => (Timestamp::MIN, false),
        };
        PageRequest { device: self.device.clone(), since, tombstones, limit: self.limit }
    }
}

impl Downloads {
    async fn answer(&self, user: UserId, wanted: Wanted) -> Result<DownloadResponse, ApiError> {
        // A delta is asked for in the hope that it can be given, which the same answer tells.
        let mut answer = wanted.since.map_or(DownloadMode::Reset, DownloadMode::Delta);
        let mut page = self.feed.page(user, &wanted.page(answer)).await?;
        if answer != DownloadMode::Reset
            && download_mode(wanted.since, page.head, page.full_sync) == DownloadMode::Reset
        {
            answer = DownloadMode::Reset;
            page = self.feed.page(user, &wanted.page(answer)).await?;
        }
        let cursor = match page.items.last() {
            Some((_, stored)) if page.has_more => stored.seq,
            _ => page.head.time,
        };
        if page.has_more
            && let Some(full_sync) = next_full_sync(answer, cursor, page.head, page.full_sync)
        {
            self.feed.save_full_sync_cursor(user, &wanted.device, full_sync).await?;
        }
        Ok(DownloadResponse::new(page, cursor, answer == DownloadMode::Reset))
    }
}

impl DownloadResponse {
    fn new(page: Page, cursor: Timestamp, reset: bool) -> Self {
        let mut answer = Self { sync_timestamp: cursor, has_more: page.has_more, reset, ..Self::default() };
        if !page.has_more {
            answer.conflicts = page.conflicts.iter().map(ConflictRecord::from).collect();
        }
        for (key, stored) in page.items {
            answer.add(key, stored);
        }
        answer
    }

    fn add(&mut self, key: ItemKey, stored: Stored) {
        if let Some(deleted_at) = stored.deleted_at {
            let ItemKey { item_type, id: item_id } = key;
            self.deleted.push(Tombstone { item_type, item_id, deleted_at, sync_version: stored.version });
            return;
        }
        let Some(item) = stored.item else { return };
        let (id, sync_version) = (key.id, stored.version);
        let (created_at, updated_at) = (Some(item.created_at), Some(stored.updated_at));
        match Arc::unwrap_or_clone(item.content) {
            Content::Connection(content) => {
                self.connections.push(ItemRecord { id, content, created_at, updated_at, sync_version });
            }
            Content::SavedQuery(content) => {
                self.saved_queries.push(ItemRecord { id, content, created_at, updated_at, sync_version });
            }
            Content::QueryHistory(content) => {
                let record = ItemRecord { id, content, created_at: None, updated_at: None, sync_version };
                self.query_history.push(record);
            }
        }
    }
}
