use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::limits;

/// How often an item has been written: 1 when it is created, one more with each change. 0 says "never seen".
pub type SyncVersion = i64;

/// Defines a UUID of one kind of thing: ids of different kinds cannot be swapped in a call.
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

            /// The id as a plain UUID, for stores.
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

macro_rules! client_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as its maker wrote it: 1 to 128 characters, none of them a control character, which would take up
            /// six bytes each in every answer.
            ///
            /// # Errors
            /// Says what the text must be instead.
            pub fn parse(text: &str) -> Result<Self, String> {
                let length = text.chars().take(limits::ID_CHARS + 1).count();
                if length == 0 || length > limits::ID_CHARS {
                    return Err(format!("must have 1 to {} characters", limits::ID_CHARS));
                }
                if text.chars().any(char::is_control) {
                    return Err("must not hold control characters".to_owned());
                }
                Ok(Self(text.into()))
            }

            /// An id that comes from the store or was made here, and so needs no check.
            pub fn trusted(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The id as text.
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
    /// The id of an item, chosen by the client that made it; unique within its user and type.
    ItemId
}
client_id! {
    /// The id of a change, chosen by the client; unique within its user and device.
    ChangeId
}
client_id! {
    /// The id by which a device calls itself; unique within its user.
    DeviceId
}
client_id! {
    /// The id of a conflict.
    ConflictId
}

impl DeviceId {
    /// Who wrote a version that came from settling a conflict: no device, so that each of them takes it for somebody
    /// else's. Clients cannot use it, because their ids are never empty.
    pub fn none() -> Self {
        Self::trusted("")
    }
}
