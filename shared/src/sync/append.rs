use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::write::Write;
use super::{ChangeResult, Decision, Digest, Effect, Head, Plan, Size, Upload};
use crate::models::{DeviceId, Edit, ItemKey, ItemType, Quota, Stored, Timestamp};

/// An upload that only adds history entries.
///
/// History is append-only: an existing entry stays as it is, a new one is added, and the result of both is the same unless the
/// existing entry has other content. So such an upload is decided without a snapshot, and without the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The uploading device.
    pub device: DeviceId,
    /// The entries, without duplicates. The store assigns their server times, in this order.
    pub entries: Vec<(ItemKey, Stored)>,
    /// What the account may store.
    pub quota: Quota,
}

impl Append {
    /// Returns the entries that `upload` adds. `now` is the time of the server's clock. Returns `None` if the upload adds
    /// none, adds one twice with different content, or does anything else.
    pub fn from_upload(upload: &Upload, quota: Quota, now: Timestamp) -> Option<Self> {
        let mut seen = BTreeMap::new();
        let mut entries = Vec::with_capacity(upload.changes.len());
        for change in upload.changes.iter().flatten() {
            let Edit::Put { content, .. } = &change.edit else { return None };
            if change.key.item_type != ItemType::QueryHistory {
                return None;
            }
            match seen.entry(&change.key) {
                Entry::Occupied(first) if first.get() != &content => return None,
                Entry::Occupied(_) => continue,
                Entry::Vacant(first) => first.insert(content),
            };
            let updated_at = change.updated_at.min(now);
            let (edit, bytes) = (&change.edit, Stored::bytes_of(&change.key.id, content));
            let write = Write { edit, bytes, updated_at, device: &upload.device, seq: Timestamp::EPOCH };
            entries.push((change.key.clone(), write.after(None, 1)));
        }
        (!entries.is_empty()).then(|| Self { device: upload.device.clone(), entries, quota })
    }

    /// Size of the entries, in bytes.
    pub fn bytes(&self) -> i64 {
        let mut size = Size::default();
        self.entries.iter().for_each(|(_, stored)| size.add(stored.bytes));
        size.bytes
    }

    /// Returns the decision for `upload` after the store has added its entries and moved the head to `head`.
    pub fn decision(upload: &Upload, head: Timestamp) -> Decision {
        let plan = Plan {
            expected: Head::default(),
            new_head: head,
            items: Vec::new(),
            conflicts: Vec::new(),
            receipts: Vec::new(),
            device_stats: None,
            growth: Size::default(),
            digest: Digest::default(),
            is_digest_stale: true,
        };
        let results = upload.changes.iter().map(|change| match change {
            Ok(change) => ChangeResult::Applied {
                change: change.id.clone(),
                key: change.key.clone(),
                version: 1,
                effect: Effect::AsSent,
                current: None,
            },
            Err(rejection) => ChangeResult::Rejected(rejection.clone()),
        });
        Decision { plan, results: results.collect() }
    }
}
