//! Every limit of the API. `GET /api/sync/limits` returns all of them.

/// Maximum size of an upload after decompression, in bytes of JSON: what API Gateway accepts (10 MiB).
pub const UPLOAD_BYTES: usize = 10 * 1024 * 1024;
/// Maximum number of changes in one upload.
pub const UPLOAD_CHANGES: usize = 5_000;
/// Maximum size of one item, in bytes of JSON. A page always has room for a conflict and an item of this size.
pub const ITEM_BYTES: usize = 1024 * 1024;
/// Maximum number of fields of an item that the server does not know.
pub const EXTRA_FIELDS: usize = 64;
/// Maximum size of the fields of an item that the server does not know, in bytes of JSON.
pub const EXTRA_BYTES: usize = 16 * 1024;
/// Maximum size of the body of a resolution, in bytes: one merged item with every character escaped as six bytes.
pub const BODY_BYTES: usize = 6 * ITEM_BYTES + 65_536;
/// Maximum size of any other request body, in bytes.
pub const SMALL_BODY_BYTES: usize = 16 * 1024;

/// Maximum and default number of items and conflicts on one page of a download.
pub const PAGE_ITEMS: usize = 1_000;
/// Maximum size of one response, in bytes. Lambda returns at most 6 MB, and base64 may add a third.
pub const PAGE_BYTES: usize = 4_000_000;
/// Maximum and default number of conflicts on one page of the list of conflicts.
pub const PAGE_CONFLICTS: usize = 100;

/// Maximum length of the id of an item, a change or a device, in characters.
pub const ID_CHARS: usize = 128;
/// Maximum length of a name, in characters.
pub const NAME_CHARS: usize = 255;
/// Maximum length of a host name, in characters.
pub const HOST_CHARS: usize = 255;
/// Maximum length of a database name, in characters. For SQLite it is a path.
pub const DATABASE_CHARS: usize = 4_096;
/// Maximum length of a colour or of the name of an icon, in characters.
pub const DECORATION_CHARS: usize = 255;
/// Maximum length of a description, in characters.
pub const DESCRIPTION_CHARS: usize = 10_000;
/// Maximum length of a query, in characters.
pub const QUERY_CHARS: usize = 1_000_000;
/// Maximum length of the error message of a failed query, in characters.
pub const ERROR_CHARS: usize = 100_000;
/// Maximum number of tags of one saved query.
pub const TAGS: usize = 100;
/// Maximum length of a tag, in characters.
pub const TAG_CHARS: usize = 128;
/// Maximum number of entries of a metadata map.
pub const METADATA_ENTRIES: usize = 100;
/// Maximum length of a key in a metadata map, in characters.
pub const METADATA_KEY_CHARS: usize = 128;
/// Maximum length of a value in a metadata map, in characters.
pub const METADATA_VALUE_CHARS: usize = 10_000;
/// The largest whole number that every JSON client reads exactly (RFC 8259 §6): 2^53 − 1.
pub const INTEGER: i64 = 9_007_199_254_740_991;

/// Maximum length of a text that may be a user name or an email address, in characters: longer ones are not normalised. A character of a
/// name may be composed of several.
pub const LOGIN_CHARS: usize = 256;
/// Maximum length of a user name, in characters.
pub const USERNAME_CHARS: usize = 64;
/// Maximum length of an email address, in bytes (RFC 5321 §4.5.3.1.3, without the angle brackets).
pub const EMAIL_BYTES: usize = 254;
/// Maximum length of the local part of an email address, in bytes (RFC 5321 §4.5.3.1.1).
pub const EMAIL_LOCAL_BYTES: usize = 64;
/// Minimum length of a password, in characters.
pub const PASSWORD_MIN_CHARS: usize = 8;
/// Maximum length of a password, in characters.
pub const PASSWORD_MAX_CHARS: usize = 128;
/// Maximum number of sessions per user. A further login ends the least recently used session.
pub const SESSIONS: usize = 100;
/// Maximum length of a device name or a client version, in characters.
pub const DEVICE_CHARS: usize = 128;

/// Retention of deleted items, replaced versions and resolved conflicts, in days.
pub const RETENTION_DAYS: i64 = 30;
/// Maximum number of replaced versions of one item that are kept.
pub const VERSIONS: usize = 100;
/// Maximum and default number of versions on one page.
pub const PAGE_VERSIONS: usize = 100;
/// Maximum number of conflicts of one item that a renewal left behind.
pub const RENEWED_CONFLICTS: usize = 100;
/// Maximum number of devices per user. A further device replaces the one that has not uploaded for the longest time.
pub const DEVICES: usize = 1_000;

/// Rate limit for uploads, per user and minute.
pub const UPLOADS_PER_MINUTE: u32 = 10;
/// Rate limit for other downloads and status calls, per user and minute.
pub const DOWNLOADS_PER_MINUTE: u32 = 20;
/// Rate limit for polls, that is downloads of changes that find none, per user and minute.
pub const POLLS_PER_MINUTE: u32 = 120;
/// Rate limit for calls about conflicts, per user and minute.
pub const CONFLICT_CALLS_PER_MINUTE: u32 = 10;
/// Rate limit for calls about accounts, per minute, and per user with a token, otherwise per network.
pub const AUTH_CALLS_PER_MINUTE: u32 = 20;
