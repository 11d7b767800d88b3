use serde::Serialize;
use shared::models::{
    Change, ChangeHead, ChangeId, Conflict, ConflictRecord, FieldError, ItemId, ItemType, SyncVersion, Timestamp,
    limits,
};
use shared::sync::{Decision, Outcome, Rejection, RejectionCode};
use utoipa::ToSchema;

/// Most bytes of the data of conflicts in one answer; the rest of what Lambda hands back is for everything else.
const DATA_BYTES: usize = limits::PAGE_BYTES / 2;

/// What became of each change: every one is in exactly one of `applied`, `conflicts` and `rejected`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadAnswer {
    /// `false` exactly when something was rejected.
    success: bool,
    /// Where the user's line of changes stands after this upload.
    synced_at: Timestamp,
    /// The same in a sentence.
    message: String,
    /// What is there now, and as which version.
    applied: Vec<Applied>,
    /// What met a conflict, settled or open.
    conflicts: Vec<Met>,
    /// What was refused.
    rejected: Vec<Rejected>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Applied {
    /// The change; where it had no id, the one that was derived for it.
    change_id: ChangeId,
    /// The item's kind.
    item_type: ItemType,
    /// The item.
    item_id: ItemId,
    /// The version that the item has by this change; 0 where there was nothing to delete.
    sync_version: SyncVersion,
}

#[derive(Debug, Serialize, ToSchema)]
struct Met {
    /// The change that met the conflict.
    change_id: ChangeId,
    /// The conflict as it stands. Its versions come without `data` once the answer has grown too large for them;
    /// `GET /api/sync/conflicts` has them whole.
    #[serde(flatten)]
    conflict: ConflictRecord,
}

#[derive(Debug, Serialize, ToSchema)]
struct Rejected {
    /// Which change, without its data.
    change: ChangeHead,
    /// Why, in a sentence that names the field.
    reason: String,
    /// Why, for a program.
    code: RejectionCode,
    /// What is wrong, by field.
    details: Vec<FieldError>,
}

impl UploadAnswer {
    /// The answer to `changes`, of which `refused` says what was not even decided.
    pub(crate) fn new(changes: Vec<Change>, refused: Vec<Option<Box<Rejection>>>, decision: Decision) -> Self {
        let mut answer = Self {
            success: true,
            synced_at: decision.plan.new_head,
            message: String::new(),
            applied: Vec::new(),
            conflicts: Vec::new(),
            rejected: Vec::new(),
        };
        // Everything but the data of conflicts is small: 5,000 changes with the longest ids take up less than the rest.
        let mut room = DATA_BYTES;
        let mut decided = changes.into_iter().zip(decision.outcomes);
        for (index, refused) in refused.into_iter().enumerate() {
            if let Some(rejection) = refused {
                answer.rejected.push((*rejection).into());
                continue;
            }
            let Some((change, outcome)) = decided.next() else { break };
            match outcome {
                Outcome::Applied(sync_version) => answer.applied.push(Applied::new(change, sync_version)),
                Outcome::Conflict(id) => {
                    let conflict = decision.conflicts.get(&id);
                    answer.conflicts.extend(conflict.map(|conflict| Met::new(change, conflict, &mut room)));
                }
                Outcome::Rejected(code, error) => {
                    answer.rejected.push(Rejection::late(index, &change, code, error).into());
                }
            }
        }
        answer.conclude()
    }

    fn conclude(mut self) -> Self {
        let (applied, conflicts, rejected) = (self.applied.len(), self.conflicts.len(), self.rejected.len());
        self.success = rejected == 0;
        self.message = format!("Synced {applied} items, {conflicts} conflicts, {rejected} rejected");
        self
    }
}

impl Applied {
    fn new(change: Change, sync_version: SyncVersion) -> Self {
        Self { change_id: change.id, item_type: change.key.item_type, item_id: change.key.id, sync_version }
    }
}

impl Met {
    /// The conflict that `change` met, whole as long as there is room for its data.
    fn new(change: Change, conflict: &Conflict, room: &mut usize) -> Self {
        let mut conflict = ConflictRecord::from(conflict);
        let bytes = json_bytes(&conflict);
        match room.checked_sub(bytes) {
            Some(left) => *room = left,
            None => {
                conflict.local_version.data = None;
                conflict.remote_version.data = None;
            }
        }
        Self { change_id: change.id, conflict }
    }
}

fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

impl From<Rejection> for Rejected {
    fn from(rejection: Rejection) -> Self {
        let first = rejection.details.first().map(|error| format!("{} {}", error.field, error.message));
        let reason = match rejection.details.len() {
            0 | 1 => first.unwrap_or_default(),
            more => format!("{} (and {} more)", first.unwrap_or_default(), more - 1),
        };
        Self { change: rejection.change, reason, code: rejection.code, details: rejection.details }
    }
}
