//! Sync data of the account.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::{ItemType, Strategy, Timestamp};

use crate::call::{Choice, Conflict, Content, Key, PageItem, Resolution, Side, Status};
use crate::{Mismatch, expect_equal};

/// Item or tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Content; `None` for a tombstone.
    pub content: Option<Content>,
    /// Version.
    pub version: i64,
    /// Time of the edit by the clock of the device.
    pub updated_at: Timestamp,
    /// Device that wrote the item; empty for none.
    pub device: String,
    /// Server time of the write.
    pub(crate) at: Timestamp,
    /// Number of the write. Distinguishes writes whose server times are not known yet.
    pub(crate) write: u64,
}

/// Conflict as the server stores it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StoredConflict {
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) local: Side,
    pub(crate) remote: Side,
    /// Version of the item after the last write of the conflict.
    pub(crate) item_version: i64,
    pub(crate) resolution: Option<Resolution>,
    /// Number of the newest write, and of the first.
    pub(crate) write: u64,
    pub(crate) detected: u64,
    /// Revision of the current state, if a response has contained it, and revisions of earlier states.
    pub(crate) revision: Option<i64>,
    pub(crate) old_revisions: BTreeSet<i64>,
}

/// Result of a change when it was first uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Receipt {
    pub(crate) key: Key,
    /// Version of the item after the change.
    pub(crate) version: i64,
    pub(crate) conflict: Option<String>,
}

/// Full sync in progress.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FullSync {
    /// Head when the full sync began.
    pub(crate) head: Timestamp,
    /// Cursors of the newest page and of the one before.
    pub(crate) cursors: [Timestamp; 2],
}

/// Sync data of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Data {
    /// Server time of the newest change.
    head: Timestamp,
    /// Whether the head has moved since to a time that no response has contained.
    head_is_unknown: bool,
    pub(crate) writes: u64,
    /// Server time of the newest purged tombstone, and the highest purged version.
    pub(crate) purged_through: Timestamp,
    pub(crate) purged_version: i64,
    /// Items, including tombstones.
    pub items: BTreeMap<Key, Stored>,
    /// Ids of all history entries that were ever deleted.
    pub(crate) deleted_history: BTreeSet<String>,
    pub(crate) conflicts: BTreeMap<String, StoredConflict>,
    pub(crate) receipts: BTreeMap<(String, String), Receipt>,
    /// Last choice that resolved each conflict.
    pub(crate) resolutions: BTreeMap<String, Choice>,
    pub(crate) devices: BTreeMap<String, (i64, i64)>,
    pub(crate) full_syncs: BTreeMap<String, FullSync>,
    /// Whether the account is being deleted.
    pub(crate) closed: bool,
}

impl Data {
    /// Returns the number of the next write.
    pub(crate) fn next_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    /// Returns the newest server time that a response has contained.
    pub(crate) const fn known_head(&self) -> Timestamp {
        self.head
    }

    /// Checks that the head is at `time`. The current step has not moved it.
    pub(crate) fn check_head(&mut self, time: Timestamp) -> Result<(), Mismatch> {
        if self.head_is_unknown {
            if time <= self.head {
                return Err(format!("the head is {time}, expected later than {}", self.head));
            }
            (self.head, self.head_is_unknown) = (time, false);
            return Ok(());
        }
        expect_equal("the head", &time, &self.head)
    }

    /// Moves the head to `time`.
    pub(crate) fn move_head(&mut self, time: Timestamp) -> Result<(), Mismatch> {
        if time <= self.head || time.micros() % 1_000 != 0 {
            return Err(format!("the head moves from {} to {time}", self.head));
        }
        (self.head, self.head_is_unknown) = (time, false);
        Ok(())
    }

    /// Moves the head to a time that no response contains.
    pub(crate) const fn move_head_to_unknown_time(&mut self) {
        self.head_is_unknown = true;
    }

    /// Returns the version above which a new item starts.
    pub(crate) fn version_floor(&self, item_type: ItemType) -> i64 {
        if item_type == ItemType::QueryHistory { 0 } else { self.purged_version }
    }

    /// Returns the version of the next write of `key`.
    pub(crate) fn next_version(&self, key: &Key) -> i64 {
        self.items.get(key).map_or(self.version_floor(key.item_type), |stored| stored.version) + 1
    }

    /// Returns the stored version of `key` as a side of a conflict.
    pub(crate) fn side(&self, key: &Key) -> Side {
        let nothing = || Side { content: None, updated_at: Timestamp::EPOCH, version: 0, device: String::new() };
        self.items.get(key).map_or_else(nothing, |stored| Side {
            content: stored.content.clone(),
            updated_at: stored.updated_at,
            version: stored.version,
            device: stored.device.clone(),
        })
    }

    /// Returns the item `key` as a client reads it, unless it is deleted.
    pub fn visible_item(&self, key: &Key) -> Option<PageItem> {
        let stored = self.items.get(key)?;
        let content = Some(stored.content.clone()?);
        Some(PageItem { key: key.clone(), content, version: stored.version })
    }

    /// Returns whether the conflict exists and the account is not being deleted.
    pub(crate) fn has_conflict(&self, conflict: &str) -> bool {
        !self.closed && self.conflicts.contains_key(conflict)
    }

    /// Returns the number of the newest write of a conflict.
    pub(crate) fn write_of_conflict(&self, conflict: &str) -> Option<u64> {
        self.conflicts.get(conflict).map(|conflict| conflict.write)
    }

    /// Checks a conflict in a response and records its revision.
    pub(crate) fn check_conflict(&mut self, actual: &Conflict) -> Result<(), Mismatch> {
        let conflict = self.conflicts.get_mut(&actual.id).ok_or_else(|| format!("unknown conflict: {actual:?}"))?;
        expect_equal("the item in conflict", &actual.key, &conflict.key)?;
        expect_equal("the local side", &actual.local, &conflict.local)?;
        expect_equal("the remote side", &actual.remote, &conflict.remote)?;
        expect_equal("the resolution", &actual.resolution, &conflict.resolution)?;
        let is_new = || !conflict.old_revisions.contains(&actual.revision);
        if conflict.revision.map_or_else(is_new, |seen| seen == actual.revision) {
            conflict.revision = Some(actual.revision);
            return Ok(());
        }
        Err(format!(
            "the revision is {}, after {:?} and {:?}",
            actual.revision, conflict.revision, conflict.old_revisions
        ))
    }

    /// Checks the response to a list of all conflicts, newest first.
    pub(crate) fn check_conflict_list(&mut self, actual: &[Conflict]) -> Result<(), Mismatch> {
        let mut expected: Vec<(u64, String)> =
            self.conflicts.values().map(|conflict| (conflict.detected, conflict.id.clone())).collect();
        expected.sort_by_key(|(detected, _)| std::cmp::Reverse(*detected));
        let ids: Vec<String> = actual.iter().map(|conflict| conflict.id.clone()).collect();
        expect_equal("the list of conflicts", &ids, &expected.into_iter().map(|(_, id)| id).collect())?;
        actual.iter().try_for_each(|conflict| self.check_conflict(conflict))
    }

    /// Checks the response to a status request.
    pub(crate) fn check_status(&mut self, actual: &Status) -> Result<(), Mismatch> {
        let devices = self.devices.iter().map(|(id, (synced, conflicts))| (id.clone(), *synced, *conflicts));
        expect_equal("the devices", &actual.devices, &devices.collect())?;
        let live = |item_type: ItemType| {
            let of_type =
                self.items.iter().filter(|(key, stored)| key.item_type == item_type && stored.content.is_some());
            of_type.count() as i64
        };
        expect_equal("the counts", &actual.counts, &ItemType::ALL.map(live))?;
        let open = self.conflicts.values().filter(|conflict| conflict.resolution.is_none()).count() as i64;
        expect_equal("the number of open conflicts", &actual.open_conflicts, &open)?;
        self.check_head(actual.sync_timestamp)
    }

    /// Removes tombstones and resolved conflicts older than `cutoff`; returns the number of each.
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
        self.conflicts
            .retain(|_, conflict| conflict.resolution.as_ref().is_none_or(|resolution| resolution.at >= cutoff));
        (tombstones, (before - self.conflicts.len()) as u64)
    }

    /// Removes all data and refuses later reads and writes.
    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }
}

impl StoredConflict {
    /// Records that the write `write` changes the conflict.
    pub(crate) fn touch(&mut self, write: u64) {
        self.write = write;
        self.old_revisions.extend(self.revision.take());
    }

    pub(crate) fn is_resolved_by(&self, strategy: Strategy) -> bool {
        self.resolution.as_ref().is_some_and(|resolution| resolution.strategy == strategy)
    }
}
