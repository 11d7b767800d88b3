use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::config::SyncConfig;
use shared::http::{KeyErrors, UnlimitedErrors};
use shared::models::{ItemType, Quota, Strategy, limits as maximum};
use utoipa::ToSchema;

use crate::Downloads;

/// Maximum of a quantity.
#[derive(ToSchema)]
#[schema(value_type = i32, minimum = 1, maximum = 2147483647)]
struct Limit(#[expect(dead_code, reason = "for the OpenAPI document alone")] i32);

/// Maximum that an operator sets.
#[derive(ToSchema)]
#[schema(value_type = i64, minimum = 0, maximum = 9007199254740991i64)]
struct QuotaLimit(#[expect(dead_code, reason = "for the OpenAPI document alone")] i64);

/// Limits of the API: clients read them here instead of hard-coding them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Limits {
    /// Bytes of JSON of an upload, after decompression.
    #[schema(value_type = Limit)]
    request_bytes: usize,
    /// Changes of an upload.
    #[schema(value_type = Limit)]
    changes_per_upload: usize,
    /// Bytes of JSON of an item's `data`.
    #[schema(value_type = Limit)]
    item_bytes: usize,
    /// Items and conflicts of a page of a download.
    #[schema(value_type = Limit)]
    page_items: usize,
    /// Bytes of a page.
    #[schema(value_type = Limit)]
    page_bytes: usize,
    /// Conflicts of a page of the list of conflicts.
    #[schema(value_type = Limit)]
    page_conflicts: usize,
    /// Versions of a page.
    #[schema(value_type = Limit)]
    page_versions: usize,
    /// Calls per minute.
    rates_per_minute: Rates,
    /// Days for which deleted items, replaced versions and resolved conflicts are kept.
    #[schema(value_type = Limit)]
    retention_days: i64,
    /// Replaced versions of an item that are kept, and conflicts of an item that a renewal left behind.
    #[schema(value_type = Limit)]
    versions_per_item: usize,
    /// Devices of an account that are remembered.
    #[schema(value_type = Limit)]
    devices: usize,
    /// Bytes that an account may store: items, replaced versions, conflicts and receipts.
    #[schema(value_type = QuotaLimit)]
    user_bytes: i64,
    /// Items that an account may store.
    #[schema(value_type = QuotaLimit)]
    user_items: i64,
    /// Bytes of these that may be query history.
    #[schema(value_type = QuotaLimit)]
    history_bytes: i64,
    /// Items of these that may be query history.
    #[schema(value_type = QuotaLimit)]
    history_items: i64,
    /// Characters or entries of the fields of items.
    fields: Fields,
    /// Strategies for the conflicts of an upload.
    #[schema(max_items = 5)]
    strategies: [Strategy; 5],
    /// Strategy of an upload that names none.
    default_strategy: Strategy,
    /// Types of items.
    #[schema(max_items = 3)]
    item_types: [ItemType; 3],
}

/// Calls per minute.
#[derive(Debug, Serialize, ToSchema)]
struct Rates {
    /// Uploads per user.
    #[schema(value_type = Limit)]
    upload: u32,
    /// Downloads and status calls per user.
    #[schema(value_type = Limit)]
    download: u32,
    /// Downloads of changes that find none, per user. They do not count as other downloads.
    #[schema(value_type = Limit)]
    poll: u32,
    /// Calls of the conflict operations per user.
    #[schema(value_type = Limit)]
    conflicts: u32,
    /// Calls of the account operations, per user with a token, otherwise per network.
    #[schema(value_type = Limit)]
    auth: u32,
}

/// Characters or entries of the fields of items.
#[derive(Debug, Serialize, ToSchema)]
struct Fields {
    /// Characters of an id of an item, a change, a device or a conflict.
    #[schema(value_type = Limit)]
    id: usize,
    /// Characters of a name.
    #[schema(value_type = Limit)]
    name: usize,
    /// Characters of `host` and `ssh_host`.
    #[schema(value_type = Limit)]
    host: usize,
    /// Characters of `database`.
    #[schema(value_type = Limit)]
    database: usize,
    /// Characters of `username` and `ssh_user`.
    #[schema(value_type = Limit)]
    username: usize,
    /// Characters of `color`.
    #[schema(value_type = Limit)]
    color: usize,
    /// Characters of `icon`.
    #[schema(value_type = Limit)]
    icon: usize,
    /// Characters of a description.
    #[schema(value_type = Limit)]
    description: usize,
    /// Characters of a query.
    #[schema(value_type = Limit)]
    query: usize,
    /// Characters of the error of a failed query.
    #[schema(value_type = Limit)]
    error: usize,
    /// Tags of a saved query.
    #[schema(value_type = Limit)]
    tags: usize,
    /// Characters of a tag.
    #[schema(value_type = Limit)]
    tag: usize,
    /// Entries of `metadata`.
    #[schema(value_type = Limit)]
    metadata_entries: usize,
    /// Characters of a key of `metadata`.
    #[schema(value_type = Limit)]
    metadata_key: usize,
    /// Characters of a value of `metadata`.
    #[schema(value_type = Limit)]
    metadata_value: usize,
    /// Fields that the server does not know.
    #[schema(value_type = Limit)]
    extra_fields: usize,
    /// Bytes of JSON of the fields that the server does not know.
    #[schema(value_type = Limit)]
    extra_bytes: usize,
}

/// Returns every limit.
///
/// Maxima of sizes, counts and calls, and the strategies that resolve conflicts.
#[utoipa::path(
    get,
    path = "/api/sync/limits",
    tag = "sync",
    responses(
        (
            status = 200,
            description = "The limits.",
            body = Limits,
            example = json!(Limits::new(SyncConfig { default_strategy: Strategy::LastWriteWins, quota: Quota::default() }))
        ),
        KeyErrors,
        UnlimitedErrors
    )
)]
pub(crate) async fn limits(State(downloads): State<Downloads>) -> Json<Limits> {
    Json(Limits::new(downloads.config))
}

impl Limits {
    fn new(SyncConfig { default_strategy, quota }: SyncConfig) -> Self {
        let history = quota.of_history();
        Self {
            request_bytes: maximum::UPLOAD_BYTES,
            changes_per_upload: maximum::UPLOAD_CHANGES,
            item_bytes: maximum::ITEM_BYTES,
            page_items: maximum::PAGE_ITEMS,
            page_bytes: maximum::PAGE_BYTES,
            page_conflicts: maximum::PAGE_CONFLICTS,
            page_versions: maximum::PAGE_VERSIONS,
            rates_per_minute: Rates {
                upload: maximum::UPLOADS_PER_MINUTE,
                download: maximum::DOWNLOADS_PER_MINUTE,
                poll: maximum::POLLS_PER_MINUTE,
                conflicts: maximum::CONFLICT_CALLS_PER_MINUTE,
                auth: maximum::AUTH_CALLS_PER_MINUTE,
            },
            retention_days: maximum::RETENTION_DAYS,
            versions_per_item: maximum::VERSIONS,
            devices: maximum::DEVICES,
            user_bytes: quota.bytes,
            user_items: quota.items,
            history_bytes: history.bytes,
            history_items: history.items,
            fields: Fields {
                id: maximum::ID_CHARS,
                name: maximum::NAME_CHARS,
                host: maximum::HOST_CHARS,
                database: maximum::DATABASE_CHARS,
                username: maximum::NAME_CHARS,
                color: maximum::DECORATION_CHARS,
                icon: maximum::DECORATION_CHARS,
                description: maximum::DESCRIPTION_CHARS,
                query: maximum::QUERY_CHARS,
                error: maximum::ERROR_CHARS,
                tags: maximum::TAGS,
                tag: maximum::TAG_CHARS,
                metadata_entries: maximum::METADATA_ENTRIES,
                metadata_key: maximum::METADATA_KEY_CHARS,
                metadata_value: maximum::METADATA_VALUE_CHARS,
                extra_fields: maximum::EXTRA_FIELDS,
                extra_bytes: maximum::EXTRA_BYTES,
            },
            strategies: Strategy::ALL,
            default_strategy,
            item_types: ItemType::ALL,
        }
    }
}
