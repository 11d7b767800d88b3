use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::models::{Timestamp, UserId};

/// Users who have been active today. Kept in memory only.
#[derive(Debug, Default)]
pub(super) struct ActiveUsers(Mutex<Today>);

#[derive(Debug, Default)]
struct Today {
    /// Days since 1970.
    day: i64,
    users: HashSet<UserId>,
}

impl ActiveUsers {
    /// Records `user`. Returns whether it is the user's first call on the day of `now`; always false for a day before the latest.
    pub(super) fn is_first(&self, user: UserId, now: Timestamp) -> bool {
        let mut today = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.day() > today.day {
            *today = Today { day: now.day(), users: HashSet::new() };
        }
        now.day() == today.day && today.users.insert(user)
    }
}
