use std::collections::BTreeSet;

use serde::Serialize;
use shared::models::{CountSchema, ItemType};
use shared::sync::{Digest, ItemsDigest};
use utoipa::ToSchema;

/// Summary of the live items. A client that holds the whole state as of `sync_timestamp` computes the same, and so proves that it
/// has missed nothing. A download of some types has the summaries of these types alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Digest)]
pub(crate) struct DigestRecord {
    /// The connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    connections: Option<ItemsDigestRecord>,
    /// The saved queries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    saved_queries: Option<ItemsDigestRecord>,
    /// The query history. Its entries never change, so their number is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    query_history: Option<HistoryDigestRecord>,
}

/// Summary of the live items of one type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemsDigest)]
struct ItemsDigestRecord {
    /// Number of items.
    #[schema(value_type = CountSchema)]
    count: i64,
    /// The sum, modulo 2^64, of a hash per item, as 16 hexadecimal digits. The hash of an item is the first eight bytes
    /// (big-endian) of SHA-256 of `item_type 0x00 item_id 0x00 sync_version 0x00 updated_at`, with decimal numbers, and
    /// `updated_at` in whole milliseconds since 1970.
    #[schema(min_length = 16, max_length = 16, pattern = "^[0-9a-f]{16}$")]
    hash: String,
}

/// Summary of the query history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HistoryDigest)]
struct HistoryDigestRecord {
    /// Number of entries.
    #[schema(value_type = CountSchema)]
    count: i64,
}

impl DigestRecord {
    /// Returns the record of the parts of `digest` that are about `item_types`.
    pub(crate) fn new(digest: Digest, item_types: &BTreeSet<ItemType>) -> Self {
        let items = |ItemsDigest { count, hash }| ItemsDigestRecord { count, hash: format!("{hash:016x}") };
        let is_wanted = |item_type| item_types.contains(&item_type);
        Self {
            connections: is_wanted(ItemType::Connection).then(|| items(digest.connections)),
            saved_queries: is_wanted(ItemType::SavedQuery).then(|| items(digest.saved_queries)),
            query_history: is_wanted(ItemType::QueryHistory)
                .then_some(HistoryDigestRecord { count: digest.query_history }),
        }
    }
}
