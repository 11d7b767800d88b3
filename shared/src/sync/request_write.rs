use super::write::Write;
use super::{Plan, Receipt, Snapshot};
use crate::models::{Conflict, DeviceId, Edit, ItemKey, Quota, Stored, Timestamp};

/// The plan of a request that a user makes about one item, on behalf of no device: the resolution of a conflict, or the
/// restoration of a version. Every device treats what it writes as another device's write.
pub(super) struct RequestWrite<'s> {
    snapshot: &'s Snapshot,
    plan: Plan,
}

impl<'s> RequestWrite<'s> {
    /// Starts a plan on `snapshot` that writes at the server time `seq`.
    pub(super) fn new(snapshot: &'s Snapshot, seq: Timestamp) -> Self {
        let plan = Plan {
            expected: snapshot.head(),
            new_head: seq,
            items: Vec::new(),
            conflicts: Vec::new(),
            receipts: Vec::new(),
            device_stats: None,
            growth: super::Size::default(),
            digest: snapshot.totals().digest,
            is_digest_stale: snapshot.totals().is_digest_stale,
        };
        Self { snapshot, plan }
    }

    /// The newest server time of the plan.
    pub(super) const fn seq(&self) -> Timestamp {
        self.plan.new_head
    }

    /// Assigns the next server time.
    pub(super) fn next_seq(&mut self) {
        self.plan.new_head = self.plan.new_head.next_millisecond();
    }

    /// Writes the next version of the item `key` and returns it. The time of the request is the time of the edit, so that no
    /// older edit wins against it later.
    pub(super) fn item(&mut self, key: &ItemKey, edit: &Edit, now: Timestamp) -> &Stored {
        let before = self.snapshot.items.get(key);
        let bytes = match edit {
            Edit::Put { content, .. } => Stored::bytes_of(&key.id, content),
            Edit::Delete => 0,
        };
        let write = Write { edit, bytes, updated_at: now, device: &DeviceId::none(), seq: self.seq() };
        let version = self.snapshot.head().next_version(key.item_type, before.map(|before| before.version));
        let stored = write.after(before, version);
        self.plan.digest.replace(key, before, &stored);
        self.plan.growth.add_item(key.item_type, stored.bytes);
        self.plan.items.push((key.clone(), stored));
        &self.plan.items[self.plan.items.len() - 1].1
    }

    /// Writes a conflict.
    pub(super) fn conflict(&mut self, conflict: Conflict) {
        self.plan.growth.add(conflict.bytes());
        self.plan.conflicts.push(conflict);
    }

    /// Writes a receipt.
    pub(super) fn receipt(&mut self, receipt: Receipt) {
        self.plan.growth.add(Receipt::bytes_of(&receipt.change, &receipt.device, &receipt.key));
        self.plan.receipts.push(receipt);
    }

    /// Whether the account fits `quota` after the plan. An edit that does not make the live item `key` larger may exceed it.
    pub(super) fn fits(&self, key: &ItemKey, quota: Quota) -> bool {
        let before = self.snapshot.items.get(key).filter(|before| before.is_live());
        let after =
            self.plan.items.iter().rev().find(|(written, _)| written == key).map_or(0, |(_, after)| after.bytes);
        let limit = match before {
            Some(before) if after <= before.bytes => quota.bytes_of_shrinking_edits(),
            _ => quota.bytes,
        };
        let replaced = self.plan.conflicts.iter().filter_map(|conflict| self.snapshot.conflicts.get(&conflict.id));
        let replaced: usize = replaced.map(Conflict::bytes).sum();
        let bytes = self.snapshot.totals().size.bytes + self.plan.growth.bytes;
        let has_room = before.is_some() || self.snapshot.totals().digest.items() < quota.items;
        has_room && bytes.saturating_sub_unsigned(replaced as u64) <= limit
    }

    /// Returns the plan.
    pub(super) fn into_plan(self) -> Plan {
        self.plan
    }
}
