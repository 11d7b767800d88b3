//! Upload of changes.

mod conflict;
mod merging;

use std::collections::{BTreeMap, BTreeSet};

use shared::models::{ItemType, Strategy, Timestamp};

use crate::call::{Change, Content, Edit, Key, Upload};
use crate::data::{ChangeKey, Data, Receipt};
use crate::response::{ChangeResult, Effect, UploadResponse};
use crate::{Mismatch, expect_equal};

pub(crate) use conflict::copy_of;

/// Upload in execution: applies its changes in order.
struct UploadExecution<'a> {
    data: &'a mut Data,
    upload: &'a Upload,
    now: Timestamp,
    /// The device's own newest edit of each item and base version of which a change was merged.
    merged_edits: BTreeMap<(Key, i64), Content>,
    /// Items that changes of the upload have named, under the strategy `refuse`.
    compared: BTreeSet<Key>,
    synced: i64,
    conflicts_count: i64,
}

/// Expected result of a change.
#[derive(Debug)]
enum Expected {
    Applied(i64, Effect),
    Conflict(String),
    Refused,
    Rejected(&'static str),
}

impl Expected {
    fn matches(&self, actual: &ChangeResult) -> bool {
        match (self, actual) {
            (Self::Applied(expected, expected_effect), ChangeResult::Applied { version, effect, .. }) => {
                (version, effect) == (expected, expected_effect)
            }
            (Self::Conflict(id), ChangeResult::Conflict { conflict, .. }) => *id == conflict.id,
            (Self::Refused, ChangeResult::Refused { .. }) => true,
            (Self::Rejected(code), ChangeResult::Rejected(given)) => code == given,
            _ => false,
        }
    }
}

impl Data {
    /// Applies `upload` at `now` and checks the response.
    ///
    /// # Errors
    /// Returns an error if the response violates the contract.
    pub fn upload(&mut self, upload: &Upload, response: &UploadResponse, now: Timestamp) -> Result<(), Mismatch> {
        expect_equal("the number of results", &response.results.len(), &upload.changes.len())?;
        let mut execution = UploadExecution {
            data: &mut *self,
            upload,
            now,
            merged_edits: BTreeMap::new(),
            compared: BTreeSet::new(),
            synced: 0,
            conflicts_count: 0,
        };
        for (change, actual) in upload.changes.iter().zip(&response.results) {
            execution.apply(change, actual)?;
        }
        execution.finish();
        self.check_head(response.at)?;
        self.check_results(upload, response)
    }

    /// Checks the state after the whole upload in each result: that of the conflict, and that of the item, which the last result
    /// that concerns it has if it is not what the change said.
    fn check_results(&mut self, upload: &Upload, response: &UploadResponse) -> Result<(), Mismatch> {
        let mut concerned = BTreeSet::new();
        for (change, result) in upload.changes.iter().zip(&response.results).rev() {
            if matches!(result, ChangeResult::Rejected(_)) {
                continue;
            }
            let has_current = concerned.insert(&change.key) && !self.is_expected(change, result);
            let current = has_current.then(|| self.current(&change.key));
            expect_equal("the current item", &result.current(), &current.as_ref())?;
            if let ChangeResult::Conflict { version, .. } | ChangeResult::Refused { version, .. } = result {
                expect_equal("the current version", version, &self.current(&change.key).version)?;
            }
            if let ChangeResult::Conflict { conflict, .. } = result {
                self.check_conflict(conflict)?;
            }
        }
        Ok(())
    }

    /// Returns whether a client that knows the change and its result knows the item.
    fn is_expected(&self, change: &Change, result: &ChangeResult) -> bool {
        let current = self.current(&change.key);
        let is_as_said = current.content.as_ref() == change.edit.content();
        match result {
            ChangeResult::Applied { effect: Effect::Merged, .. } | ChangeResult::Refused { .. } => false,
            ChangeResult::Applied { version, .. } => {
                is_as_said && (change.edit == Edit::Delete || *version == current.version)
            }
            ChangeResult::Conflict { .. } | ChangeResult::Rejected(_) => is_as_said,
        }
    }
}

impl UploadExecution<'_> {
    /// Counts the changes that were accepted for the first time.
    fn finish(self) {
        if self.synced + self.conflicts_count > 0 {
            let device = self.data.devices.entry(self.upload.device.clone()).or_default();
            device.0 += self.synced;
            device.1 += self.conflicts_count;
        }
    }

    fn apply(&mut self, change: &Change, actual: &ChangeResult) -> Result<(), Mismatch> {
        let expected = self.decide(change, actual)?;
        if expected.matches(actual) { Ok(()) } else { Err(format!("{change:?} is {actual:?}, expected {expected:?}")) }
    }

    fn decide(&mut self, change: &Change, actual: &ChangeResult) -> Result<Expected, Mismatch> {
        let change_key = (self.upload.device.clone(), change.key.clone(), change.id.clone());
        if change.key.item_type == ItemType::QueryHistory && change.edit != Edit::Delete {
            return Ok(self.append(change_key, change));
        }
        let is_compared_before = self.compares(change) && !self.compared.insert(change.key.clone());
        if let Some(receipt) = self.data.receipts.get(&change_key).cloned() {
            return Ok(self.repeat(receipt, change));
        }
        if is_compared_before {
            return Ok(Expected::Rejected("INVALID_CHANGE"));
        }
        let expected = self.edit(change, actual)?;
        let (version, conflict, effect) = match &expected {
            Expected::Applied(version, effect) => (*version, None, *effect),
            Expected::Conflict(id) => (self.data.side(&change.key).version, Some(id.clone()), Effect::AsSent),
            Expected::Refused | Expected::Rejected(_) => return Ok(expected),
        };
        *if conflict.is_none() { &mut self.synced } else { &mut self.conflicts_count } += 1;
        self.data.receipts.insert(change_key, Receipt { version, conflict, effect });
        Ok(expected)
    }

    /// Returns whether the change is applied only to the version that it names.
    fn compares(&self, change: &Change) -> bool {
        self.upload.strategy == Strategy::Refuse && change.key.item_type != ItemType::QueryHistory
    }

    /// Returns the first result of a repeated change, or `Applied` if its conflict was purged. Changes nothing.
    fn repeat(&mut self, receipt: Receipt, change: &Change) -> Expected {
        if receipt.effect == Effect::Merged {
            self.continue_from(change);
        }
        match receipt.conflict {
            Some(id) if self.data.conflicts.contains_key(&id) => Expected::Conflict(id),
            _ => Expected::Applied(receipt.version, receipt.effect),
        }
    }

    /// Appends a history entry. A known id changes nothing, and a deleted entry is not restored. A receipt records an edit of
    /// a known entry.
    fn append(&mut self, change_key: ChangeKey, change: &Change) -> Expected {
        let unchanged = Expected::Applied(1, Effect::Unchanged);
        if self.data.receipts.contains_key(&change_key) {
            return unchanged;
        }
        let known = self.data.history.get(&change.key);
        if known.is_some_and(|known| Some(known) != change.edit.content()) {
            self.tick();
            let receipt = Receipt { version: 1, conflict: None, effect: Effect::Unchanged };
            self.data.receipts.insert(change_key, receipt);
            self.data.devices.entry(self.upload.device.clone()).or_default();
            return unchanged;
        }
        if known.is_none() && !self.data.deleted_history.contains(&change.key.id) {
            if !self.data.has_room_for(&change.key) {
                return Expected::Rejected("QUOTA_EXCEEDED");
            }
            self.write(change);
            self.synced += 1;
        }
        Expected::Applied(1, Effect::AsSent)
    }

    fn edit(&mut self, change: &Change, actual: &ChangeResult) -> Result<Expected, Mismatch> {
        let content = change.edit.content();
        let Some(stored) = self.data.items.get(&change.key) else {
            return Ok(self.edit_missing_item(change));
        };
        let (version, is_own) = (stored.version, stored.device == self.upload.device);
        if stored.content.as_ref() == content {
            self.tick();
            return Ok(Expected::Applied(version, Effect::AsSent));
        }
        if self.compares(change) && version != change.base {
            return Ok(Expected::Refused);
        }
        let is_history = change.key.item_type == ItemType::QueryHistory;
        if !is_history && !is_own && version != change.base {
            return match self.merge(change) {
                Some(version) => Ok(Expected::Applied(version, Effect::Merged)),
                None => self.conflict(change, actual),
            };
        }
        if content.is_some() && !self.data.has_room_for(&change.key) {
            return Ok(Expected::Rejected("QUOTA_EXCEEDED"));
        }
        if is_history {
            self.data.deleted_history.insert(change.key.id.clone());
        }
        Ok(Expected::Applied(self.write(change), Effect::AsSent))
    }

    fn edit_missing_item(&mut self, change: &Change) -> Expected {
        let last_sync = self.upload.last_sync_at.unwrap_or(Timestamp::MIN);
        let purged_through = self.data.purged_through;
        match &change.edit {
            Edit::Create(_) | Edit::Update(_) if self.compares(change) && change.base != 0 => Expected::Refused,
            Edit::Update(_)
                if !self.compares(change) && last_sync < purged_through && purged_through > Timestamp::EPOCH =>
            {
                Expected::Rejected("RESYNC_REQUIRED")
            }
            Edit::Delete => {
                self.tick();
                Expected::Applied(0, Effect::AsSent)
            }
            Edit::Create(_) | Edit::Update(_) if !self.data.has_room_for(&change.key) => {
                Expected::Rejected("QUOTA_EXCEEDED")
            }
            Edit::Create(_) | Edit::Update(_) => Expected::Applied(self.write(change), Effect::AsSent),
        }
    }

    /// Returns the server time of the next write.
    fn tick(&mut self) -> Timestamp {
        self.data.tick(self.now)
    }

    fn edited_at(&self, change: &Change) -> Timestamp {
        change.updated_at.min(self.now)
    }

    /// Writes `change` to its item at the next server time; returns the new version.
    fn write(&mut self, change: &Change) -> i64 {
        let at = self.tick();
        self.write_at(&change.key, change, change.edit.content().cloned(), at)
    }

    /// Writes `content`, which comes from `change`, to the item `key` at the server time `at`.
    fn write_at(&mut self, key: &Key, change: &Change, content: Option<Content>, at: Timestamp) -> i64 {
        let updated_at = self.edited_at(change);
        self.data.write_item(key, content, updated_at, &self.upload.device, at)
    }
}
