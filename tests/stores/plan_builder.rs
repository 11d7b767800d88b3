use std::sync::Arc;

use shared::models::{
    ChangeId, Conflict, ConflictId, Content, DeviceId, Item, ItemKey, Stored, SyncVersion, Timestamp,
};
use shared::sync::{DeviceStats, Digest, Head, Plan, Receipt, Size};

use crate::fixtures::at_second;

/// Builder of a [`Plan`]. Each added row gets the next sequence time.
pub(crate) struct PlanBuilder {
    plan: Plan,
    device: &'static str,
    version: SyncVersion,
}

impl PlanBuilder {
    /// Starts a plan that expects the head `head`.
    pub(crate) fn on(head: Head) -> Self {
        let plan = Plan {
            expected: head,
            new_head: head.time.max(at_second(0)),
            items: Vec::new(),
            conflicts: Vec::new(),
            receipts: Vec::new(),
            device_stats: None,
            growth: Size::default(),
            digest: Digest::default(),
            is_digest_stale: true,
        };
        Self { plan, device: "laptop", version: 1 }
    }

    /// Advances the sequence time to at least `time`.
    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.plan.new_head = self.plan.new_head.max(time);
        self
    }

    /// Sets the version of the items that follow.
    pub(crate) fn version(mut self, version: SyncVersion) -> Self {
        self.version = version;
        self
    }

    /// Sets the device of the rows that follow; an empty id means no device.
    pub(crate) fn by(mut self, device: &'static str) -> Self {
        self.device = device;
        self
    }

    /// Adds an item.
    pub(crate) fn put(self, key: &ItemKey, content: Arc<Content>) -> Self {
        self.item(key, Some(content), false)
    }

    /// Adds a tombstone that keeps the content of its item.
    pub(crate) fn tombstone(self, key: &ItemKey, content: Arc<Content>) -> Self {
        self.item(key, Some(content), true)
    }

    /// Adds a history tombstone: the tombstone of an entry whose content was not loaded.
    pub(crate) fn history_tombstone(self, key: &ItemKey) -> Self {
        self.item(key, None, true)
    }

    fn item(mut self, key: &ItemKey, content: Option<Arc<Content>>, deleted: bool) -> Self {
        let seq = self.tick();
        let bytes = content.as_ref().map_or(0, |content| Stored::bytes_of(&key.id, content));
        let executed_at = content.as_ref().and_then(|content| content.executed_at());
        let stored = Stored {
            item: content.map(|content| Item { content, created_at: executed_at.unwrap_or(at_second(1)) }),
            updated_at: executed_at.unwrap_or(at_second(2)),
            version: self.version,
            seq,
            device: DeviceId::new_unchecked(self.device),
            deleted_at: deleted.then_some(seq),
            bytes,
            recent: Arc::default(),
        };
        self.plan.items.push((key.clone(), stored));
        self
    }

    /// Adds a conflict.
    pub(crate) fn conflict(mut self, conflict: Conflict) -> Self {
        let seq = self.tick();
        self.plan.conflicts.push(Conflict { seq, ..conflict });
        self
    }

    /// Adds the receipt of a change, with the conflict that the change caused, if any.
    pub(crate) fn receipt(mut self, change: &str, key: &ItemKey, conflict: Option<&str>) -> Self {
        let seq = self.tick();
        self.plan.receipts.push(Receipt {
            device: DeviceId::new_unchecked(self.device),
            change: ChangeId::parse(change).expect("a valid id"),
            key: key.clone(),
            version: self.version,
            conflict: conflict.map(|id| ConflictId::parse(id).expect("a valid id")),
            merged: false,
            seq,
        });
        self
    }

    /// Adds the counters of the device.
    pub(crate) fn device_stats(mut self, synced: i64, conflicts: i64) -> Self {
        self.plan.device_stats = Some(DeviceStats { device: DeviceId::new_unchecked(self.device), synced, conflicts });
        self
    }

    fn tick(&mut self) -> Timestamp {
        self.plan.new_head = self.plan.new_head.next_millisecond();
        self.plan.new_head
    }

    pub(crate) fn build(self) -> Plan {
        self.plan
    }
}
