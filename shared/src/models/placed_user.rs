use super::{DatabaseId, UserId};

/// A user, and the database that probably holds the user's sync data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedUser {
    /// The user.
    pub id: UserId,
    /// Hint: the database at the last look-up in the account store. `None` without a look-up.
    pub database: Option<DatabaseId>,
}

impl From<UserId> for PlacedUser {
    fn from(id: UserId) -> Self {
        Self { id, database: None }
    }
}
