//! Ids of conflicts and conflicted copies, and the content of a copy.
//!
//! The ids are derived, so that a decision that is made again writes the same rows. The id of a branch's copy follows from
//! the branch, and the id of a resolution's copy from the conflict. So the copies are part of the read set, before anything
//! is loaded. Stores contain these ids: what they are derived from must never change.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Branch;
use crate::models::{ChangeId, ConflictId, Content, DeviceId, ItemId, ItemKey, Stored, Timestamp, limits};

/// Namespace of the derived ids (UUID version 5, RFC 9562 §5.5): an arbitrary constant.
const NAMESPACE: Uuid = Uuid::from_u128(0x7c1f_3a52_9d0e_4b86_a7f4_52d1_c08b_6e93);

/// Returns a name-based UUID of `parts`. Equal parts have equal ids.
fn derived_id(parts: &[&str]) -> String {
    // The length before each part distinguishes ("a", "bc") from ("ab", "c").
    let name: String = parts.iter().map(|part| format!("{}:{part};", part.len())).collect();
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// Returns the id of the conflict that the change `change` of `device` causes.
pub(super) fn conflict_id(device: &DeviceId, change: &ChangeId) -> ConflictId {
    ConflictId::new_unchecked(derived_id(&["conflict", device.as_str(), change.as_str()]))
}

/// Returns the id of the conflict that keeps what a renewal of the conflict `id` replaced at the server time `seq`.
pub(super) fn left_behind_id(id: &ConflictId, seq: Timestamp) -> ConflictId {
    ConflictId::new_unchecked(derived_id(&["left behind", id.as_str(), &seq.to_string()]))
}

/// Returns the id of the conflicted copy of `branch`, a branch of `device`.
pub(super) fn branch_copy_id(branch: &Branch, device: &DeviceId) -> ItemId {
    let (key, base) = branch;
    let base = base.to_string();
    ItemId::new_unchecked(derived_id(&["copy", key.item_type.name(), key.id.as_str(), device.as_str(), &base]))
}

/// Returns the id of the conflicted copy that resolving the conflict makes. It depends on the conflict's id only, so that
/// the batch that loads the conflict also loads this item.
pub fn resolution_copy_id(conflict: &ConflictId) -> ItemId {
    ItemId::new_unchecked(derived_id(&["further copy", conflict.as_str()]))
}

/// Returns an unused id for a new conflicted copy of the item `key`: `preferred`, unless `items` has an item of that id.
///
/// Such an item may be an earlier copy that has been edited since. It may also have been uploaded by a device that knew a
/// copy which the server lost when it was restored from a backup. The id returned then depends on `seq`, the server time of
/// the write. No earlier copy has that id, because the server time only grows.
pub(super) fn unused_copy_id(
    items: &BTreeMap<ItemKey, Stored>,
    key: &ItemKey,
    preferred: ItemId,
    conflict: &ConflictId,
    seq: Timestamp,
) -> ItemId {
    if items.contains_key(&sibling(key, &preferred)) {
        return ItemId::new_unchecked(derived_id(&["dated copy", conflict.as_str(), &seq.to_string()]));
    }
    preferred
}

/// Returns the key of the item `id` of the same type as `key`.
pub(super) fn sibling(key: &ItemKey, id: &ItemId) -> ItemKey {
    ItemKey { item_type: key.item_type, id: id.clone() }
}

/// Returns `content` under the name of a copy: `name (conflicted copy, DEVICE, DATE)`. Shortens the original name if the
/// result would be too long.
pub(super) fn conflicted_copy(content: &Content, device: &DeviceId, now: Timestamp) -> Content {
    let mut content = content.clone();
    if let Some(name) = content.name_mut() {
        let suffix = format!(" (conflicted copy, {device}, {})", now.date());
        let max_chars = limits::NAME_CHARS.saturating_sub(suffix.chars().count());
        *name = name.chars().take(max_chars).collect::<String>() + &suffix;
    }
    content
}
