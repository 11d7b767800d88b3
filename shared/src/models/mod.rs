//! Domain types: synchronised items, changes, conflicts, accounts and sessions.
//!
//! Requests are parsed into these types at the boundary, so a value of one of them is always valid. The module depends on
//! no other module of the crate.

mod change;
mod check;
mod conflict;
mod connection;
mod content;
mod deserialize;
mod device;
mod extra;
mod field;
mod ids;
mod item;
mod json_bytes;
pub(crate) mod json_path;
pub mod limits;
mod metadata;
mod placed_user;
mod query_history;
mod quota;
mod saved_query;
mod schema;
mod session;
mod timestamp;
mod token_hash;
mod user;
mod visible;

pub use change::{Action, Change, ChangeSummary, Edit};
pub use conflict::{Conflict, ConflictRecord, ItemVersion, Resolution, ResolvedBy, Strategy, VersionRecord, Winner};
pub use connection::{Connection, DatabaseType};
pub use content::{Content, KnownFields};
pub use deserialize::{optional_by_name, optional_whole_number};
pub use device::Device;
pub use extra::Extra;
pub use field::{FieldError, InvalidValue};
pub use ids::{ChangeId, ConflictId, DatabaseId, DeviceId, ItemId, SessionId, SyncVersion, UserId};
pub use item::{CurrentItem, CurrentRecord, Item, ItemKey, ItemRecord, ItemType, RecentChange, Stored};
pub use json_bytes::json_bytes;
pub use placed_user::PlacedUser;
pub use query_history::QueryHistory;
pub use quota::Quota;
pub use saved_query::SavedQuery;
pub use schema::{CountSchema, SyncVersionSchema, UuidSchema};
pub use session::Session;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use token_hash::TokenHash;
pub(crate) use user::caseless_key;
pub use user::{EmailAddress, Login, Role, User, Username};
pub use visible::is_visible;

pub(crate) use check::Check;
pub(crate) use deserialize::{by_name, whole_number};
use metadata::Metadata;
