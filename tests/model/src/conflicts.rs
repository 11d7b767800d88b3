//! Resolution of conflicts.

use shared::models::{Strategy, Timestamp, Winner};

use crate::call::{Choice, Conflict, Content, Key, PageItem, Resolution, Response};
use crate::data::{Data, Stored, StoredConflict};
use crate::uploads::copy_of;
use crate::{Mismatch, expect_equal};

/// State of a conflict that the client has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenState {
    /// State with this revision.
    Revision(i64),
    /// State after this write; `None` for any.
    Write(Option<u64>),
}

impl SeenState {
    fn matches(self, conflict: &StoredConflict) -> bool {
        match self {
            Self::Revision(revision) => conflict.revision == Some(revision),
            Self::Write(write) => write.is_none_or(|write| conflict.write == write),
        }
    }
}

impl Choice {
    const fn strategy(&self) -> Strategy {
        match self {
            Self::LastWriteWins => Strategy::LastWriteWins,
            Self::KeepBoth => Strategy::KeepBoth,
            Self::Local | Self::Remote | Self::Merged(_) => Strategy::UserChoice,
        }
    }
}

impl Data {
    /// Resolves the conflict `id` at `now` and checks the response.
    ///
    /// # Errors
    /// Returns an error if the response violates the contract.
    pub fn resolve(
        &mut self,
        id: &str,
        choice: &Choice,
        seen: SeenState,
        response: &Response,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        let Some(conflict) = self.conflicts.get(id).cloned() else { return expect_refusal(response, 404).map(drop) };
        if self.resolutions.get(id) == Some(choice) || is_resolved_by_choice(&conflict, choice) {
            return self.check_repeated_resolution(&conflict, response);
        }
        let is_resolved_differently = conflict.resolution.is_some()
            && !(conflict.is_resolved_by(Strategy::LastWriteWins) && choice.strategy() == Strategy::UserChoice);
        if is_resolved_differently {
            let shown = expect_refusal(response, 409)?;
            return shown.map_or(Ok(()), |shown| self.check_conflict(&shown));
        }
        if self.side(&conflict.key).version != conflict.item_version {
            self.refresh(conflict);
            return self.check_refusal(response);
        }
        if !seen.matches(&conflict) {
            return self.check_refusal(response);
        }
        let Response::Resolved { at, item } = response else {
            return Err(format!("{response:?}, expected a resolution"));
        };
        self.apply_resolution(conflict, choice, *at, item.as_ref(), now)
    }

    /// Checks a repeated resolution: it changes nothing, and the response contains the current item.
    fn check_repeated_resolution(&self, conflict: &StoredConflict, response: &Response) -> Result<(), Mismatch> {
        let Response::Resolved { at, item } = response else {
            return Err(format!("{response:?}, expected a resolution"));
        };
        let resolution = conflict.resolution.as_ref().ok_or("a resolution was accepted, but the conflict is open")?;
        expect_equal("resolved_at", at, &resolution.at)?;
        let key = resolution.copy.clone().map_or_else(|| conflict.key.clone(), |id| Key { id, ..conflict.key.clone() });
        expect_equal("the item", item, &self.visible_item(&key))
    }

    /// Checks a refusal: the response contains the current state of the conflict.
    fn check_refusal(&mut self, response: &Response) -> Result<(), Mismatch> {
        let shown = expect_refusal(response, 409)?.ok_or("a 409 without the conflict")?;
        self.check_conflict(&shown)
    }

    /// Replaces the side that represents the item by the stored version.
    fn refresh(&mut self, mut conflict: StoredConflict) {
        let current = self.side(&conflict.key);
        conflict.item_version = current.version;
        let local_won = conflict.resolution.as_ref().is_some_and(|resolution| resolution.winner == Some(Winner::Local));
        *if local_won { &mut conflict.local } else { &mut conflict.remote } = current;
        conflict.touch(self.next_write());
        self.conflicts.insert(conflict.id.clone(), conflict);
        self.move_head_to_unknown_time();
    }

    fn apply_resolution(
        &mut self,
        mut conflict: StoredConflict,
        choice: &Choice,
        at: Timestamp,
        shown: Option<&PageItem>,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        self.move_head(at)?;
        let winner = match choice {
            Choice::Merged(_) => Some(Winner::Merged),
            Choice::Local => Some(Winner::Local),
            Choice::LastWriteWins if conflict.local.updated_at > conflict.remote.updated_at => Some(Winner::Local),
            Choice::KeepBoth if conflict.local.content.is_some() => None,
            Choice::Remote | Choice::LastWriteWins | Choice::KeepBoth => Some(Winner::Remote),
        };
        let (key, content) = match (choice, winner) {
            (Choice::Merged(content), _) => (conflict.key.clone(), Some(content.clone())),
            (_, Some(Winner::Local)) => (conflict.key.clone(), conflict.local.content.clone()),
            (_, Some(_)) => (conflict.key.clone(), conflict.remote.content.clone()),
            (_, None) => {
                let content = conflict.local.content.as_ref().map(|local| copy_of(local, &conflict.local.device, now));
                let shown = shown.ok_or("keep_both without a copy in the response")?;
                if self.items.contains_key(&shown.key) {
                    return Err(format!("the copy {:?} is not a new item", shown.key));
                }
                (shown.key.clone(), content)
            }
        };
        let write = self.next_write();
        let copy = winner.is_none().then(|| key.id.clone());
        self.write_resolution(&key, content, (at, write), now);
        expect_equal("the item", &shown.cloned(), &self.visible_item(&key))?;
        if copy.is_none() {
            conflict.item_version = self.side(&key).version;
        }
        self.resolutions.insert(conflict.id.clone(), choice.clone());
        conflict.resolution = Some(Resolution { at, strategy: choice.strategy(), winner, copy });
        conflict.touch(write);
        self.conflicts.insert(conflict.id.clone(), conflict);
        Ok(())
    }

    /// Writes the resolved content. A deletion of an item that does not exist writes nothing.
    fn write_resolution(&mut self, key: &Key, content: Option<Content>, (at, write): (Timestamp, u64), now: Timestamp) {
        if content.is_none() && !self.items.contains_key(key) {
            return;
        }
        let version = self.next_version(key);
        let stored = Stored { content, version, updated_at: now, device: String::new(), at, write };
        self.items.insert(key.clone(), stored);
    }
}

/// Returns whether the conflict is already resolved by this choice.
fn is_resolved_by_choice(conflict: &StoredConflict, choice: &Choice) -> bool {
    let winner = conflict.resolution.as_ref().and_then(|resolution| resolution.winner);
    conflict.is_resolved_by(choice.strategy())
        && match choice {
            Choice::LastWriteWins | Choice::KeepBoth => true,
            Choice::Local => winner == Some(Winner::Local),
            Choice::Remote => winner == Some(Winner::Remote),
            Choice::Merged(_) => false,
        }
}

/// Checks that `response` is an error with the status `expected`; returns the conflict that it contains.
fn expect_refusal(response: &Response, expected: u16) -> Result<Option<Conflict>, Mismatch> {
    match response {
        Response::Refused { status, conflict, .. } if *status == expected => {
            Ok(conflict.as_ref().map(|conflict| (**conflict).clone()))
        }
        _ => Err(format!("{response:?}, expected {expected}")),
    }
}
