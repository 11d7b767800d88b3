//! Pages of a download.

use shared::models::{ItemType, Timestamp};

use crate::call::Key;
use crate::data::{Data, Stored, StoredConflict};
use crate::response::{Page, PageItem};
use crate::{Mismatch, expect_equal};

/// Row of a page.
enum Row<'a> {
    Item(&'a Key, &'a Stored),
    Conflict(&'a StoredConflict),
}

impl Row<'_> {
    const fn at(&self) -> Timestamp {
        match self {
            Self::Item(_, stored) => stored.at,
            Self::Conflict(conflict) => conflict.at,
        }
    }
}

impl Data {
    /// Checks a page for `device` and stores the cursor of a full sync.
    ///
    /// # Errors
    /// Returns an error if the page violates the contract.
    pub fn check_page(
        &mut self,
        device: &str,
        since: Option<Timestamp>,
        limit: usize,
        item_type: Option<ItemType>,
        actual: &Page,
    ) -> Result<(), Mismatch> {
        actual.conflicts.iter().for_each(|shown| self.name_conflict(shown));
        let reset = since.is_none_or(|since| !self.can_continue(device, since));
        expect_equal("reset", &actual.reset, &reset)?;
        let after = since.filter(|_| !reset);
        let mut rows = self.rows(after, item_type);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(Row::at);
        let (mut items, mut conflicts) = (Vec::new(), Vec::new());
        for row in rows {
            match row {
                Row::Item(key, Stored { content, version, .. }) => {
                    items.push(PageItem { key: key.clone(), content: content.clone(), version: *version });
                }
                Row::Conflict(conflict) => conflicts.push(conflict.id.clone()),
            }
        }
        items.sort();
        expect_equal("the page's items", &actual.items, &items)?;
        let shown = actual.conflicts.iter().map(|conflict| conflict.id.clone()).collect();
        expect_equal("the page's conflicts", &shown, &conflicts)?;
        expect_equal("has_more", &actual.has_more, &has_more)?;
        match last.filter(|_| has_more) {
            Some(last) => expect_equal("the cursor", &actual.sync_timestamp, &last)?,
            None => self.check_head(actual.sync_timestamp)?,
        }
        let digest = (!has_more).then(|| self.digest_counts(item_type));
        expect_equal("the numbers of the digest", &actual.digest, &digest)?;
        actual.conflicts.iter().try_for_each(|conflict| self.check_conflict(conflict))?;
        if has_more {
            self.store_full_sync_cursor(device, after, actual.sync_timestamp);
        }
        Ok(())
    }

    /// Returns the rows after `after` in the order of their positions; of the whole state if it is `None`.
    fn rows(&self, after: Option<Timestamp>, item_type: Option<ItemType>) -> Vec<Row<'_>> {
        let is_wanted = |key: &Key, at: Timestamp, is_removed: bool| {
            item_type.is_none_or(|item_type| item_type == key.item_type)
                && after.map_or(!is_removed, |after| at > after)
        };
        let items = self.items.iter().filter(|(key, stored)| is_wanted(key, stored.at, stored.content.is_none()));
        let conflicts = self.conflicts.values().chain(&self.unnamed_conflicts);
        let conflicts =
            conflicts.filter(|conflict| is_wanted(&conflict.key, conflict.at, conflict.resolution.is_some()));
        let items = items.map(|(key, stored)| Row::Item(key, stored));
        let mut rows: Vec<Row<'_>> = items.chain(conflicts.map(Row::Conflict)).collect();
        rows.sort_by_key(Row::at);
        rows
    }

    fn digest_counts(&self, item_type: Option<ItemType>) -> Vec<i64> {
        let counts = ItemType::ALL.into_iter().zip(self.live_counts());
        counts
            .filter(|(each, _)| item_type.is_none_or(|item_type| item_type == *each))
            .map(|(_, count)| count)
            .collect()
    }

    /// Returns whether a delta from `since` is complete: no tombstone and no conflict after `since` was purged, or a full sync
    /// that started later returned the cursor to the device. A `since` after the newest change is not valid.
    fn can_continue(&self, device: &str, since: Timestamp) -> bool {
        let start = self.full_sync_cursors.get(&(device.to_owned(), since));
        let is_of_full_sync = start.is_some_and(|start| *start >= self.delta_horizon());
        since <= self.head && (since >= self.delta_horizon() || is_of_full_sync)
    }

    /// Returns the time before which no delta can start.
    fn delta_horizon(&self) -> Timestamp {
        self.purged_through.max(self.conflicts_purged_through)
    }

    fn store_full_sync_cursor(&mut self, device: &str, since: Option<Timestamp>, cursor: Timestamp) {
        if cursor >= self.delta_horizon() {
            return;
        }
        let before = |since| self.full_sync_cursors.get(&(device.to_owned(), since)).copied();
        let Some(start) = since.map_or(Some(self.head), before) else { return };
        let horizon = self.delta_horizon();
        let saved = self.full_sync_cursors.entry((device.to_owned(), cursor)).or_insert(start);
        if *saved < horizon {
            *saved = start;
        }
    }
}
