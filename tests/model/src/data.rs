//! Sync data of the account.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::{ItemType, ResolvedBy, Timestamp};

use crate::call::{Choice, Content, Key};
use crate::response::{Conflict, Current, Effect, PageItem, Resolution, Side, Status};
use crate::versions::Replaced;
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
}

/// Conflict as the server stores it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StoredConflict {
    /// Id; empty until a response contains it.
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) local: Side,
    pub(crate) remote: Side,
    /// Version of the item after the last write of the conflict.
    pub(crate) item_version: i64,
    pub(crate) resolution: Option<Resolution>,
    /// Server time of the newest write, and of the first.
    pub(crate) at: Timestamp,
    pub(crate) detected_at: Timestamp,
    /// Revision of the current state, if a response has contained it, and revisions of earlier states.
    pub(crate) revision: Option<i64>,
    pub(crate) old_revisions: BTreeSet<i64>,
}

/// Result of a change when it was first uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Receipt {
    /// Version of the item after the change.
    pub(crate) version: i64,
    pub(crate) conflict: Option<String>,
    /// Effect of the change.
    pub(crate) effect: Effect,
}

/// Device, item and id of a change.
pub(crate) type ChangeKey = (String, Key, String);

/// Sync data of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Data {
    /// Maximum number of live items; half of it for history entries. `None` for no limit.
    pub quota: Option<i64>,
    /// Server time of the newest change.
    pub(crate) head: Timestamp,
    /// Server time of the newest purged tombstone, and the highest purged version.
    pub(crate) purged_through: Timestamp,
    pub(crate) purged_version: i64,
    /// Time of the newest resolution of a purged conflict.
    pub(crate) conflicts_purged_through: Timestamp,
    /// Number of purges of something that was written after the one before, and the head at the last of them.
    pub(crate) purge_generation: i64,
    pub(crate) generation_head: Timestamp,
    /// Items, including tombstones.
    pub items: BTreeMap<Key, Stored>,
    /// Replaced versions of connections and saved queries, oldest first.
    pub(crate) versions: BTreeMap<Key, Vec<Replaced>>,
    /// Contents of history entries, until their tombstones are purged.
    pub(crate) history: BTreeMap<Key, Content>,
    /// Ids of all history entries that were ever deleted.
    pub(crate) deleted_history: BTreeSet<String>,
    pub(crate) conflicts: BTreeMap<String, StoredConflict>,
    /// Conflicts that renewals left behind, whose ids no response has contained yet.
    pub(crate) unnamed_conflicts: Vec<StoredConflict>,
    pub(crate) receipts: BTreeMap<ChangeKey, Receipt>,
    /// Last choice that resolved each conflict.
    pub(crate) resolutions: BTreeMap<String, Choice>,
    /// Version that each restoration wrote, by item, restored version and expected version.
    pub(crate) restorations: BTreeMap<(Key, i64, i64), i64>,
    pub(crate) devices: BTreeMap<String, (i64, i64)>,
    /// Whether the account is being deleted.
    pub(crate) closed: bool,
}

impl Data {
    /// Returns the server time of the next write and moves the head there: the first whole millisecond after the head
    /// and the clock.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.head = self.head.max(now).next_millisecond();
        self.head
    }

    /// Checks that the head is at `time`.
    pub(crate) fn check_head(&self, time: Timestamp) -> Result<(), Mismatch> {
        expect_equal("the head", &time, &self.head)
    }

    /// Returns the version above which a new item starts.
    fn version_floor(&self, item_type: ItemType) -> i64 {
        if item_type == ItemType::QueryHistory { 0 } else { self.purged_version }
    }

    /// Writes the next version of `key` and keeps the version that it replaces; returns the new version.
    pub(crate) fn write_item(
        &mut self,
        key: &Key,
        content: Option<Content>,
        updated_at: Timestamp,
        device: &str,
        at: Timestamp,
    ) -> i64 {
        let floor = self.version_floor(key.item_type);
        let version = self.items.get(key).map_or(floor, |stored| stored.version) + 1;
        let stored = Stored { content, version, updated_at, device: device.to_owned(), at };
        if let (ItemType::QueryHistory, Some(content)) = (key.item_type, &stored.content) {
            self.history.insert(key.clone(), content.clone());
        }
        if let Some(before) = self.items.insert(key.clone(), stored)
            && key.item_type != ItemType::QueryHistory
        {
            self.versions.entry(key.clone()).or_default().push(Replaced::new(before, at));
        }
        version
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

    /// Returns the state of the item `key`.
    pub(crate) fn current(&self, key: &Key) -> Current {
        let Side { content, version, .. } = self.side(key);
        Current { version, content }
    }

    /// Returns the item `key` as a client reads it, unless it is deleted.
    pub fn visible_item(&self, key: &Key) -> Option<PageItem> {
        let stored = self.items.get(key)?;
        let content = Some(stored.content.clone()?);
        Some(PageItem { key: key.clone(), content, version: stored.version })
    }

    /// Returns the numbers of live items, in the order of [`ItemType::ALL`].
    pub(crate) fn live_counts(&self) -> [i64; 3] {
        ItemType::ALL.map(|item_type| {
            let is_live = |(key, stored): &(&Key, &Stored)| key.item_type == item_type && stored.content.is_some();
            self.items.iter().filter(is_live).count() as i64
        })
    }

    /// Returns whether the quota has room for `key` as a live item.
    pub(crate) fn has_room_for(&self, key: &Key) -> bool {
        let Some(quota) = self.quota else { return true };
        let counts = self.live_counts();
        let has_room_for_history = key.item_type != ItemType::QueryHistory || counts[2] < quota / 2;
        self.visible_item(key).is_some() || (counts.iter().sum::<i64>() < quota && has_room_for_history)
    }

    /// Returns whether the conflict exists and the account is not being deleted.
    pub(crate) fn has_conflict(&self, conflict: &str) -> bool {
        !self.closed && self.conflicts.contains_key(conflict)
    }

    /// Returns the server time of the newest write of a conflict.
    pub(crate) fn time_of_conflict(&self, conflict: &str) -> Option<Timestamp> {
        self.conflicts.get(conflict).map(|conflict| conflict.at)
    }

    /// Keeps both sides of `earlier`, whose renewal replaces one of them, in a resolved conflict.
    pub(crate) fn leave_behind(&mut self, earlier: &StoredConflict, at: Timestamp) {
        self.unnamed_conflicts.push(StoredConflict {
            id: String::new(),
            item_version: self.side(&earlier.key).version,
            resolution: Some(Resolution { at, by: ResolvedBy::Renewed, winner: None, copy: None }),
            at,
            detected_at: at,
            revision: None,
            old_revisions: BTreeSet::new(),
            ..earlier.clone()
        });
    }

    /// Checks a conflict in a response and records its revision.
    pub(crate) fn check_conflict(&mut self, actual: &Conflict) -> Result<(), Mismatch> {
        let conflict = self.conflicts.get_mut(&actual.id).ok_or_else(|| format!("unknown conflict: {actual:?}"))?;
        expect_equal("the item in conflict", &actual.key, &conflict.key)?;
        expect_equal("the local side", &actual.local, &conflict.local)?;
        expect_equal("the remote side", &actual.remote, &conflict.remote)?;
        expect_equal("the resolution", &actual.resolution, &conflict.resolution)?;
        expect_equal("the time of detection", &actual.detected_at, &conflict.detected_at)?;
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
    ///
    /// # Errors
    /// Returns an error if the response violates the contract.
    pub fn check_conflict_list(&mut self, actual: &[Conflict]) -> Result<(), Mismatch> {
        actual.iter().for_each(|shown| self.name_conflict(shown));
        expect_equal("the conflicts that the list lacks", &self.unnamed_conflicts, &Vec::new())?;
        let mut expected: Vec<&StoredConflict> = self.conflicts.values().collect();
        expected.sort_by_key(|conflict| std::cmp::Reverse(conflict.detected_at));
        let expected = expected.into_iter().map(|conflict| conflict.id.clone()).collect();
        let ids: Vec<String> = actual.iter().map(|conflict| conflict.id.clone()).collect();
        expect_equal("the list of conflicts", &ids, &expected)?;
        actual.iter().try_for_each(|conflict| self.check_conflict(conflict))
    }

    /// Takes the id of a conflict that a renewal left behind. The time of its detection identifies it.
    pub(crate) fn name_conflict(&mut self, shown: &Conflict) {
        let mut unnamed = self.unnamed_conflicts.iter();
        let found = unnamed.position(|conflict| conflict.detected_at == shown.detected_at);
        if let Some(index) = found.filter(|_| !self.conflicts.contains_key(&shown.id)) {
            let conflict = self.unnamed_conflicts.remove(index);
            let id = shown.id.clone();
            self.conflicts.insert(id.clone(), StoredConflict { id, ..conflict });
        }
    }

    /// Checks the response to a status request.
    pub(crate) fn check_status(&self, actual: &Status) -> Result<(), Mismatch> {
        let devices = self.devices.iter().map(|(id, (synced, conflicts))| (id.clone(), *synced, *conflicts));
        expect_equal("the devices", &actual.devices, &devices.collect())?;
        expect_equal("the counts", &actual.counts, &self.live_counts())?;
        let open = self.conflicts.values().filter(|conflict| conflict.resolution.is_none()).count() as i64;
        expect_equal("the number of open conflicts", &actual.open_conflicts, &open)?;
        self.check_head(actual.sync_timestamp)
    }

    /// Removes tombstones, resolved conflicts and replaced versions older than `cutoff`; returns the number of each.
    pub(crate) fn purge(&mut self, cutoff: Timestamp) -> [u64; 3] {
        let due = |stored: &Stored| stored.content.is_none() && stored.at < cutoff;
        let mut tombstones = 0;
        for (key, stored) in self.items.iter().filter(|(_, stored)| due(stored)) {
            tombstones += 1;
            self.purged_through = self.purged_through.max(stored.at);
            if key.item_type != ItemType::QueryHistory {
                self.purged_version = self.purged_version.max(stored.version);
            }
        }
        self.items.retain(|_, stored| !due(stored));
        self.history.retain(|key, _| self.items.contains_key(key));
        let is_kept =
            |conflict: &StoredConflict| conflict.resolution.as_ref().is_none_or(|resolution| resolution.at >= cutoff);
        let count = |data: &Self| data.conflicts.len() + data.unnamed_conflicts.len();
        let before = count(self);
        let conflicts = self.conflicts.values().chain(&self.unnamed_conflicts);
        for resolution in
            conflicts.filter(|conflict| !is_kept(conflict)).filter_map(|conflict| conflict.resolution.as_ref())
        {
            self.conflicts_purged_through = self.conflicts_purged_through.max(resolution.at);
        }
        if self.purged_through.max(self.conflicts_purged_through) > self.generation_head {
            self.purge_generation += 1;
            self.generation_head = self.head;
        }
        self.conflicts.retain(|_, conflict| is_kept(conflict));
        self.unnamed_conflicts.retain(is_kept);
        let conflicts = before - count(self);
        [tombstones, conflicts as u64, self.purge_versions(cutoff)]
    }

    /// Removes all data and refuses later reads and writes.
    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }
}

impl StoredConflict {
    /// Records that a write at `at` changes the conflict.
    pub(crate) fn touch(&mut self, at: Timestamp) {
        self.at = at;
        self.old_revisions.extend(self.revision.take());
    }

    pub(crate) fn is_resolved_by(&self, by: ResolvedBy) -> bool {
        self.resolution.as_ref().is_some_and(|resolution| resolution.by == by)
    }

    /// Returns whether new sides replace the content of one of its own.
    pub(crate) fn loses_content(&self, local: &Side, remote: &Side) -> bool {
        let is_lost = |before: &Side, after: &Side| before.content.is_some() && before.content != after.content;
        is_lost(&self.local, local) || is_lost(&self.remote, remote)
    }
}
