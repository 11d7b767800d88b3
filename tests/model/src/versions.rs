//! Replaced versions: listing and restoring them, and the versions that changes are merged against.

use shared::models::Timestamp;

use crate::call::{Content, Key};
use crate::data::{Data, Stored};
use crate::response::{KeptVersion, PageItem, Response, Side};
use crate::{Mismatch, expect_code, expect_equal, expect_status};

/// Version that a later write replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Replaced {
    version: Side,
    /// Server time of the later write.
    replaced_at: Timestamp,
}

impl Replaced {
    pub(crate) fn new(before: Stored, replaced_at: Timestamp) -> Self {
        let Stored { content, version, updated_at, device, .. } = before;
        Self { version: Side { content, updated_at, version, device }, replaced_at }
    }
}

impl Data {
    /// Checks the response to a list of the versions of `key`, newest first.
    ///
    /// # Errors
    /// Returns an error if the response violates the contract.
    pub fn check_versions(&self, key: &Key, response: &Response) -> Result<(), Mismatch> {
        if !self.items.contains_key(key) {
            return expect_status(response, 404);
        }
        let replaced = self.versions.get(key).into_iter().flatten().rev();
        let replaced = replaced.map(|replaced| (replaced.version.clone(), Some(replaced.replaced_at)));
        let kept = std::iter::once((self.side(key), None)).chain(replaced).map(|(side, replaced_at)| {
            let Side { content, updated_at, version, device } = side;
            KeptVersion { content, version, updated_at, device, replaced_at }
        });
        expect_equal("the versions", response, &Response::Versions(kept.collect()))
    }

    /// Returns the version `version` of `key`, if the item exists and the version is kept.
    fn kept_version(&self, key: &Key, version: i64) -> Option<Side> {
        let current = self.items.contains_key(key).then(|| self.side(key))?;
        let replaced = self.versions.get(key).into_iter().flatten().map(|replaced| replaced.version.clone());
        std::iter::once(current).chain(replaced).find(|side| side.version == version)
    }

    /// Returns the content that an edit of `device` on the version `base` is merged against: that of the newest version
    /// that the device wrote itself since, or of the base version. `None` if it is not kept or a deletion.
    pub(crate) fn merge_base(&self, key: &Key, base: i64, device: &str) -> Option<Content> {
        let newest_first = self.versions.get(key)?.iter().rev().map(|replaced| &replaced.version);
        let mut since_base = newest_first.take_while(|side| side.version >= base);
        since_base.find(|side| side.version == base || side.device == device)?.content.clone()
    }

    /// Restores the version `version` of `key` at `now`, if the item is at the version `expected`; checks the response.
    ///
    /// # Errors
    /// Returns an error if the response violates the contract.
    pub fn restore(
        &mut self,
        key: &Key,
        (version, expected): (i64, i64),
        response: &Response,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        let request = (key.clone(), version, expected);
        if let Some(restored) = self.restorations.get(&request) {
            let shown = self.kept_version(key, *restored).unwrap_or_else(|| self.side(key));
            return check_restored(key, &shown, response);
        }
        let Some(kept) = self.kept_version(key, version) else { return expect_status(response, 404) };
        let Some(content) = kept.content else { return expect_status(response, 400) };
        let current = self.current(key);
        if current.version != expected {
            expect_status(response, 409)?;
            let Response::Refused { current: shown, .. } = response else { return expect_status(response, 409) };
            return expect_equal("the current item", shown, &Some(Box::new(current)));
        }
        if !self.has_room_for(key) {
            return expect_code(response, "QUOTA_EXCEEDED");
        }
        let at = self.tick(now);
        let restored = self.write_item(key, Some(content), now, "", at);
        self.restorations.insert(request, restored);
        check_restored(key, &self.side(key), response)
    }

    /// Removes the versions that were replaced before `cutoff`; returns their number.
    pub(crate) fn purge_versions(&mut self, cutoff: Timestamp) -> u64 {
        let mut removed = 0;
        for replaced in self.versions.values_mut() {
            let before = replaced.len();
            replaced.retain(|version| version.replaced_at >= cutoff);
            removed += before - replaced.len();
        }
        self.versions.retain(|_, replaced| !replaced.is_empty());
        removed as u64
    }
}

fn check_restored(key: &Key, side: &Side, response: &Response) -> Result<(), Mismatch> {
    let item = side.content.clone();
    let item = item.map(|content| PageItem { key: key.clone(), content: Some(content), version: side.version });
    let updated_at = item.is_some().then_some(side.updated_at);
    expect_equal("the restored item", response, &Response::Restored { item, updated_at })
}
