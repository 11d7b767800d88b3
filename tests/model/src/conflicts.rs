//! Resolution of conflicts.

use shared::models::{ResolvedBy, Timestamp, Winner};

use crate::call::{Choice, Content, Key};
use crate::data::{Data, StoredConflict};
use crate::response::{Conflict, Resolution, Response};
use crate::uploads::copy_of;
use crate::{Mismatch, expect_code, expect_equal};

/// State of a conflict that the client has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenState {
    /// State with this revision.
    Revision(i64),
    /// State after the write at this server time; `None` for any.
    At(Option<Timestamp>),
}

impl SeenState {
    fn matches(self, conflict: &StoredConflict) -> bool {
        match self {
            Self::Revision(revision) => conflict.revision == Some(revision),
            Self::At(at) => at.is_none_or(|at| conflict.at == at),
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
        if conflict.resolution.is_some() && !can_overrule(&conflict, choice) {
            let shown = expect_refusal(response, 409)?;
            return shown.map_or(Ok(()), |shown| self.check_conflict(&shown));
        }
        if self.side(&conflict.key).version != conflict.item_version {
            self.renew(conflict, now);
            return self.check_refusal(response);
        }
        if !seen.matches(&conflict) {
            return self.check_refusal(response);
        }
        self.apply_resolution(conflict, choice, response, now)
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

    /// Replaces the side that represents the item by the stored version. The replaced side stays in another conflict,
    /// unless a renewal has left `conflict` behind: then the side was a version, which is kept by itself.
    fn renew(&mut self, conflict: StoredConflict, now: Timestamp) {
        let current = self.side(&conflict.key);
        let mut renewed = StoredConflict { item_version: current.version, ..conflict.clone() };
        let local_won = conflict.resolution.as_ref().is_some_and(|resolution| resolution.winner == Some(Winner::Local));
        *if local_won { &mut renewed.local } else { &mut renewed.remote } = current;
        let loses_content = conflict.loses_content(&renewed.local, &renewed.remote);
        if loses_content && !conflict.is_resolved_by(ResolvedBy::Renewed) {
            let at = self.tick(now);
            self.leave_behind(&conflict, at);
        }
        renewed.touch(self.tick(now));
        self.conflicts.insert(renewed.id.clone(), renewed);
    }

    fn apply_resolution(
        &mut self,
        mut conflict: StoredConflict,
        choice: &Choice,
        response: &Response,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        let (winner, content) = outcome(&conflict, choice, now);
        if content.is_some() && !self.has_room_for_outcome(&conflict, winner) {
            return expect_code(response, "QUOTA_EXCEEDED");
        }
        let Response::Resolved { at: shown_at, item: shown } = response else {
            return Err(format!("{response:?}, expected a resolution"));
        };
        let key = match (winner, shown) {
            (Some(_), _) => conflict.key.clone(),
            (None, Some(shown)) => shown.key.clone(),
            (None, None) => return Err("keep_both without a copy in the response".to_owned()),
        };
        if winner.is_none() && self.items.contains_key(&key) {
            return Err(format!("the copy {key:?} is not a new item"));
        }
        // A deletion of an item that does not exist writes nothing.
        if content.is_some() || self.items.contains_key(&key) {
            let at = self.tick(now);
            self.write_item(&key, content, now, "", at);
        }
        let at = self.tick(now);
        expect_equal("resolved_at", shown_at, &at)?;
        expect_equal("the item", shown, &self.visible_item(&key))?;
        if winner.is_some() {
            conflict.item_version = self.side(&key).version;
        }
        let copy = winner.is_none().then(|| key.id.clone());
        self.resolutions.insert(conflict.id.clone(), choice.clone());
        conflict.resolution = Some(Resolution { at, by: choice.resolved_by(), winner, copy });
        conflict.touch(at);
        self.conflicts.insert(conflict.id.clone(), conflict);
        Ok(())
    }

    /// Returns whether the quota has room for the item, or for a copy if no side wins.
    fn has_room_for_outcome(&self, conflict: &StoredConflict, winner: Option<Winner>) -> bool {
        let new_copy = || Key { id: String::new(), ..conflict.key.clone() };
        self.has_room_for(&winner.map_or_else(new_copy, |_| conflict.key.clone()))
    }
}

/// Returns the winner of `choice`, if one side wins, and the content that it writes to the item or to a copy.
fn outcome(conflict: &StoredConflict, choice: &Choice, now: Timestamp) -> (Option<Winner>, Option<Content>) {
    let StoredConflict { local, remote, .. } = conflict;
    match choice {
        Choice::Merged(content) => (Some(Winner::Merged), Some(content.clone())),
        Choice::Local => (Some(Winner::Local), local.content.clone()),
        Choice::LastWriteWins if local.updated_at > remote.updated_at => (Some(Winner::Local), local.content.clone()),
        Choice::KeepBoth if local.content.is_some() => {
            (None, local.content.as_ref().map(|content| copy_of(content, &local.device, now)))
        }
        Choice::Remote | Choice::LastWriteWins | Choice::KeepBoth => (Some(Winner::Remote), remote.content.clone()),
    }
}

/// Returns whether the choice may replace the resolution of the conflict: a choice of the user may overrule
/// last-write-wins, and choose from what a renewal left behind.
fn can_overrule(conflict: &StoredConflict, choice: &Choice) -> bool {
    let mut overruled = [ResolvedBy::LastWriteWins, ResolvedBy::Renewed].into_iter();
    overruled.any(|by| conflict.is_resolved_by(by)) && choice.resolved_by() == ResolvedBy::UserChoice
}

/// Returns whether the conflict is already resolved by this choice.
fn is_resolved_by_choice(conflict: &StoredConflict, choice: &Choice) -> bool {
    let winner = conflict.resolution.as_ref().and_then(|resolution| resolution.winner);
    conflict.is_resolved_by(choice.resolved_by())
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
