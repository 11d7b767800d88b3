use std::sync::Arc;

use super::copy::{conflicted_copy, resolution_copy_id, sibling, unused_copy_id};
use super::decide::successor;
use super::{Plan, Receipt, Snapshot, next_time};
use crate::models::{
    ChangeId, Conflict, ConflictId, Content, DeviceId, Edit, ItemId, ItemKey, ItemVersion, Resolution, Stored,
    Strategy, Timestamp, Winner,
};

/// What a user wants done about a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolutionRequest {
    /// What makes a repeat of this request recognisable: derived from the conflict and everything the request says.
    pub id: ChangeId,
    /// What to do.
    pub choice: Choice,
    /// The [revision](Conflict::revision) that the user has seen; `None` where the client does not say.
    pub revision: Option<i64>,
}

/// The ways to settle a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The later of both versions becomes the item.
    LastWriteWins,
    /// The local version becomes a copy beside the item.
    KeepBoth,
    /// The local version becomes the item.
    Local,
    /// The remote version becomes the item.
    Remote,
    /// This becomes the item.
    Merged(Arc<Content>),
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

/// What came of a [`ResolutionRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveOutcome {
    /// To be written: the conflict is resolved.
    Resolved(Box<Plan>, ResolvedConflict),
    /// It was resolved just so before: nothing to write.
    AlreadyResolved(ResolvedConflict),
    /// It was resolved in another way.
    ResolvedDifferently(Conflict),
    /// The item, or the conflict, is not what the user has seen. Where the item has changed there is a plan: it renews the
    /// conflict, for the user to look again.
    Outdated(Option<Box<Plan>>, Conflict),
}

/// A resolved conflict, as the user gets to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedConflict {
    /// How it was resolved.
    pub resolution: Resolution,
    /// The item, or the copy where one was made.
    pub key: ItemKey,
    /// What is stored there, if anything.
    pub stored: Option<Stored>,
}

/// Decides what `request` does about the conflict `id` at the server time `now`; `None` where `snapshot` holds no such
/// conflict.
pub fn resolve(
    snapshot: &Snapshot,
    id: &ConflictId,
    request: &ResolutionRequest,
    now: Timestamp,
) -> Option<ResolveOutcome> {
    let conflict = snapshot.conflicts.get(id)?;
    Some(match &conflict.resolution {
        Some(settled) if is_repeat(snapshot, settled, request) => {
            let key = target_key(&conflict.key, settled.copy_id.as_ref());
            let stored = snapshot.items.get(&key).cloned();
            ResolveOutcome::AlreadyResolved(ResolvedConflict { resolution: settled.clone(), key, stored })
        }
        Some(_) if !can_resolve_again(conflict, &request.choice) => {
            ResolveOutcome::ResolvedDifferently(conflict.clone())
        }
        _ => resolve_unresolved(snapshot, conflict, request, now),
    })
}

/// Whether the conflict is resolution by this request, or by its like. Once it is resolution anew, what was chosen before is no
/// repeat any more.
fn is_repeat(snapshot: &Snapshot, resolution: &Resolution, request: &ResolutionRequest) -> bool {
    let receipt = snapshot.receipts.get(&request.id);
    receipt.is_some_and(|receipt| receipt.seq == resolution.at) || is_resolved_by(resolution, &request.choice)
}

fn resolve_unresolved(
    snapshot: &Snapshot,
    conflict: &Conflict,
    request: &ResolutionRequest,
    now: Timestamp,
) -> ResolveOutcome {
    let at = next_time(snapshot.head().time, now);
    let stored = snapshot.items.get(&conflict.key);
    if stored.map_or(0, |stored| stored.version) != conflict.item_version {
        let renewed = renewed(conflict.clone(), stored, at);
        return ResolveOutcome::Outdated(Some(Box::new(plan(snapshot, at, None, renewed.clone(), None))), renewed);
    }
    if request.revision.is_some_and(|seen| seen != conflict.revision()) {
        return ResolveOutcome::Outdated(None, conflict.clone());
    }
    apply_choice(conflict.clone(), snapshot, request, now, at)
}

/// Whether the conflict was resolution by the same choice already, by this request or by the upload itself.
fn is_resolved_by(resolution: &Resolution, choice: &Choice) -> bool {
    resolution.strategy == choice.strategy()
        && match choice {
            Choice::LastWriteWins | Choice::KeepBoth => true,
            Choice::Local => resolution.winner == Some(Winner::Local),
            Choice::Remote => resolution.winner == Some(Winner::Remote),
            // Which merge it was only the receipt can tell.
            Choice::Merged(_) => false,
        }
}

/// Only what last-write-wins overwrote without asking can be brought back, and only by somebody who chooses. Two people
/// may be settling any other conflict at once, and the copy of one must not follow the choice of the other.
fn can_resolve_again(conflict: &Conflict, choice: &Choice) -> bool {
    let by_itself = conflict.resolution.as_ref().is_some_and(|settled| settled.strategy == Strategy::LastWriteWins);
    by_itself && choice.strategy() == Strategy::UserChoice
}

/// The conflict with what is stored now on the side that stands for it: the remote one, unless the local one had become
/// the item. The other side, which exists nowhere else, is left alone.
fn renewed(mut conflict: Conflict, stored: Option<&Stored>, at: Timestamp) -> Conflict {
    let local_won = conflict.resolution.as_ref().is_some_and(|settled| settled.winner == Some(Winner::Local));
    let current = ItemVersion::of(stored);
    conflict.item_version = current.sync_version;
    conflict.seq = at;
    if local_won {
        conflict.local = current;
    } else {
        conflict.remote = current;
    }
    conflict
}

fn apply_choice(
    mut conflict: Conflict,
    snapshot: &Snapshot,
    request: &ResolutionRequest,
    now: Timestamp,
    at: Timestamp,
) -> ResolveOutcome {
    let winner = winner(&conflict, &request.choice);
    let (edit, copy_id) = match (&request.choice, winner) {
        (Choice::Merged(content), _) => (put_like(Arc::clone(content), &conflict.remote), None),
        (_, Some(Winner::Local)) => (as_edit(&conflict.local), None),
        (_, Some(_)) => (as_edit(&conflict.remote), None),
        (_, None) => (as_copy(&conflict.local, now), Some(new_copy_id(snapshot, &conflict, at))),
    };
    let target_key = target_key(&conflict.key, copy_id.as_ref());
    let before = snapshot.items.get(&target_key);
    // Deciding is itself the latest edit, so that no older one wins against it later. Where there is nothing, and
    // nothing is what was chosen, there is nothing to write.
    let written = (before.is_some() || edit != Edit::Delete).then(|| {
        successor(snapshot.head().version_floor(target_key.item_type), before, &edit, now, &DeviceId::none(), at)
    });
    if copy_id.is_none() {
        conflict.item_version = written.as_ref().map_or(0, |written| written.version);
    }
    let resolution = Resolution { at, strategy: request.choice.strategy(), winner, copy_id };
    conflict.resolution = Some(resolution.clone());
    conflict.seq = at;
    let receipt = Receipt {
        device: DeviceId::none(),
        change: request.id.clone(),
        key: conflict.key.clone(),
        version: conflict.item_version,
        conflict: Some(conflict.id.clone()),
        seq: at,
    };
    let item = written.clone().map(|written| (target_key.clone(), written));
    let plan = plan(snapshot, at, item, conflict, Some(receipt));
    ResolveOutcome::Resolved(Box::new(plan), ResolvedConflict { resolution, key: target_key, stored: written })
}

fn new_copy_id(snapshot: &Snapshot, conflict: &Conflict, at: Timestamp) -> ItemId {
    unused_copy_id(&snapshot.items, &conflict.key, resolution_copy_id(&conflict.id), &conflict.id, at)
}

/// What a resolution writes: the item `key`, or the copy beside it where one was made.
fn target_key(key: &ItemKey, copy_id: Option<&ItemId>) -> ItemKey {
    copy_id.map_or_else(|| key.clone(), |id| sibling(key, id))
}

/// Which version the choice makes the item; `None` where both are kept. A deletion cannot be kept as a copy.
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

fn plan(
    snapshot: &Snapshot,
    at: Timestamp,
    item: Option<(ItemKey, Stored)>,
    conflict: Conflict,
    receipt: Option<Receipt>,
) -> Plan {
    Plan {
        expected: snapshot.head(),
        new_head: at,
        items: item.into_iter().collect(),
        conflicts: vec![conflict],
        receipts: receipt.into_iter().collect(),
        device_stats: None,
    }
}

fn put_like(content: Arc<Content>, like: &ItemVersion) -> Edit {
    let created_at = like.item.as_ref().map(|item| item.created_at);
    Edit::Put { content, created_at, expects_item: false }
}

fn as_edit(version: &ItemVersion) -> Edit {
    version.item.as_ref().map_or(Edit::Delete, |item| put_like(item.content.clone(), version))
}

fn as_copy(version: &ItemVersion, now: Timestamp) -> Edit {
    version
        .item
        .as_ref()
        .map_or(Edit::Delete, |item| put_like(Arc::new(conflicted_copy(&item.content, &version.device, now)), version))
}
