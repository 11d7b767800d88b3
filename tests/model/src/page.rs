//! Pages of a download.

use shared::models::{ItemType, Timestamp};
use shared::sync::{Cursor, Head};

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
    /// Checks a page.
    ///
    /// # Errors
    /// Returns an error if the page violates the contract.
    pub fn check_page(
        &mut self,
        since: Option<Timestamp>,
        limit: usize,
        item_type: Option<ItemType>,
        actual: &Page,
    ) -> Result<(), Mismatch> {
        actual.conflicts.iter().for_each(|shown| self.name_conflict(shown));
        let reset = since.is_none_or(|since| !self.can_continue(since));
        expect_equal("reset", &actual.reset, &reset)?;
        let after = since.filter(|_| !reset).map(|since| Cursor::decode(since).position);
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
            Some(last) => {
                expect_equal("the cursor", &actual.sync_timestamp, &Cursor::encode(last, self.server_head()))?;
            }
            None => self.check_head(actual.sync_timestamp)?,
        }
        let digest = (!has_more).then(|| self.digest_counts(item_type));
        expect_equal("the numbers of the digest", &actual.digest, &digest)?;
        actual.conflicts.iter().try_for_each(|conflict| self.check_conflict(conflict))
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

    /// Returns whether a delta from `since` is complete: the cursor has the form that a page would return for its position now. A
    /// position after the newest change is not valid.
    fn can_continue(&self, since: Timestamp) -> bool {
        let position = Cursor::decode(since).position;
        position <= self.head && Cursor::encode(position, self.server_head()) == since
    }

    fn server_head(&self) -> Head {
        Head {
            time: self.head,
            purged_through: self.purged_through,
            conflicts_purged_through: self.conflicts_purged_through,
            purge_generation: self.purge_generation,
            ..Head::default()
        }
    }
}
