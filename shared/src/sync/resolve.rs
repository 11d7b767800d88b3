//! Decides how a user's request resolves a conflict.
//!
//! [`resolve`] checks, in this order:
//!
//! 1. The conflict has been resolved the same way: [`AlreadyResolved`](ResolveOutcome::AlreadyResolved). This recognises a
//!    repeated request before anything else is compared.
//! 2. The conflict has been resolved another way: [`ResolvedDifferently`](ResolveOutcome::ResolvedDifferently). There are two
//!    exceptions: the user may overrule what last-write-wins decided, and choose from what a renewal left behind.
//! 3. The item has changed since the conflict was written: [`Outdated`](ResolveOutcome::Outdated), with a plan that renews
//!    the conflict with the new stored version.
//! 4. The conflict is not at the revision that the request names: [`Outdated`](ResolveOutcome::Outdated), without a plan.
//! 5. The choice would make the account larger than its quota: [`QuotaExceeded`](ResolveOutcome::QuotaExceeded).
//! 6. Otherwise the choice is applied: [`Resolved`](ResolveOutcome::Resolved).
//!
//! Invariants:
//!
//! - A resolution never overwrites a stored version that the conflict does not show. If the request names a revision, both
//!   sides are exactly those that the user has seen.
//! - A resolution writes a new version of the item, or a conflicted copy, on behalf of no device. So every device treats it
//!   as another device's write. Only an absent item that stays absent is not written.
//! - A request leaves a receipt with the resolution's server time. So its repeat is recognised.

use std::sync::Arc;

use super::branch::{left_behind, replaces_content};
use super::copy::{conflicted_copy, resolution_copy_id, sibling, unused_copy_id};
use super::request_write::RequestWrite;
use super::write::next_seq;
use super::{Plan, Receipt, Snapshot};
use crate::models::{
    ChangeId, Conflict, ConflictId, Content, DeviceId, Edit, Extra, ItemKey, ItemVersion, Quota, Resolution,
    ResolvedBy, Stored, Timestamp, Winner,
};

/// A user's request to resolve a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolutionRequest {
    /// Identifies repeats of the request: derived from the conflict and the content of the request.
    pub id: ChangeId,
    /// The requested resolution.
    pub choice: Choice,
    /// The [revision](Conflict::revision) that the user has seen; `None` if the client does not send it.
    pub revision: Option<i64>,
}

/// A requested resolution of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The later side becomes the item.
    LastWriteWins,
    /// The local side becomes a conflicted copy, and the item stays.
    KeepBoth,
    /// The local side becomes the item.
    Local,
    /// The remote side becomes the item.
    Remote,
    /// This content, merged by the user, becomes the item.
    Merged(Arc<Content>),
}

impl Choice {
    const fn resolved_by(&self) -> ResolvedBy {
        match self {
            Self::LastWriteWins => ResolvedBy::LastWriteWins,
            Self::KeepBoth => ResolvedBy::KeepBoth,
            Self::Local | Self::Remote | Self::Merged(_) => ResolvedBy::UserChoice,
        }
    }
}

/// Outcome of a [`ResolutionRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveOutcome {
    /// The plan resolves the conflict. It has to be committed.
    Resolved(Box<Plan>, ResolvedConflict),
    /// The conflict was resolved the same way before. There is nothing to write.
    AlreadyResolved(ResolvedConflict),
    /// The conflict was resolved another way.
    ResolvedDifferently(Conflict),
    /// The item or the conflict has changed since the user saw it. If the item has changed, the plan renews the conflict,
    /// so that the user can look again.
    Outdated(Option<Box<Plan>>, Conflict),
    /// The choice would make the account larger than its quota.
    QuotaExceeded,
}

/// A resolved conflict, for the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedConflict {
    /// The resolution.
    pub resolution: Resolution,
    /// The conflicted copy if one was made, otherwise the item.
    pub key: ItemKey,
    /// The stored version of `key`, if any.
    pub stored: Option<Stored>,
}

/// Decides what `request` does about the conflict `id` of an account that may store `quota`. `now` is the time of the server's
/// clock. Returns `None` if `snapshot` has no such conflict.
pub fn resolve(
    snapshot: &Snapshot,
    id: &ConflictId,
    request: &ResolutionRequest,
    quota: Quota,
    now: Timestamp,
) -> Option<ResolveOutcome> {
    let conflict = snapshot.conflicts.get(id)?;
    let seq = next_seq(snapshot.head().time, now);
    if let Some(resolution) = &conflict.resolution {
        if is_repeat(snapshot, resolution, request) {
            return Some(already_resolved(snapshot, conflict, resolution));
        }
        if !can_overrule(resolution, &request.choice) {
            return Some(ResolveOutcome::ResolvedDifferently(conflict.clone()));
        }
    }
    let stored = snapshot.items.get(&conflict.key);
    if stored.map_or(0, |stored| stored.version) != conflict.item_version {
        return Some(renew(snapshot, conflict, stored, seq));
    }
    if request.revision.is_some_and(|revision| revision != conflict.revision()) {
        return Some(ResolveOutcome::Outdated(None, conflict.clone()));
    }
    Some(apply_choice(snapshot, conflict, request, quota, now))
}

/// Whether `request` asks for the resolution that the conflict already has: it is the request that resolved the conflict,
/// or makes the same choice. The receipt of an earlier, overruled request does not count.
fn is_repeat(snapshot: &Snapshot, resolution: &Resolution, request: &ResolutionRequest) -> bool {
    let receipt = snapshot.receipts.get(&request.id);
    receipt.is_some_and(|receipt| receipt.seq == resolution.at) || is_same_choice(resolution, &request.choice)
}

/// Whether `choice` is what the conflict was resolved by, be it by a request or by the upload itself.
fn is_same_choice(resolution: &Resolution, choice: &Choice) -> bool {
    resolution.by == choice.resolved_by()
        && match choice {
            Choice::LastWriteWins | Choice::KeepBoth => true,
            Choice::Local => resolution.winner == Some(Winner::Local),
            Choice::Remote => resolution.winner == Some(Winner::Remote),
            // The resolution does not record the merged content. Only the receipt recognises a repeat.
            Choice::Merged(_) => false,
        }
}

fn already_resolved(snapshot: &Snapshot, conflict: &Conflict, resolution: &Resolution) -> ResolveOutcome {
    let key = resolution.copy_id.as_ref().map_or_else(|| conflict.key.clone(), |copy| sibling(&conflict.key, copy));
    let stored = snapshot.items.get(&key).cloned();
    ResolveOutcome::AlreadyResolved(ResolvedConflict { resolution: resolution.clone(), key, stored })
}

/// Whether `choice` may replace `resolution`: a user's choice may replace what last-write-wins decided without asking, and pick
/// from what a renewal left behind.
///
/// Any other resolution is final. Otherwise two clients could resolve a conflict at the same time, and the conflicted copy
/// of the first resolution would remain although the second one chose a winner.
fn can_overrule(resolution: &Resolution, choice: &Choice) -> bool {
    matches!(resolution.by, ResolvedBy::LastWriteWins | ResolvedBy::Renewed)
        && choice.resolved_by() == ResolvedBy::UserChoice
}

/// Renews the conflict with the new stored version. It replaces the side that the item came from: the local side if it had
/// won, otherwise the remote side. The other side stays in the conflict, and the replaced one in a resolved conflict beside it.
fn renew(snapshot: &Snapshot, conflict: &Conflict, stored: Option<&Stored>, seq: Timestamp) -> ResolveOutcome {
    let current = ItemVersion::of(stored);
    let mut write = RequestWrite::new(snapshot, seq);
    let mut renewed = Conflict { item_version: current.sync_version, ..conflict.clone() };
    if conflict.winner() == Some(Winner::Local) {
        renewed.local = current;
    } else {
        renewed.remote = current;
    }
    // The conflict that a renewal left behind keeps an edit that lost. Its other side is a version, which is kept by itself.
    let is_left_behind = conflict.resolution.as_ref().is_some_and(|resolution| resolution.by == ResolvedBy::Renewed);
    if !is_left_behind && replaces_content(conflict, &renewed.local, &renewed.remote) {
        write.conflict(left_behind(conflict, renewed.item_version, seq));
        write.next_seq();
    }
    renewed.seq = write.seq();
    write.conflict(renewed.clone());
    ResolveOutcome::Outdated(Some(Box::new(write.into_plan())), renewed)
}

fn apply_choice(
    snapshot: &Snapshot,
    conflict: &Conflict,
    request: &ResolutionRequest,
    quota: Quota,
    now: Timestamp,
) -> ResolveOutcome {
    let mut write = RequestWrite::new(snapshot, next_seq(snapshot.head().time, now));
    let mut conflict = conflict.clone();
    let winner = winner(&conflict, &request.choice);
    let (edit, copy_id) = match (&request.choice, winner) {
        (Choice::Merged(content), _) => (put(completed(content, &conflict), &conflict.remote), None),
        (_, Some(Winner::Local)) => (restoring_edit(&conflict.local), None),
        (_, Some(_)) => (restoring_edit(&conflict.remote), None),
        (_, None) => {
            let preferred = resolution_copy_id(&conflict.id);
            let copy_id = unused_copy_id(&snapshot.items, &conflict.key, preferred, &conflict.id, write.seq());
            (copying_edit(&conflict.local, now), Some(copy_id))
        }
    };
    let key = copy_id.as_ref().map_or_else(|| conflict.key.clone(), |copy| sibling(&conflict.key, copy));
    // Deleting an item that does not exist writes nothing.
    let writes_item = snapshot.items.contains_key(&key) || edit != Edit::Delete;
    let stored = writes_item.then(|| write.item(&key, &edit, now).clone());
    if writes_item {
        write.next_seq(); // for the conflict
    }
    if copy_id.is_none() {
        conflict.item_version = stored.as_ref().map_or(0, |stored| stored.version);
    }
    let seq = write.seq();
    let resolution = Resolution { at: seq, by: request.choice.resolved_by(), winner, copy_id };
    conflict.resolution = Some(resolution.clone());
    conflict.seq = seq;
    write.receipt(Receipt {
        device: DeviceId::none(),
        change: request.id.clone(),
        key: conflict.key.clone(),
        version: conflict.item_version,
        conflict: Some(conflict.id.clone()),
        merged: false,
        seq,
    });
    write.conflict(conflict);
    if edit != Edit::Delete && !write.fits(&key, quota) {
        return ResolveOutcome::QuotaExceeded;
    }
    ResolveOutcome::Resolved(Box::new(write.into_plan()), ResolvedConflict { resolution, key, stored })
}

/// Returns merged `content` with the unknown fields that it leaves out: those of the stored item, and those that only the local
/// side has. The client that merged may not know them.
fn completed(content: &Arc<Content>, conflict: &Conflict) -> Arc<Content> {
    let extra_of =
        |version: &ItemVersion| version.item.as_ref().map_or_else(Extra::default, |item| item.content.extra().clone());
    let mut kept = Content::clone(content);
    *kept.extra_mut() = extra_of(&conflict.remote).completed_from(&extra_of(&conflict.local));
    content.completed_from(Some(&kept))
}

/// Returns the side that the choice makes the item; `None` if both are kept. A local deletion cannot be kept as a copy, so
/// the remote side wins.
fn winner(conflict: &Conflict, choice: &Choice) -> Option<Winner> {
    match choice {
        Choice::Local => Some(Winner::Local),
        Choice::Remote => Some(Winner::Remote),
        Choice::Merged(_) => Some(Winner::Merged),
        Choice::LastWriteWins if conflict.local.updated_at > conflict.remote.updated_at => Some(Winner::Local),
        Choice::LastWriteWins => Some(Winner::Remote),
        Choice::KeepBoth if conflict.local.item.is_none() => Some(Winner::Remote),
        Choice::KeepBoth => None,
    }
}

/// Returns the edit that makes `content` the item, with the creation time of `version`.
fn put(content: Arc<Content>, version: &ItemVersion) -> Edit {
    let created_at = version.item.as_ref().map(|item| item.created_at);
    Edit::Put { content, created_at, expects_item: false }
}

/// Returns the edit that makes `version` the item.
fn restoring_edit(version: &ItemVersion) -> Edit {
    version.item.as_ref().map_or(Edit::Delete, |item| put(item.content.clone(), version))
}

/// Returns the edit that makes `version` a conflicted copy.
fn copying_edit(version: &ItemVersion, now: Timestamp) -> Edit {
    version
        .item
        .as_ref()
        .map_or(Edit::Delete, |item| put(Arc::new(conflicted_copy(&item.content, &version.device, now)), version))
}
