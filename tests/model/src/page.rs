//! Pages of a download.

use shared::models::Timestamp;

use crate::call::Key;
use crate::data::{Data, FullSync, Stored};
use crate::response::{Page, PageItem};
use crate::{Mismatch, expect_equal};

impl Data {
    /// Checks a page for `device` and stores the state of a full sync for its next page.
    ///
    /// # Errors
    /// Returns an error if the page violates the contract.
    pub fn check_page(
        &mut self,
        device: &str,
        since: Option<Timestamp>,
        limit: usize,
        actual: &Page,
    ) -> Result<(), Mismatch> {
        let reset = since.is_none_or(|since| !self.can_continue(device, since));
        expect_equal("reset", &actual.reset, &reset)?;
        let after = since.filter(|_| !reset).unwrap_or(Timestamp::MIN);
        let is_wanted = |stored: &Stored| stored.at > after && !(reset && stored.content.is_none());
        let mut changed: Vec<(&Key, &Stored)> = self.items.iter().filter(|(_, stored)| is_wanted(stored)).collect();
        changed.sort_by_key(|(_, stored)| stored.at);
        let has_more = changed.len() > limit;
        changed.truncate(limit);
        let last = changed.last().map(|(_, stored)| stored.at);
        let mut items: Vec<PageItem> = changed
            .into_iter()
            .map(|(key, stored)| PageItem {
                key: key.clone(),
                content: stored.content.clone(),
                version: stored.version,
            })
            .collect();
        items.sort();
        expect_equal("the page's items", &actual.items, &items)?;
        expect_equal("has_more", &actual.has_more, &has_more)?;
        match last.filter(|_| has_more) {
            Some(last) => expect_equal("the cursor", &actual.sync_timestamp, &last)?,
            None => self.check_head(actual.sync_timestamp)?,
        }
        let digest = (!has_more).then(|| self.live_counts());
        expect_equal("the numbers of the digest", &actual.digest, &digest)?;
        self.check_page_conflicts(actual)?;
        if has_more {
            self.store_full_sync(device, since.filter(|_| !reset), actual.sync_timestamp);
        }
        Ok(())
    }

    /// Returns whether a delta from `since` is complete: no tombstone after `since` was purged, or the device started
    /// its full sync after the purged tombstones were written. A `since` after the newest change is not valid.
    fn can_continue(&self, device: &str, since: Timestamp) -> bool {
        let started_later =
            |full_sync: &FullSync| full_sync.cursors.contains(&since) && full_sync.head >= self.purged_through;
        since <= self.head && (since >= self.purged_through || self.full_syncs.get(device).is_some_and(started_later))
    }

    /// Checks the conflicts of a page. The last page contains the open conflicts, newest first.
    fn check_page_conflicts(&mut self, actual: &Page) -> Result<(), Mismatch> {
        let mut open: Vec<(Timestamp, String)> = Vec::new();
        if !actual.has_more {
            let open_conflicts = self.conflicts.values().filter(|conflict| conflict.resolution.is_none());
            open.extend(open_conflicts.map(|conflict| (conflict.at, conflict.id.clone())));
        }
        open.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let shown: Vec<String> = actual.conflicts.iter().map(|conflict| conflict.id.clone()).collect();
        expect_equal("the page's conflicts", &shown, &open.into_iter().map(|(_, id)| id).collect())?;
        actual.conflicts.iter().try_for_each(|conflict| self.check_conflict(conflict))
    }

    fn store_full_sync(&mut self, device: &str, since: Option<Timestamp>, cursor: Timestamp) {
        if cursor >= self.purged_through {
            return;
        }
        let before = self.full_syncs.get(device);
        let full_sync = match (since, before) {
            (None, _) => FullSync { head: self.head, cursors: [cursor; 2] },
            (Some(since), Some(before)) if before.cursors.contains(&since) => {
                FullSync { head: before.head, cursors: [cursor, since] }
            }
            (Some(_), _) => return,
        };
        self.full_syncs.insert(device.to_owned(), full_sync);
    }
}
