//! The things that are synchronised, and the people they belong to; each parsed at the door, so that whatever holds one
//! of these types holds a valid one.
//!
//! Nothing here knows of storage, HTTP or the rules of conflict.

mod change;
mod conflict;
mod connection;
mod device;
mod field;
mod ids;
mod item;
pub mod limits;
mod metadata;
mod query_history;
mod saved_query;
mod session;
mod timestamp;
mod user;

pub use change::{Action, Change, ChangeHead, Edit};
pub use conflict::{Conflict, ConflictRecord, ItemVersion, Resolution, Strategy, VersionRecord, Winner};
pub use connection::{Connection, DatabaseType};
pub use device::Device;
pub use field::{FieldError, optional_by_name, optional_whole_number};
pub use ids::{ChangeId, ConflictId, DeviceId, ItemId, SessionId, SyncVersion, UserId};
pub use item::{Content, Item, ItemKey, ItemRecord, ItemType, Stored};
pub use query_history::QueryHistory;
pub use saved_query::SavedQuery;
pub use session::Session;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use user::{EmailAddress, Login, Role, User, Username};

pub(crate) use field::{Check, by_name, whole};
use metadata::Metadata;
