use std::collections::BTreeMap;

use uuid::Uuid;

use crate::models::{ChangeId, ConflictId, Content, DeviceId, ItemId, ItemKey, Stored, SyncVersion, Timestamp, limits};

/// The namespace of the ids made here (UUID version 5, RFC 9562 §5.5): an arbitrary, fixed value.
const NAMESPACE: Uuid = Uuid::from_u128(0x7c1f_3a52_9d0e_4b86_a7f4_52d1_c08b_6e93);

/// A name-based id: the same for the same parts, so that an attempt that is made again writes the same rows.
fn derived_id(parts: &[&str]) -> String {
    // The length before each part keeps ("a", "bc") apart from ("ab", "c").
    let name: String = parts.iter().map(|part| format!("{}:{part};", part.len())).collect();
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// The id of the conflict that the change `change` of `device` meets.
pub(super) fn conflict_id(device: &DeviceId, change: &ChangeId) -> ConflictId {
    ConflictId::trusted(derived_id(&["conflict", device.as_str(), change.as_str()]))
}

/// The id of the copy of a branch: one per item, device and base version.
pub(super) fn copy_id(key: &ItemKey, device: &DeviceId, base: SyncVersion) -> ItemId {
    let base = base.to_string();
    ItemId::trusted(derived_id(&["copy", key.item_type.name(), key.id.as_str(), device.as_str(), &base]))
}

/// The id of the copy that resolving a conflict makes. It follows from the conflict's id alone, so that the batch which
/// loads the conflict loads this item, too.
pub fn resolution_copy_id(conflict: &ConflictId) -> ItemId {
    ItemId::trusted(derived_id(&["further copy", conflict.as_str()]))
}

/// The place for a new copy of the item `key`: `id`, which follows from the branch or from the conflict, unless it is taken,
/// by what others have made of that copy since, or by the upload of a device that knew a copy which a restored server has
/// forgotten. Then one that no earlier copy can have, because `at`, the time of the write, only grows.
pub(super) fn unused_copy_id(
    items: &BTreeMap<ItemKey, Stored>,
    key: &ItemKey,
    id: ItemId,
    conflict: &ConflictId,
    at: Timestamp,
) -> ItemId {
    if items.contains_key(&sibling(key, &id)) {
        return ItemId::trusted(derived_id(&["dated copy", conflict.as_str(), &at.to_string()]));
    }
    id
}

/// The item `id` of the same kind as `key`.
pub(super) fn sibling(key: &ItemKey, id: &ItemId) -> ItemKey {
    ItemKey { item_type: key.item_type, id: id.clone() }
}

/// `content` under the name of a copy: `name (conflicted copy, DEVICE, DATE)`, where the name gives way if the whole
/// would be too long.
pub(super) fn conflicted_copy(content: &Content, device: &DeviceId, now: Timestamp) -> Content {
    let mut content = content.clone();
    if let Some(name) = content.name_mut() {
        let suffix = format!(" (conflicted copy, {device}, {})", now.date());
        let room = limits::NAME_CHARS.saturating_sub(suffix.chars().count());
        *name = name.chars().take(room).collect::<String>() + &suffix;
    }
    content
}
