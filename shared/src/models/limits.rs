//! Every limit a client can run into, in one place; `GET /api/sync/limits` tells them all.

/// Most bytes of JSON in one upload, after decompression: what API Gateway takes (10 MiB).
pub const UPLOAD_BYTES: usize = 10 * 1024 * 1024;
/// Most changes in one upload.
pub const UPLOAD_CHANGES: usize = 5_000;
/// Most bytes of the JSON of one item: small enough that a page always holds a conflict and an item beside it.
pub const ITEM_BYTES: usize = 1024 * 1024;
/// Most bytes of any other request body: one item, merged, with every character of it written as six bytes.
pub const BODY_BYTES: usize = 6 * ITEM_BYTES + 65_536;

/// Most items, and the default, of one page of a download.
pub const PAGE_ITEMS: usize = 1_000;
/// Most bytes of one answer: Lambda hands back at most 6 MB, and base64 may need a third more.
pub const PAGE_BYTES: usize = 4_000_000;
/// Of these, the most for the open conflicts of a page: two versions of the largest item.
pub const PAGE_CONFLICT_BYTES: usize = 2 * ITEM_BYTES + 4_096;
/// Most conflicts, and the default, of one page.
pub const PAGE_CONFLICTS: usize = 100;

/// Most characters of an id of an item, a change or a device.
pub const ID_CHARS: usize = 128;
/// Most characters of a name.
pub const NAME_CHARS: usize = 255;
/// Most characters of a host.
pub const HOST_CHARS: usize = 255;
/// Most characters of a database's name, which for SQLite is a path.
pub const DATABASE_CHARS: usize = 4_096;
/// Most characters of a colour or the name of an icon.
pub const DECORATION_CHARS: usize = 255;
/// Most characters of a description.
pub const DESCRIPTION_CHARS: usize = 10_000;
/// Most characters of a query.
pub const QUERY_CHARS: usize = 1_000_000;
/// Most characters of a failed query's error.
pub const ERROR_CHARS: usize = 100_000;
/// Most tags of one saved query.
pub const TAGS: usize = 100;
/// Most characters of a tag.
pub const TAG_CHARS: usize = 128;
/// Most entries of a metadata map.
pub const METADATA_ENTRIES: usize = 100;
/// Most characters of a key in a metadata map.
pub const METADATA_KEY_CHARS: usize = 128;
/// Most characters of a value in a metadata map.
pub const METADATA_VALUE_CHARS: usize = 10_000;
/// The largest whole number every JSON client reads exactly (RFC 8259 §6): 2^53 − 1.
pub const INTEGER: i64 = 9_007_199_254_740_991;

/// Most characters of a user name.
pub const USERNAME_CHARS: usize = 64;
/// Most bytes of an e-mail address (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES: usize = 254;
/// Most bytes of what stands before its `@` (RFC 5321 §4.5.3.1.1).
pub const EMAIL_LOCAL_BYTES: usize = 64;
/// Fewest characters of a password.
pub const PASSWORD_MIN_CHARS: usize = 8;
/// Most characters of a password.
pub const PASSWORD_MAX_CHARS: usize = 128;
/// Most sessions of one user; a further login ends the one that was used longest ago.
pub const SESSIONS: usize = 100;
/// Most characters of a device's or a client's own description of itself.
pub const DEVICE_CHARS: usize = 128;

/// Days that deleted items and settled conflicts are kept.
pub const RETENTION_DAYS: i64 = 30;

/// Uploads a minute, per user.
pub const UPLOADS_PER_MINUTE: u32 = 10;
/// Downloads and status calls a minute, per user.
pub const DOWNLOADS_PER_MINUTE: u32 = 20;
/// Conflict calls a minute, per user.
pub const CONFLICT_CALLS_PER_MINUTE: u32 = 10;
/// Auth calls a minute, per client address; for logins also per account.
pub const AUTH_CALLS_PER_MINUTE: u32 = 20;
