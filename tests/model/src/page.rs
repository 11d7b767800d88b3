//! Pages of a download.

use shared::models::Timestamp;

use crate::call::{Page, PageItem};
use crate::data::{Data, FullDownload, Stored};
use crate::{Key, Mismatch, same};

impl Data {
    /// Checks a page for `device`, and remembers what a full download needs for its next page.
    ///
    /// # Errors
    /// When the page is another than was promised.
    pub fn page(
        &mut self,
        device: &str,
        since: Option<Timestamp>,
        limit: usize,
        instrumented: &Page,
    ) -> Result<(), Mismatch> {
        let reset = since.is_none_or(|since| !self.can_continue(device, since));
        same("reset", &instrumented.reset, &reset)?;
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
        same("the page's items", &instrumented.items, &items)?;
        same("has_more", &instrumented.has_more, &has_more)?;
        match last.filter(|_| has_more) {
            Some(last) => same("the cursor", &instrumented.sync_timestamp, &last)?,
            None => self.see_head(instrumented.sync_timestamp)?,
        }
        self.see_page_conflicts(instrumented)?;
        if has_more {
            self.remember(device, since.filter(|_| !reset), instrumented.sync_timestamp);
        }
        Ok(())
    }

    /// Whether a delta from `since` can be right: nothing was purged since, or the device started empty after what was
    /// purged had been deleted. Nor does one start after the newest change.
    fn can_continue(&self, device: &str, since: Timestamp) -> bool {
        let started_later =
            |download: &FullDownload| download.cursors.contains(&since) && download.head >= self.purged_through;
        since <= self.known_head()
            && (since >= self.purged_through || self.downloads.get(device).is_some_and(started_later))
    }

    /// The last page shows the open conflicts, newest first.
    fn see_page_conflicts(&mut self, instrumented: &Page) -> Result<(), Mismatch> {
        let mut open: Vec<(u64, String)> = Vec::new();
        if !instrumented.has_more {
            let waiting = self.conflicts.values().filter(|known| known.settled.is_none());
            open.extend(waiting.map(|known| (known.write, known.id.clone())));
        }
        open.sort_by_key(|(write, _)| std::cmp::Reverse(*write));
        let shown: Vec<String> = instrumented.conflicts.iter().map(|conflict| conflict.id.clone()).collect();
        same("the page's conflicts", &shown, &open.into_iter().map(|(_, id)| id).collect())?;
        instrumented.conflicts.iter().try_for_each(|conflict| self.see_conflict(conflict))
    }

    fn remember(&mut self, device: &str, since: Option<Timestamp>, cursor: Timestamp) {
        if cursor >= self.purged_through {
            return;
        }
        let before = self.downloads.get(device);
        let download = match (since, before) {
            (None, _) => FullDownload { head: self.known_head(), cursors: [cursor; 2] },
            (Some(since), Some(before)) if before.cursors.contains(&since) => {
                FullDownload { head: before.head, cursors: [cursor, since] }
            }
            (Some(_), _) => return,
        };
        self.downloads.insert(device.to_owned(), download);
    }
}
