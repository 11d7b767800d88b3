//! The sync data of the account.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::{ItemType, Strategy, Timestamp};

use crate::call::{Choice, Conflict, Content, Key, PageItem, Settled, Side, Status};
use crate::{Mismatch, same};

/// An item, or its tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Its content; `None` for a tombstone.
    pub content: Option<Content>,
    /// Its version.
    pub version: i64,
    /// When it was edited, by its editor's clock.
    pub updated_at: Timestamp,
    /// The device that wrote it; empty for none.
    pub device: String,
    /// The server time of the write.
    pub(crate) at: Timestamp,
    /// The number of the write: tells writes apart whose times are not known yet.
    pub(crate) write: u64,
}

/// A conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) local: Side,
    pub(crate) remote: Side,
    /// The item's version as the conflict left it.
    pub(crate) item_version: i64,
    pub(crate) settled: Option<Settled>,
    /// The number of its newest write, and of its first.
    pub(crate) write: u64,
    pub(crate) detected: u64,
    /// Revisions seen so far: of this state, if it was seen, and of those before.
    pub(crate) revision: Option<i64>,
    pub(crate) old_revisions: BTreeSet<i64>,
}

/// The first answer to a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Accepted {
    pub(crate) key: Key,
    /// The version it was given, or that of the item it conflicted with.
    pub(crate) version: i64,
    pub(crate) conflict: Option<String>,
}

/// A full download that is in progress.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FullDownload {
    /// The head when it began.
    pub(crate) head: Timestamp,
    /// The cursor of the newest page, and of the one before.
    pub(crate) cursors: [Timestamp; 2],
}

/// The sync data of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Data {
    /// The server time of the newest change.
    head: Timestamp,
    /// Whether the head has moved on since to a time that no answer has told.
    head_moved: bool,
    pub(crate) writes: u64,
    /// The newest purged tombstone, and the highest version of any.
    pub(crate) purged_through: Timestamp,
    pub(crate) purged_version: i64,
    /// The items, tombstones included.
    pub items: BTreeMap<Key, Stored>,
    /// Entries of the history that were ever deleted.
    pub(crate) deleted_history: BTreeSet<String>,
    pub(crate) conflicts: BTreeMap<String, Known>,
    pub(crate) accepted: BTreeMap<(String, String), Accepted>,
    /// The choice that each conflict was resolved by last.
    pub(crate) resolutions: BTreeMap<String, Choice>,
    pub(crate) devices: BTreeMap<String, (i64, i64)>,
    pub(crate) downloads: BTreeMap<String, FullDownload>,
    /// Whether the account is being deleted.
    pub(crate) closed: bool,
}

impl Data {
    /// The next write's number.
    pub(crate) fn next_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    /// The newest server time that is known to have been given out.
    pub(crate) const fn known_head(&self) -> Timestamp {
        self.head
    }

    /// An answer says that the head is at `time`, and nothing has moved it in this step.
    pub(crate) fn see_head(&mut self, time: Timestamp) -> Result<(), Mismatch> {
        if self.head_moved {
            if time <= self.head {
                return Err(format!("the head is {time}, expected later than {}", self.head));
            }
            (self.head, self.head_moved) = (time, false);
            return Ok(());
        }
        same("the head", &time, &self.head)
    }

    /// A write moved the head to `time`.
    pub(crate) fn move_head(&mut self, time: Timestamp) -> Result<(), Mismatch> {
        if time <= self.head || time.micros() % 1_000 != 0 {
            return Err(format!("the head moves from {} to {time}", self.head));
        }
        (self.head, self.head_moved) = (time, false);
        Ok(())
    }

    /// A write moved the head, and no answer says where.
    pub(crate) const fn move_head_unseen(&mut self) {
        self.head_moved = true;
    }

    /// The version above which an item that is made anew starts.
    pub(crate) fn version_floor(&self, item_type: ItemType) -> i64 {
        if item_type == ItemType::QueryHistory { 0 } else { self.purged_version }
    }

    /// The version that the next write of `key` gets.
    pub(crate) fn next_version(&self, key: &Key) -> i64 {
        self.items.get(key).map_or(self.version_floor(key.item_type), |stored| stored.version) + 1
    }

    /// The stored version of `key`, as a side of a conflict.
    pub(crate) fn side(&self, key: &Key) -> Side {
        let nothing = || Side { content: None, updated_at: Timestamp::EPOCH, version: 0, device: String::new() };
        self.items.get(key).map_or_else(nothing, |stored| Side {
            content: stored.content.clone(),
            updated_at: stored.updated_at,
            version: stored.version,
            device: stored.device.clone(),
        })
    }

    /// The item at `key` as a client reads it, unless it is deleted.
    pub fn show(&self, key: &Key) -> Option<PageItem> {
        let stored = self.items.get(key)?;
        let content = Some(stored.content.clone()?);
        Some(PageItem { key: key.clone(), content, version: stored.version })
    }

    /// Whether there is such a conflict, and an account that it belongs to.
    pub(crate) fn shows(&self, conflict: &str) -> bool {
        !self.closed && self.conflicts.contains_key(conflict)
    }

    /// The number of the newest write of a conflict.
    pub(crate) fn write_of(&self, conflict: &str) -> Option<u64> {
        self.conflicts.get(conflict).map(|known| known.write)
    }

    /// Checks a conflict in an answer, and learns its revision.
    pub(crate) fn see_conflict(&mut self, instrumented: &Conflict) -> Result<(), Mismatch> {
        let known =
            self.conflicts.get_mut(&instrumented.id).ok_or_else(|| format!("an unknown conflict: {instrumented:?}"))?;
        same("the item in conflict", &instrumented.key, &known.key)?;
        same("the local side", &instrumented.local, &known.local)?;
        same("the remote side", &instrumented.remote, &known.remote)?;
        same("the resolution", &instrumented.settled, &known.settled)?;
        let is_new = || !known.old_revisions.contains(&instrumented.revision);
        if known.revision.map_or_else(is_new, |seen| seen == instrumented.revision) {
            known.revision = Some(instrumented.revision);
            return Ok(());
        }
        Err(format!(
            "the revision is {}, after {:?} and {:?}",
            instrumented.revision, known.revision, known.old_revisions
        ))
    }

    /// Checks the answer to a list of all conflicts, newest first.
    pub(crate) fn see_conflicts(&mut self, instrumented: &[Conflict]) -> Result<(), Mismatch> {
        let mut expected: Vec<(u64, String)> =
            self.conflicts.values().map(|known| (known.detected, known.id.clone())).collect();
        expected.sort_by_key(|(detected, _)| std::cmp::Reverse(*detected));
        let ids: Vec<String> = instrumented.iter().map(|conflict| conflict.id.clone()).collect();
        same("the list of conflicts", &ids, &expected.into_iter().map(|(_, id)| id).collect())?;
        instrumented.iter().try_for_each(|conflict| self.see_conflict(conflict))
    }

    /// Checks the answer to a status call.
    pub(crate) fn see_status(&mut self, instrumented: &Status) -> Result<(), Mismatch> {
        let devices = self.devices.iter().map(|(id, (synced, conflicts))| (id.clone(), *synced, *conflicts));
        same("the devices", &instrumented.devices, &devices.collect())?;
        let live = |item_type: ItemType| {
            let of_type =
                self.items.iter().filter(|(key, stored)| key.item_type == item_type && stored.content.is_some());
            of_type.count() as i64
        };
        same("the counts", &instrumented.counts, &ItemType::ALL.map(live))?;
        let open = self.conflicts.values().filter(|known| known.settled.is_none()).count() as i64;
        same("the number of open conflicts", &instrumented.open_conflicts, &open)?;
        self.see_head(instrumented.sync_timestamp)
    }

    /// Removes tombstones and resolved conflicts from before `cutoff`; how many of each.
    pub(crate) fn purge(&mut self, cutoff: Timestamp) -> (u64, u64) {
        let due = |stored: &Stored| stored.content.is_none() && stored.at < cutoff;
        let (mut tombstones, before) = (0, self.conflicts.len());
        for (key, stored) in self.items.iter().filter(|(_, stored)| due(stored)) {
            tombstones += 1;
            self.purged_through = self.purged_through.max(stored.at);
            if key.item_type != ItemType::QueryHistory {
                self.purged_version = self.purged_version.max(stored.version);
            }
        }
        self.items.retain(|_, stored| !due(stored));
        self.conflicts.retain(|_, known| known.settled.as_ref().is_none_or(|settled| settled.at >= cutoff));
        (tombstones, (before - self.conflicts.len()) as u64)
    }

    /// Removes everything and takes no more writes.
    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }
}

impl Known {
    /// Notes that this write changes the conflict.
    pub(crate) fn touch(&mut self, write: u64) {
        self.write = write;
        self.old_revisions.extend(self.revision.take());
    }

    pub(crate) fn is_settled_by(&self, strategy: Strategy) -> bool {
        self.settled.as_ref().is_some_and(|settled| settled.strategy == strategy)
    }
}
