use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{InvalidValue, limits};

/// Version of an item: 1 when it is created, incremented by each write. As a base version, 0 means "never seen".
pub type SyncVersion = i64;

/// Defines a UUID newtype, so that a call cannot swap ids of different kinds.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps `id`.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// Returns the id as a plain UUID, for stores.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// Id of an account.
    UserId
}
uuid_id! {
    /// Id of a session: one login on one device.
    SessionId
}
uuid_id! {
    /// Id of a database of sync data, which the database itself holds.
    DatabaseId
}

/// Defines an id that is a string of the client's choice, cheap to clone.
macro_rules! client_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks that `text` has 1 to 128 characters and no control characters, each of which would take six bytes of
            /// JSON in every response.
            ///
            /// # Errors
            /// Fails if `text` violates one of these rules.
            pub fn parse(text: &str) -> Result<Self, InvalidValue> {
                let length = text.chars().take(limits::ID_CHARS + 1).count();
                if length == 0 || length > limits::ID_CHARS {
                    return Err(InvalidValue::new(format!("must have 1 to {} characters", limits::ID_CHARS)));
                }
                if text.chars().any(char::is_control) {
                    return Err(InvalidValue::new("must not contain control characters"));
                }
                Ok(Self(text.into()))
            }

            /// Wraps an id that comes from a store, or that the server generated, without checking it.
            pub fn new_unchecked(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

client_id! {
    /// Id of an item, chosen by the client that created it. Unique per user and item type.
    ItemId
}
client_id! {
    /// Id of a change, chosen by the client. Unique per user and device.
    ChangeId
}
client_id! {
    /// Id of a device, chosen by the device. Unique per user.
    DeviceId
}
client_id! {
    /// Id of a conflict.
    ConflictId
}

impl DeviceId {
    /// The empty id: the writer of versions that the resolution of a conflict wrote. Every device treats such a version as
    /// another device's. Clients cannot use this id, because [`parse`](Self::parse) rejects it.
    pub fn none() -> Self {
        Self::new_unchecked("")
    }
}
