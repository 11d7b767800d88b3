use std::collections::BTreeMap;
use std::sync::Arc;

use shared::models::{
    ChangeId, Conflict, ConflictId, Content, DeviceId, Item, ItemKey, Stored, SyncVersion, Timestamp,
};
use shared::sync::{DeviceStats, Head, Plan, Receipt};

use crate::fixtures::second;

/// A plan in the making. Whatever is added gets the next server time.
pub(crate) struct Draft {
    plan: Plan,
    device: &'static str,
    version: SyncVersion,
}

impl Draft {
    /// A plan for the head `head`.
    pub(crate) fn on(head: Head) -> Self {
        let plan = Plan {
            expected: head,
            new_head: head.time.max(second(0)),
            items: BTreeMap::new(),
            conflicts: Vec::new(),
            receipts: Vec::new(),
            device_stats: None,
        };
        Self { plan, device: "laptop", version: 1 }
    }

    /// From here on it is `time`.
    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.plan.new_head = self.plan.new_head.max(time);
        self
    }

    /// From here on items are of this version.
    pub(crate) fn version(mut self, version: SyncVersion) -> Self {
        self.version = version;
        self
    }

    /// From here on it is this device that writes; none, where its id is empty.
    pub(crate) fn by(mut self, device: &'static str) -> Self {
        self.device = device;
        self
    }

    /// Writes an item.
    pub(crate) fn put(self, key: &ItemKey, content: Arc<Content>) -> Self {
        self.item(key, Some(content), false)
    }

    /// Writes an item's tombstone, under which its content stays.
    pub(crate) fn tombstone(self, key: &ItemKey, content: Arc<Content>) -> Self {
        self.item(key, Some(content), true)
    }

    /// Turns an entry of the history that was not loaded into a tombstone.
    pub(crate) fn tombstone_unseen(self, key: &ItemKey) -> Self {
        self.item(key, None, true)
    }

    fn item(mut self, key: &ItemKey, content: Option<Arc<Content>>, deleted: bool) -> Self {
        let seq = self.tick();
        let executed_at = content.as_ref().and_then(|content| content.executed_at());
        let stored = Stored {
            item: content.map(|content| Item { content, created_at: executed_at.unwrap_or(second(1)) }),
            updated_at: executed_at.unwrap_or(second(2)),
            version: self.version,
            seq,
            device: DeviceId::new_unchecked(self.device),
            deleted_at: deleted.then_some(seq),
        };
        self.plan.items.insert(key.clone(), stored);
        self
    }

    /// Writes a conflict.
    pub(crate) fn conflict(mut self, conflict: Conflict) -> Self {
        let seq = self.tick();
        self.plan.conflicts.push(Conflict { seq, ..conflict });
        self
    }

    /// Remembers a change of an item, and the conflict that it met.
    pub(crate) fn receipt(mut self, change: &str, key: &ItemKey, conflict: Option<&str>) -> Self {
        let seq = self.tick();
        self.plan.receipts.push(Receipt {
            device: DeviceId::new_unchecked(self.device),
            change: ChangeId::parse(change).expect("an id"),
            key: key.clone(),
            version: self.version,
            conflict: conflict.map(|id| ConflictId::parse(id).expect("an id")),
            seq,
        });
        self
    }

    /// Counts what the device did.
    pub(crate) fn device_stats(mut self, synced: i64, conflicts: i64) -> Self {
        self.plan.device_stats = Some(DeviceStats { device: DeviceId::new_unchecked(self.device), synced, conflicts });
        self
    }

    fn tick(&mut self) -> Timestamp {
        self.plan.new_head = self.plan.new_head.next_millisecond();
        self.plan.new_head
    }

    pub(crate) fn plan(self) -> Plan {
        self.plan
    }
}
