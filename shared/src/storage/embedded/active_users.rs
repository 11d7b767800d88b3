use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::models::{Timestamp, UserId};

/// Who has been here today: in memory alone, and forgotten with the day.
#[derive(Debug, Default)]
pub(super) struct ActiveUsers(Mutex<(i64, HashSet<UserId>)>);

impl ActiveUsers {
    /// Whether `user` is here for the first time on the day of `now`. A day that is over counts nobody.
    pub(super) fn is_first(&self, user: UserId, now: Timestamp) -> bool {
        let mut today = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.day() > today.0 {
            *today = (now.day(), HashSet::new());
        }
        now.day() == today.0 && today.1.insert(user)
    }
}
