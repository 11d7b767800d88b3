use std::collections::BTreeSet;

use super::decide::successor;
use super::{ChangeResult, Decision, Head, Plan, Rejection, Upload};
use crate::models::{Change, DeviceId, Edit, ItemKey, ItemType, Stored, Timestamp};

/// An upload of nothing but entries of the history.
///
/// The history is append-only, so these conflict with nobody: whichever of them is known already stays as it is, all others
/// are added, and each is answered alike. To decide that nothing needs to be known, not even where the user's line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The uploading device.
    pub device: DeviceId,
    /// The entries, each once. Their places in the line are given out where they are written, in this order.
    pub entries: Vec<(ItemKey, Stored)>,
}

impl Append {
    /// What `upload` appends at the server time `now`, if it does nothing else.
    pub fn from_upload(upload: &Upload, now: Timestamp) -> Option<Self> {
        let mut seen = BTreeSet::new();
        let mut entries = Vec::with_capacity(upload.changes.len());
        for change in upload.changes.iter().flatten() {
            if change.key.item_type != ItemType::QueryHistory || change.edit == Edit::Delete {
                return None;
            }
            if seen.insert(&change.key) {
                let updated_at = change.updated_at.min(now);
                let entry = successor(0, None, &change.edit, updated_at, &upload.device, Timestamp::EPOCH);
                entries.push((change.key.clone(), entry));
            }
        }
        (!entries.is_empty()).then(|| Self { device: upload.device.clone(), entries })
    }

    /// What `upload` came to, now that the user's line stands at `head`.
    pub fn decision(upload: &Upload, head: Timestamp) -> Decision {
        let plan = Plan {
            expected: Head::default(),
            new_head: head,
            items: [].into(),
            conflicts: Vec::new(),
            receipts: Vec::new(),
            device_stats: None,
        };
        let result = |change: &Result<Change, Box<Rejection>>| match change {
            Ok(change) => ChangeResult::Applied { change: change.id.clone(), key: change.key.clone(), version: 1 },
            Err(rejection) => ChangeResult::Rejected(rejection.clone()),
        };
        Decision { plan, results: upload.changes.iter().map(result).collect() }
    }
}
