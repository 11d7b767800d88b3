//! Upload of changes.

mod conflict;
mod merging;

use std::collections::BTreeMap;

use shared::models::{ItemType, Timestamp};

use crate::call::{Change, Content, Edit, Key, Upload};
use crate::data::{Data, Receipt};
use crate::response::{ChangeResult, UploadResponse};
use crate::{Mismatch, expect_equal};

pub(crate) use conflict::copy_of;

/// Upload in execution: applies its changes in order.
struct UploadExecution<'a> {
    data: &'a mut Data,
    upload: &'a Upload,
    now: Timestamp,
    /// The device's own newest edit of each item and base version of which a change was merged.
    merged_edits: BTreeMap<(Key, i64), Content>,
    synced: i64,
    conflicts_count: i64,
}

/// Expected result of a change.
#[derive(Debug)]
enum Expected {
    Applied(i64),
    Merged(i64),
    Conflict(String),
    Rejected(&'static str),
}

impl Expected {
    fn matches(&self, actual: &ChangeResult) -> bool {
        match (self, actual) {
            (Self::Applied(expected), ChangeResult::Applied(version))
            | (Self::Merged(expected), ChangeResult::Merged { version, .. }) => version == expected,
            (Self::Conflict(id), ChangeResult::Conflict(conflict)) => *id == conflict.id,
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
            synced: 0,
            conflicts_count: 0,
        };
        for (change, actual) in upload.changes.iter().zip(&response.results) {
            execution.apply(change, actual)?;
        }
        execution.finish();
        self.check_head(response.at)?;
        // The response contains each conflict and each merged item in its state after the whole upload.
        upload.changes.iter().zip(&response.results).try_for_each(|(change, result)| match result {
            ChangeResult::Conflict(conflict) => self.check_conflict(conflict),
            ChangeResult::Merged { current, .. } => {
                expect_equal("the merged item", current, &self.current(&change.key))
            }
            ChangeResult::Applied(_) | ChangeResult::Rejected(_) => Ok(()),
        })
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
        if let Some(receipt) = self.data.receipts.get(&change_key).cloned() {
            return Ok(self.repeat(receipt, change));
        }
        if change.key.item_type == ItemType::QueryHistory && change.edit != Edit::Delete {
            return Ok(self.append(change));
        }
        let expected = self.edit(change, actual)?;
        let (version, conflict, merged) = match &expected {
            Expected::Applied(version) => (*version, None, false),
            Expected::Merged(version) => (*version, None, true),
            Expected::Conflict(id) => (self.data.side(&change.key).version, Some(id.clone()), false),
            Expected::Rejected(_) => return Ok(expected),
        };
        *if conflict.is_none() { &mut self.synced } else { &mut self.conflicts_count } += 1;
        self.data.receipts.insert(change_key, Receipt { version, conflict, merged });
        Ok(expected)
    }

    /// Returns the first result of a repeated change, or `Applied` if its conflict was purged. Changes nothing.
    fn repeat(&mut self, receipt: Receipt, change: &Change) -> Expected {
        if receipt.merged {
            self.continue_from(change);
            return Expected::Merged(receipt.version);
        }
        match receipt.conflict {
            Some(id) if self.data.conflicts.contains_key(&id) => Expected::Conflict(id),
            _ => Expected::Applied(receipt.version),
        }
    }

    /// Appends a history entry. A known id changes nothing, and a deleted entry is not restored.
    fn append(&mut self, change: &Change) -> Expected {
        let is_known = self.data.items.contains_key(&change.key) || self.data.deleted_history.contains(&change.key.id);
        if !is_known {
            if !self.data.has_room_for(&change.key) {
                return Expected::Rejected("QUOTA_EXCEEDED");
            }
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
        if !is_history && !is_own && version != change.base {
            return match self.merge(change) {
                Some(version) => Ok(Expected::Merged(version)),
                None => self.conflict(change, actual),
            };
        }
        if content.is_some() && !self.data.has_room_for(&change.key) {
            return Ok(Expected::Rejected("QUOTA_EXCEEDED"));
        }
        if is_history {
            self.data.deleted_history.insert(change.key.id.clone());
        }
        Ok(Expected::Applied(self.write(change)))
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
            Edit::Create(_) | Edit::Update(_) if !self.data.has_room_for(&change.key) => {
                Expected::Rejected("QUOTA_EXCEEDED")
            }
            Edit::Create(_) | Edit::Update(_) => Expected::Applied(self.write(change)),
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
