//! The size of an account, and the digest of its live items.
//!
//! Both are columns of the user's head row, and every write updates them. Counting rows instead would cost every upload a read
//! of the whole account.

use sha2::{Digest as _, Sha256};

use crate::models::{ItemKey, ItemType, Stored, SyncVersion, Timestamp};

/// Size and digest of an account.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Size of the account.
    pub size: Size,
    /// Digest of the live items.
    pub digest: Digest,
    /// Whether the digest misses a write: one of a release that does not know it. The next purge computes it anew.
    pub is_digest_stale: bool,
}

/// Number of bytes that an account stores, or that a write adds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes of all rows.
    pub bytes: i64,
    /// Bytes of the query history, which are part of [`bytes`](Self::bytes).
    pub history_bytes: i64,
}

impl Size {
    /// Adds `bytes` of an item of type `item_type`.
    pub(super) fn add_item(&mut self, item_type: ItemType, bytes: usize) {
        self.add(bytes);
        if item_type == ItemType::QueryHistory {
            self.history_bytes = self.history_bytes.saturating_add_unsigned(bytes as u64);
        }
    }

    /// Subtracts `bytes` that were added before.
    pub(super) fn subtract(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub_unsigned(bytes as u64);
    }

    /// Adds `bytes` of other rows.
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add_unsigned(bytes as u64);
    }
}

/// Summary of the live items of an account. A client that holds the whole state computes the same one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// The connections.
    pub connections: ItemsDigest,
    /// The saved queries.
    pub saved_queries: ItemsDigest,
    /// Number of entries of the query history. They never change, so their number says enough.
    pub query_history: i64,
}

/// Summary of the live items of one type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ItemsDigest {
    /// Number of items.
    pub count: i64,
    /// Sum of the hashes of the items, modulo 2^64. A sum does not depend on the order, and can be updated per item.
    pub hash: u64,
}

impl ItemsDigest {
    /// Adds a live item.
    pub fn add(&mut self, key: &ItemKey, version: SyncVersion, updated_at: Timestamp) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(item_hash(key, version, updated_at));
    }

    fn remove(&mut self, key: &ItemKey, version: SyncVersion, updated_at: Timestamp) {
        self.count -= 1;
        self.hash = self.hash.wrapping_sub(item_hash(key, version, updated_at));
    }
}

impl Digest {
    /// Number of items of all types.
    pub const fn items(&self) -> i64 {
        self.connections.count + self.saved_queries.count + self.query_history
    }

    /// Updates the digest for a write that replaces `before` by `after`.
    pub(super) fn replace(&mut self, key: &ItemKey, before: Option<&Stored>, after: &Stored) {
        let before = before.filter(|before| before.is_live());
        let after = Some(after).filter(|after| after.is_live());
        let items = match key.item_type {
            ItemType::Connection => &mut self.connections,
            ItemType::SavedQuery => &mut self.saved_queries,
            ItemType::QueryHistory => {
                self.query_history += i64::from(after.is_some()) - i64::from(before.is_some());
                return;
            }
        };
        if let Some(before) = before {
            items.remove(key, before.version, before.updated_at);
        }
        if let Some(after) = after {
            items.add(key, after.version, after.updated_at);
        }
    }
}

/// Returns the first eight bytes, big-endian, of SHA-256 over type, id, version and time in milliseconds, separated by NUL.
fn item_hash(key: &ItemKey, version: SyncVersion, updated_at: Timestamp) -> u64 {
    let millis = updated_at.micros().div_euclid(1_000);
    let text = format!("{}\0{}\0{version}\0{millis}", key.item_type.name(), key.id.as_str());
    let hash: [u8; 32] = Sha256::digest(text).into();
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ItemId;

    #[test]
    fn the_hash_is_the_one_of_the_documentation() {
        let key = ItemKey { item_type: ItemType::SavedQuery, id: ItemId::new_unchecked("orders") };
        let updated_at = Timestamp::from_micros(1_769_861_160_123_999);
        // printf 'saved_query\0orders\0003\0001769861160123' | sha256sum | cut -c 1-16
        assert_eq!(format!("{:016x}", item_hash(&key, 3, updated_at)), "d85b17ec3f2dc908");
    }
}
