use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::models::{ItemType, Strategy, limits as most};
use utoipa::ToSchema;

use crate::Downloads;

/// Every limit a client can run into, so that none needs to know them by heart.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Limits {
    /// Most bytes of JSON of one upload, after decompression.
    request_bytes: usize,
    /// Most changes of one upload.
    changes_per_upload: usize,
    /// Most bytes of JSON of one item's data.
    item_bytes: usize,
    /// Most items of one page of a download.
    page_items: usize,
    /// Most bytes of one page.
    page_bytes: usize,
    /// Most conflicts of one page.
    page_conflicts: usize,
    /// Calls a minute.
    rates_per_minute: Rates,
    /// Days that deleted items and settled conflicts are kept.
    retention_days: i64,
    /// Most characters, or entries, of the fields of items.
    fields: Fields,
    /// How conflicts can be settled.
    strategies: [Strategy; 3],
    /// How they are settled where an upload does not say.
    default_strategy: Strategy,
    /// The kinds of item.
    item_types: [ItemType; 3],
}

#[derive(Debug, Serialize, ToSchema)]
struct Rates {
    /// Uploads, per user.
    upload: u32,
    /// Downloads and status calls, per user.
    download: u32,
    /// Conflict calls, per user.
    conflicts: u32,
    /// Auth calls, per address; for logins also per account.
    auth: u32,
}

#[derive(Debug, Serialize, ToSchema)]
struct Fields {
    id: usize,
    name: usize,
    host: usize,
    database: usize,
    username: usize,
    color: usize,
    icon: usize,
    description: usize,
    query: usize,
    error: usize,
    tags: usize,
    tag: usize,
    metadata_entries: usize,
    metadata_key: usize,
    metadata_value: usize,
}

/// Tells every limit.
#[utoipa::path(
    get,
    path = "/api/sync/limits",
    tag = "sync",
    responses((status = 200, description = "The limits.", body = Limits))
)]
pub(crate) async fn limits(State(downloads): State<Downloads>) -> Json<Limits> {
    Json(Limits {
        request_bytes: most::UPLOAD_BYTES,
        changes_per_upload: most::UPLOAD_CHANGES,
        item_bytes: most::ITEM_BYTES,
        page_items: most::PAGE_ITEMS,
        page_bytes: most::PAGE_BYTES,
        page_conflicts: most::PAGE_CONFLICTS,
        rates_per_minute: Rates {
            upload: most::UPLOADS_PER_MINUTE,
            download: most::DOWNLOADS_PER_MINUTE,
            conflicts: most::CONFLICT_CALLS_PER_MINUTE,
            auth: most::AUTH_CALLS_PER_MINUTE,
        },
        retention_days: most::RETENTION_DAYS,
        fields: Fields {
            id: most::ID_CHARS,
            name: most::NAME_CHARS,
            host: most::HOST_CHARS,
            database: most::DATABASE_CHARS,
            username: most::NAME_CHARS,
            color: most::DECORATION_CHARS,
            icon: most::DECORATION_CHARS,
            description: most::DESCRIPTION_CHARS,
            query: most::QUERY_CHARS,
            error: most::ERROR_CHARS,
            tags: most::TAGS,
            tag: most::TAG_CHARS,
            metadata_entries: most::METADATA_ENTRIES,
            metadata_key: most::METADATA_KEY_CHARS,
            metadata_value: most::METADATA_VALUE_CHARS,
        },
        strategies: Strategy::ALL,
        default_strategy: downloads.default_strategy,
        item_types: ItemType::ALL,
    })
}
