//! Upload of changes.

use shared::models::{ItemType, Strategy, Timestamp, Winner};

use crate::call::{Change, ChangeResult, Content, Edit, Key, Resolution, Side, Upload, UploadResponse};
use crate::data::{Data, Receipt, Stored, StoredConflict};
use crate::{Mismatch, expect_equal};

/// Interval between the server times of two accepted changes of an upload, in microseconds.
const TICK_MICROS: i64 = 1_000;

/// Upload in execution: applies its changes in order.
struct UploadExecution<'a> {
    data: &'a mut Data,
    upload: &'a Upload,
    now: Timestamp,
    /// Number of server times assigned so far.
    ticks: i64,
    /// Writes so far, each with its tick. Server times are computed when the total number of ticks is known.
    items: Vec<(Key, i64)>,
    conflicts: Vec<(String, i64)>,
    synced: i64,
    conflicts_count: i64,
}

impl Data {
    /// Applies `upload` at `now` and checks the response.
    ///
    /// # Errors
    /// Returns an error if the response violates the contract.
    pub fn upload(&mut self, upload: &Upload, response: &UploadResponse, now: Timestamp) -> Result<(), Mismatch> {
        expect_equal("the number of results", &response.results.len(), &upload.changes.len())?;
        let mut execution = UploadExecution {
            data: self,
            upload,
            now,
            ticks: 0,
            items: Vec::new(),
            conflicts: Vec::new(),
            synced: 0,
            conflicts_count: 0,
        };
        for (change, actual) in upload.changes.iter().zip(&response.results) {
            execution.apply(change, actual)?;
        }
        execution.finish(response.at)?;
        // The response contains each conflict in its state after the whole upload.
        response.results.iter().try_for_each(|result| match result {
            ChangeResult::Conflict(conflict) => self.check_conflict(conflict),
            ChangeResult::Applied(_) | ChangeResult::Rejected(_) => Ok(()),
        })
    }
}

impl UploadExecution<'_> {
    fn finish(self, at: Timestamp) -> Result<(), Mismatch> {
        if self.ticks == 0 {
            return self.data.check_head(at);
        }
        self.data.move_head(at)?;
        let time = |tick: i64| Timestamp::from_micros(at.micros() - (self.ticks - tick) * TICK_MICROS);
        for (key, tick) in self.items {
            if let Some(stored) = self.data.items.get_mut(&key) {
                stored.at = time(tick);
            }
        }
        for (id, tick) in self.conflicts {
            let resolution = self.data.conflicts.get_mut(&id).and_then(|conflict| conflict.resolution.as_mut());
            resolution.into_iter().for_each(|resolution| resolution.at = time(tick));
        }
        let device = self.data.devices.entry(self.upload.device.clone()).or_default();
        device.0 += self.synced;
        device.1 += self.conflicts_count;
        Ok(())
    }

    fn apply(&mut self, change: &Change, actual: &ChangeResult) -> Result<(), Mismatch> {
        let expected = self.decide(change, actual)?;
        let matches = match (&expected, actual) {
            (Expected::Conflict(id), ChangeResult::Conflict(conflict)) => *id == conflict.id,
            (Expected::Applied(version), ChangeResult::Applied(given)) => version == given,
            (Expected::Rejected(code), ChangeResult::Rejected(given)) => code == given,
            _ => false,
        };
        if matches { Ok(()) } else { Err(format!("{change:?} is {actual:?}, expected {expected:?}")) }
    }

    fn decide(&mut self, change: &Change, actual: &ChangeResult) -> Result<Expected, Mismatch> {
        let receipt_key = (self.upload.device.clone(), change.id.clone());
        let is_append = change.key.item_type == ItemType::QueryHistory && change.edit != Edit::Delete;
        if let Some(receipt) = self.data.receipts.get(&receipt_key) {
            return Ok(self.repeat(receipt, change));
        }
        if is_append {
            return Ok(self.append(change));
        }
        let expected = self.edit(change, actual)?;
        let (version, conflict) = match &expected {
            Expected::Applied(version) => (*version, None),
            Expected::Conflict(id) => (self.data.side(&change.key).version, Some(id.clone())),
            Expected::Rejected(_) => return Ok(expected),
        };
        *if conflict.is_none() { &mut self.synced } else { &mut self.conflicts_count } += 1;
        self.data.receipts.insert(receipt_key, Receipt { key: change.key.clone(), version, conflict });
        Ok(expected)
    }

    /// Returns the result of a repeated change: the first result, or `Applied` if its conflict was purged. Changes
    /// nothing.
    fn repeat(&self, receipt: &Receipt, change: &Change) -> Expected {
        if receipt.key != change.key {
            return Expected::Rejected("CHANGE_ID_REUSED");
        }
        match &receipt.conflict {
            Some(id) if self.data.conflicts.contains_key(id) => Expected::Conflict(id.clone()),
            _ => Expected::Applied(receipt.version),
        }
    }

    /// Appends a history entry. A known id changes nothing, and a deleted entry is not restored.
    fn append(&mut self, change: &Change) -> Expected {
        let is_known = self.data.items.contains_key(&change.key) || self.data.deleted_history.contains(&change.key.id);
        if !is_known {
            self.tick();
            self.write(change);
            self.synced += 1;
        }
        Expected::Applied(1)
    }

    fn edit(&mut self, change: &Change, actual: &ChangeResult) -> Result<Expected, Mismatch> {
        let content = change.edit.content();
        let Some(stored) = self.data.items.get(&change.key) else {
            return Ok(self.edit_missing_item(change));
        };
        let (version, is_own) = (stored.version, stored.device == self.upload.device);
        if stored.content.as_ref() == content {
            self.tick();
            return Ok(Expected::Applied(version));
        }
        let is_history = change.key.item_type == ItemType::QueryHistory;
        if is_history || is_own || version == change.base {
            self.tick();
            if is_history {
                self.data.deleted_history.insert(change.key.id.clone());
            }
            return Ok(Expected::Applied(self.write(change)));
        }
        self.conflict(change, actual)
    }

    fn edit_missing_item(&mut self, change: &Change) -> Expected {
        let last_sync = self.upload.last_sync_at.unwrap_or(Timestamp::MIN);
        let purged_through = self.data.purged_through;
        match &change.edit {
            Edit::Update(_) if last_sync < purged_through && purged_through > Timestamp::EPOCH => {
                Expected::Rejected("RESYNC_REQUIRED")
            }
            Edit::Delete => {
                self.tick();
                Expected::Applied(0)
            }
            Edit::Create(_) | Edit::Update(_) => {
                self.tick();
                Expected::Applied(self.write(change))
            }
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
    }

    fn edited_at(&self, change: &Change) -> Timestamp {
        change.updated_at.min(self.now)
    }

    /// Writes `change` to the item; returns the new version.
    fn write(&mut self, change: &Change) -> i64 {
        let content = change.edit.content().cloned();
        self.write_as(&change.key, content, self.edited_at(change))
    }

    fn write_as(&mut self, key: &Key, content: Option<Content>, updated_at: Timestamp) -> i64 {
        let version = self.data.next_version(key);
        let device = self.upload.device.clone();
        let write = self.data.next_write();
        let stored = Stored { content, version, updated_at, device, at: Timestamp::EPOCH, write };
        self.data.items.insert(key.clone(), stored);
        self.items.push((key.clone(), self.ticks));
        version
    }

    fn conflict(&mut self, change: &Change, actual: &ChangeResult) -> Result<Expected, Mismatch> {
        let ChangeResult::Conflict(shown) = actual else {
            return Err(format!("{change:?} is {actual:?}, expected a conflict"));
        };
        let earlier = self.conflict_to_update(change).cloned();
        match &earlier {
            Some(earlier) => expect_equal("the updated conflict", &shown.id, &earlier.id)?,
            None if self.data.conflicts.contains_key(&shown.id) => {
                return Err(format!("{change:?} updates {}, expected a new conflict", shown.id));
            }
            None => {}
        }
        self.tick();
        let remote = self.data.side(&change.key);
        let local = Side {
            content: change.edit.content().cloned(),
            updated_at: self.edited_at(change),
            version: change.base,
            device: self.upload.device.clone(),
        };
        let copy = shown.resolution.as_ref().and_then(|resolution| resolution.copy.clone());
        let (winner, copy) = match (self.upload.strategy, &change.edit) {
            (Strategy::UserChoice, _) => (None, None),
            (Strategy::LastWriteWins, _) if local.updated_at > remote.updated_at => {
                self.write(change);
                (Some(Winner::Local), None)
            }
            (Strategy::LastWriteWins, _) | (Strategy::KeepBoth, Edit::Delete) => (Some(Winner::Remote), None),
            (Strategy::KeepBoth, _) => (None, Some(self.copy(change, earlier.as_ref(), copy)?)),
        };
        let strategy = self.upload.strategy;
        let resolution =
            (strategy != Strategy::UserChoice).then_some(Resolution { at: Timestamp::EPOCH, strategy, winner, copy });
        self.record(change, earlier, shown.id.clone(), (local, remote), resolution);
        Ok(Expected::Conflict(shown.id.clone()))
    }

    fn record(
        &mut self,
        change: &Change,
        earlier: Option<StoredConflict>,
        id: String,
        (local, remote): (Side, Side),
        resolution: Option<Resolution>,
    ) {
        // The copy and its conflict are written in the same write.
        let write = self.data.next_write();
        if let Some(copy) = resolution.as_ref().and_then(|resolution| resolution.copy.clone()) {
            let key = Key { id: copy, ..change.key.clone() };
            self.data.items.get_mut(&key).into_iter().for_each(|copy| copy.write = write);
        }
        let detected = earlier.as_ref().map_or(write, |earlier| earlier.detected);
        let mut conflict = earlier.unwrap_or_else(|| StoredConflict {
            id: id.clone(),
            key: change.key.clone(),
            local: local.clone(),
            remote: remote.clone(),
            item_version: 0,
            resolution: None,
            write,
            detected,
            revision: None,
            old_revisions: [].into(),
        });
        conflict.touch(write);
        (conflict.local, conflict.remote, conflict.resolution) = (local, remote, resolution);
        conflict.item_version = self.data.side(&change.key).version;
        self.data.conflicts.insert(id.clone(), conflict);
        self.conflicts.push((id, self.ticks));
    }

    /// Writes the copy of `keep_both`: the copy of the updated conflict, or a new one.
    fn copy(
        &mut self,
        change: &Change,
        earlier: Option<&StoredConflict>,
        shown: Option<String>,
    ) -> Result<String, Mismatch> {
        let id = shown.ok_or_else(|| format!("{change:?} created no copy"))?;
        let key = Key { id: id.clone(), ..change.key.clone() };
        match earlier.and_then(|earlier| earlier.resolution.as_ref()?.copy.as_ref()) {
            Some(before) => expect_equal("the updated copy", &id, before)?,
            None if self.data.items.contains_key(&key) => return Err(format!("the copy {id} is not a new item")),
            None => {}
        }
        let content = change.edit.content().map(|content| copy_of(content, &self.upload.device, self.now));
        self.write_as(&key, content, self.edited_at(change));
        Ok(id)
    }

    /// Returns the conflict that `change` updates: one of the same item, device and base version; the open one, or else
    /// the newest.
    fn conflict_to_update(&self, change: &Change) -> Option<&StoredConflict> {
        let of_branch = |conflict: &&StoredConflict| {
            conflict.key == change.key
                && conflict.local.device == self.upload.device
                && conflict.local.version == change.base
        };
        let branch: Vec<&StoredConflict> = self.data.conflicts.values().filter(of_branch).collect();
        // Among conflicts with the same kind of resolution, only the newest can be updated.
        let kind = |conflict: &StoredConflict| {
            conflict.resolution.as_ref().map(|resolution| (resolution.strategy, resolution.copy.is_some()))
        };
        let is_newest = |conflict: &&&StoredConflict| {
            !branch.iter().any(|other| kind(other) == kind(conflict) && other.write > conflict.write)
        };
        let candidates = branch.iter().filter(is_newest).filter(|conflict| self.can_update(conflict, change));
        candidates.max_by_key(|conflict| (conflict.resolution.is_none(), conflict.write)).copied()
    }

    fn can_update(&self, conflict: &StoredConflict, change: &Change) -> bool {
        let is_deletion = change.edit == Edit::Delete;
        let Some(resolution) = &conflict.resolution else {
            return !(self.upload.strategy == Strategy::KeepBoth && is_deletion);
        };
        match self.upload.strategy {
            Strategy::LastWriteWins => {
                conflict.is_resolved_by(Strategy::LastWriteWins) && resolution.winner == Some(Winner::Remote)
            }
            Strategy::KeepBoth if conflict.is_resolved_by(Strategy::KeepBoth) && !is_deletion => {
                let copy = resolution.copy.as_ref().map(|id| Key { id: id.clone(), ..conflict.key.clone() });
                let copy = copy.and_then(|key| self.data.items.get(&key));
                copy.is_some_and(|copy| copy.content.is_some() && copy.write == conflict.write)
            }
            _ => false,
        }
    }
}

/// Returns `content` under the name of a copy that was created for `device` on the day of `now`.
pub(crate) fn copy_of(content: &Content, device: &str, now: Timestamp) -> Content {
    let name = format!("{} (conflicted copy, {device}, {})", content.name, now.date());
    Content { name, text: content.text.clone() }
}

/// Expected result of a change.
#[derive(Debug)]
enum Expected {
    Applied(i64),
    Conflict(String),
    Rejected(&'static str),
}
