use serde::Serialize;
use shared::models::CountSchema;
use shared::sync::{Digest, ItemsDigest};
use utoipa::ToSchema;

/// Summary of the live items. A client that holds the whole state as of `sync_timestamp` computes the same, and so proves that it
/// has missed nothing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Digest)]
pub(crate) struct DigestRecord {
    /// The connections.
    connections: ItemsDigestRecord,
    /// The saved queries.
    saved_queries: ItemsDigestRecord,
    /// The query history. Its entries never change, so their number is enough.
    query_history: HistoryDigestRecord,
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

impl From<Digest> for DigestRecord {
    fn from(digest: Digest) -> Self {
        let items = |ItemsDigest { count, hash }| ItemsDigestRecord { count, hash: format!("{hash:016x}") };
        Self {
            connections: items(digest.connections),
            saved_queries: items(digest.saved_queries),
            query_history: HistoryDigestRecord { count: digest.query_history },
        }
    }
}
