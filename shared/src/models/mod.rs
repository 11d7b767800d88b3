//! Domain types: synchronised items, changes, conflicts, accounts and sessions.
//!
//! Requests are parsed into these types at the boundary, so a value of one of them is always valid. The module depends on
//! no other module of the crate.

mod change;
mod check;
mod conflict;
mod connection;
mod deserialize;
mod device;
mod field;
mod ids;
mod item;
pub(crate) mod json_path;
pub mod limits;
mod metadata;
mod query_history;
mod saved_query;
mod schema;
mod session;
mod timestamp;
mod token_hash;
mod user;

pub use change::{Action, Change, ChangeSummary, Edit};
pub use conflict::{Conflict, ConflictRecord, ItemVersion, Resolution, Strategy, VersionRecord, Winner};
pub use connection::{Connection, DatabaseType};
pub use deserialize::{optional_by_name, optional_whole_number};
pub use device::Device;
pub use field::{FieldError, InvalidValue};
pub use ids::{ChangeId, ConflictId, DeviceId, ItemId, SessionId, SyncVersion, UserId};
pub use item::{Content, Item, ItemKey, ItemRecord, ItemType, Stored};
pub use query_history::QueryHistory;
pub use saved_query::SavedQuery;
pub use schema::{CountSchema, SyncVersionSchema, UuidSchema};
pub use session::Session;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use token_hash::TokenHash;
pub use user::{EmailAddress, Login, Role, User, Username};

pub(crate) use check::Check;
pub(crate) use deserialize::{by_name, whole_number};
use metadata::Metadata;
