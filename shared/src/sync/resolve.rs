use std::sync::Arc;

use super::copy::{beside, copy_of, free_for_copy, resolution_copy_id};
use super::decide::successor;
use super::{Plan, Receipt, Snapshot, next_time};
use crate::models::{
    ChangeId, Conflict, ConflictId, Content, DeviceId, Edit, ItemId, ItemKey, ItemVersion, Settlement, Stored,
    Strategy, Timestamp, Winner,
};

/// What a user wants done about a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
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

/// What came of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// To be written: the conflict is resolved.
    Settled(Box<Plan>, Resolved),
    /// It was resolved just so before: nothing to write.
    Already(Resolved),
    /// It was resolved in another way.
    SettledOtherwise(Conflict),
    /// The item, or the conflict, is not what the user has seen. Where the item has changed there is a plan: it renews the
    /// conflict, for the user to look again.
    Outdated(Option<Box<Plan>>, Conflict),
}

/// A resolved conflict, as the user gets to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// How it was resolved.
    pub settlement: Settlement,
    /// The item, or the copy where one was made.
    pub key: ItemKey,
    /// What is stored there, if anything.
    pub stored: Option<Stored>,
}

/// Decides what `request` does about the conflict `id` at the server time `now`; `None` where `snapshot` holds no such
/// conflict.
pub fn resolve(snapshot: &Snapshot, id: &ConflictId, request: &Request, now: Timestamp) -> Option<Resolution> {
    let conflict = snapshot.conflicts.get(id)?;
    Some(match &conflict.settled {
        Some(settled) if is_repeat(snapshot, settled, request) => {
            let key = target(&conflict.key, settled.copy_id.as_ref());
            let stored = snapshot.items.get(&key).cloned();
            Resolution::Already(Resolved { settlement: settled.clone(), key, stored })
        }
        Some(_) if !may_settle_anew(conflict, &request.choice) => Resolution::SettledOtherwise(conflict.clone()),
        _ => resolve_anew(snapshot, conflict, request, now),
    })
}

/// Whether the conflict is settled by this request, or by its like. Once it is settled anew, what was chosen before is no
/// repeat any more.
fn is_repeat(snapshot: &Snapshot, settled: &Settlement, request: &Request) -> bool {
    let receipt = snapshot.receipts.get(&request.id);
    receipt.is_some_and(|receipt| receipt.seq == settled.at) || is_settled_so(settled, &request.choice)
}

fn resolve_anew(snapshot: &Snapshot, conflict: &Conflict, request: &Request, now: Timestamp) -> Resolution {
    let at = next_time(snapshot.head().time, now);
    let stored = snapshot.items.get(&conflict.key);
    if stored.map_or(0, |stored| stored.version) != conflict.item_version {
        let renewed = renewed(conflict.clone(), stored, at);
        return Resolution::Outdated(Some(Box::new(plan(snapshot, at, None, renewed.clone(), None))), renewed);
    }
    if request.revision.is_some_and(|seen| seen != conflict.revision()) {
        return Resolution::Outdated(None, conflict.clone());
    }
    settle(conflict.clone(), snapshot, request, now, at)
}

/// Whether the conflict was settled by the same choice already, by this request or by the upload itself.
fn is_settled_so(settled: &Settlement, choice: &Choice) -> bool {
    settled.resolution == choice.strategy()
        && match choice {
            Choice::LastWriteWins | Choice::KeepBoth => true,
            Choice::Local => settled.winner == Some(Winner::Local),
            Choice::Remote => settled.winner == Some(Winner::Remote),
            // Which merge it was only the receipt can tell.
            Choice::Merged(_) => false,
        }
}

/// Only what last-write-wins overwrote without asking can be brought back, and only by somebody who chooses. Two people
/// may be settling any other conflict at once, and the copy of one must not follow the choice of the other.
fn may_settle_anew(conflict: &Conflict, choice: &Choice) -> bool {
    let by_itself = conflict.settled.as_ref().is_some_and(|settled| settled.resolution == Strategy::LastWriteWins);
    by_itself && choice.strategy() == Strategy::UserChoice
}

/// The conflict with what is stored now on the side that stands for it: the remote one, unless the local one had become
/// the item. The other side, which exists nowhere else, is left alone.
fn renewed(mut conflict: Conflict, stored: Option<&Stored>, at: Timestamp) -> Conflict {
    let local_won = conflict.settled.as_ref().is_some_and(|settled| settled.winner == Some(Winner::Local));
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

fn settle(mut conflict: Conflict, snapshot: &Snapshot, request: &Request, now: Timestamp, at: Timestamp) -> Resolution {
    let winner = winner(&conflict, &request.choice);
    let (edit, copy_id) = match (&request.choice, winner) {
        (Choice::Merged(content), _) => (put(Arc::clone(content), &conflict.remote), None),
        (_, Some(Winner::Local)) => (as_edit(&conflict.local), None),
        (_, Some(_)) => (as_edit(&conflict.remote), None),
        (_, None) => (as_copy(&conflict.local, now), Some(new_copy_id(snapshot, &conflict, at))),
    };
    let target = target(&conflict.key, copy_id.as_ref());
    let before = snapshot.items.get(&target);
    // Deciding is itself the latest edit, so that no older one wins against it later. Where there is nothing, and
    // nothing is what was chosen, there is nothing to write.
    let written = (before.is_some() || edit != Edit::Delete)
        .then(|| successor(snapshot.head().forgotten(target.item_type), before, &edit, now, &DeviceId::nobody(), at));
    if copy_id.is_none() {
        conflict.item_version = written.as_ref().map_or(0, |written| written.version);
    }
    let settlement = Settlement { at, resolution: request.choice.strategy(), winner, copy_id };
    conflict.settled = Some(settlement.clone());
    conflict.seq = at;
    let receipt = Receipt {
        device: DeviceId::nobody(),
        change: request.id.clone(),
        key: conflict.key.clone(),
        version: conflict.item_version,
        conflict: Some(conflict.id.clone()),
        seq: at,
    };
    let item = written.clone().map(|written| (target.clone(), written));
    let plan = plan(snapshot, at, item, conflict, Some(receipt));
    Resolution::Settled(Box::new(plan), Resolved { settlement, key: target, stored: written })
}

fn new_copy_id(snapshot: &Snapshot, conflict: &Conflict, at: Timestamp) -> ItemId {
    free_for_copy(&snapshot.items, &conflict.key, resolution_copy_id(&conflict.id), &conflict.id, at)
}

/// What a resolution writes: the item `key`, or the copy beside it where one was made.
fn target(key: &ItemKey, copy_id: Option<&ItemId>) -> ItemKey {
    copy_id.map_or_else(|| key.clone(), |id| beside(key, id))
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
        tally: None,
    }
}

fn put(content: Arc<Content>, like: &ItemVersion) -> Edit {
    let created_at = like.item.as_ref().map(|item| item.created_at);
    Edit::Put { content, created_at, expects_item: false }
}

fn as_edit(version: &ItemVersion) -> Edit {
    version.item.as_ref().map_or(Edit::Delete, |item| put(item.content.clone(), version))
}

fn as_copy(version: &ItemVersion, now: Timestamp) -> Edit {
    version
        .item
        .as_ref()
        .map_or(Edit::Delete, |item| put(Arc::new(copy_of(&item.content, &version.device, now)), version))
}
