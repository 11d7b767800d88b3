use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use shared::http::{
    ApiError, AuthErrors, Caller, CommonErrors, DownloadLimit, PollLimit, Query, QueryErrors, device_id,
};
use shared::models::{
    ConflictRecord, Connection, Content, DeviceId, FieldError, ItemId, ItemKey, ItemRecord, ItemType, PlacedUser,
    QueryHistory, SavedQuery, Stored, SyncVersion, SyncVersionSchema, Timestamp, limits,
};
use shared::storage::{Page, PageRequest};
use shared::sync::{Cursor, DownloadMode, download_mode};
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
    /// Conflicts that were opened, renewed or resolved, in that order; without `since` the open ones.
    #[schema(max_items = 1000)]
    conflicts: Vec<ConflictRecord>,
    /// Value of `since` for the next download. In the middle of a full sync it may be a time before 1970.
    sync_timestamp: Timestamp,
    /// Whether more pages follow now.
    has_more: bool,
    /// Whether a full sync starts: this page and those that follow replace the client's data, except for edits that it has
    /// not uploaded yet.
    reset: bool,
    /// Summary of the whole state of the requested types, on the last page. Absent while the server does not know it, for example after an update of the
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
/// back as the next `since`, exactly as received. With `has_more`, they ask for the next page at once. A page has at most
/// `limit` items, tombstones and conflicts, and 4 MB.
///
/// A `since` that is older than the last purge, or that this server has not returned, starts a full sync: after the server was
/// restored from a backup, for example. The start of 1970 is the time before the first change. A client whose digest differs
/// from `digest` asks again without `since`.
///
/// With `item_type` a download is about these types alone, and so are its cursors. A client may keep one cursor per type.
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
            description = "Maximum number of items, tombstones and conflicts of the page; 1,000 by default",
            minimum = 1,
            maximum = 1000,
            example = 1000
        ),
        ("item_type" = Option<Vec<ItemType>>, Query, max_items = 3, description = "Types of items; all by default")
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
    let response = downloads.respond(caller.placed(), wanted).await?;
    if response.is_empty_poll() {
        caller.count_as::<PollLimit>(downloads.rate_limits()).await?;
    }
    Ok(Json(response))
}

/// Parameters of a download.
struct Wanted {
    device: DeviceId,
    since: Option<Timestamp>,
    limit: usize,
    item_types: BTreeSet<ItemType>,
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
        let item_types = item_types(&query).map_err(|error| errors.push(error));
        match (device, since, limit, item_types) {
            (Ok(device), Ok(since), Ok(limit), Ok(item_types)) => Ok(Self { device, since, limit, item_types }),
            _ => Err(ApiError::invalid(errors)),
        }
    }

    fn page(&self, mode: DownloadMode) -> PageRequest {
        let (since, with_removed) = match mode {
            DownloadMode::Delta(since) => (since, true),
            DownloadMode::Reset => (Timestamp::MIN, false),
        };
        PageRequest { since, with_removed, item_types: self.item_types.clone(), limit: self.limit }
    }
}

/// Returns the requested types: all if the query names none.
fn item_types(query: &Query) -> Result<BTreeSet<ItemType>, FieldError> {
    let named = query.all("item_type").map(|name| {
        ItemType::from_name(name)
            .ok_or_else(|| FieldError::new("item_type", "must be connection, saved_query or query_history"))
    });
    let named = named.collect::<Result<Vec<ItemType>, _>>()?;
    match named.len() {
        0 => Ok(ItemType::ALL.into()),
        1..=3 => Ok(named.into_iter().collect()),
        _ => Err(FieldError::new("item_type", "must be given at most three times")),
    }
}

impl Downloads {
    async fn respond(&self, user: PlacedUser, wanted: Wanted) -> Result<DownloadResponse, ApiError> {
        // The delta is loaded before it is known whether the cursor is still valid: the same query returns both.
        let since = wanted.since.map(Cursor::decode);
        let mut mode = since.map_or(DownloadMode::Reset, |since| DownloadMode::Delta(since.position));
        let mut page = self.feed.page(user, &wanted.page(mode)).await?;
        if mode != DownloadMode::Reset && download_mode(since, page.head, page.is_in_gap) == DownloadMode::Reset {
            mode = DownloadMode::Reset;
            page = self.feed.page(user, &wanted.page(mode)).await?;
        }
        Ok(DownloadResponse::new(page, &wanted.item_types, mode == DownloadMode::Reset))
    }
}

impl DownloadResponse {
    fn new(page: Page, item_types: &BTreeSet<ItemType>, reset: bool) -> Self {
        let mut response =
            Self { sync_timestamp: page.next_cursor(), has_more: page.has_more, reset, ..Self::default() };
        response.conflicts = page.conflicts.iter().map(ConflictRecord::from).collect();
        if !page.has_more {
            response.digest = page.digest.map(|digest| DigestRecord::new(digest, item_types));
        }
        for (key, stored) in page.items {
            response.add(key, stored);
        }
        response
    }

    /// Whether the client asked for changes, and there are none.
    const fn is_empty_poll(&self) -> bool {
        let has_items =
            !self.connections.is_empty() || !self.saved_queries.is_empty() || !self.query_history.is_empty();
        !self.reset && !has_items && self.deleted.is_empty() && self.conflicts.is_empty()
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
