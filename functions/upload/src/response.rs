use serde::Serialize;
use shared::models::{
    ChangeId, ChangeSummary, ConflictRecord, Content, FieldError, ItemId, ItemKey, ItemRecord, ItemType, SyncVersion,
    Timestamp, limits,
};
use shared::sync::{ChangeResult, Decision, Rejection, RejectionCode};
use utoipa::ToSchema;

/// What became of each change: every one is in exactly one of `applied`, `conflicts` and `rejected`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadResponse {
    /// `false` exactly when something was rejected.
    success: bool,
    /// Where the user's line of changes stands after this upload.
    synced_at: Timestamp,
    /// The same in a sentence.
    message: String,
    /// What is there now, and as which version.
    applied: Vec<Applied>,
    /// What met a conflict, settled or open.
    conflicts: Vec<ConflictOutcome>,
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
struct ConflictOutcome {
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
    change: ChangeSummary,
    /// Why, in a sentence that names the field.
    reason: String,
    /// Why, for a program.
    code: RejectionCode,
    /// What is wrong, by field.
    details: Vec<FieldError>,
}

impl UploadResponse {
    /// The answer that `decision` comes to.
    pub(crate) fn new(decision: Decision) -> Self {
        let mut answer = Self {
            success: true,
            synced_at: decision.plan.new_head,
            message: String::new(),
            applied: Vec::new(),
            conflicts: Vec::new(),
            rejected: Vec::new(),
        };
        for result in decision.results {
            match result {
                ChangeResult::Applied { change, key, version } => {
                    let ItemKey { item_type, id: item_id } = key;
                    answer.applied.push(Applied { change_id: change, item_type, item_id, sync_version: version });
                }
                ChangeResult::Conflict { change, conflict } => {
                    answer.conflicts.push(ConflictOutcome { change_id: change, conflict: (&conflict).into() });
                }
                ChangeResult::Rejected(rejection) => answer.rejected.push((*rejection).into()),
            }
        }
        answer.conclude()
    }

    /// Why changes were rejected, an entry for each.
    pub(crate) fn rejected(&self) -> Vec<RejectionCode> {
        self.rejected.iter().map(|rejected| rejected.code).collect()
    }

    /// Leaves out the data of those conflicts that do not fit any more: Lambda hands back no larger answer, and what it
    /// refuses to hand back it would refuse again.
    fn fit(&mut self) {
        if self.conflicts.is_empty() {
            return; // the usual case, which needs no measuring
        }
        let whole: Vec<usize> = self.conflicts.iter().map(json_bytes).collect();
        if whole.iter().sum::<usize>() + json_bytes(&self.applied) + json_bytes(&self.rejected) <= limits::PAGE_BYTES {
            return;
        }
        let data: Vec<_> = self.conflicts.iter_mut().map(ConflictOutcome::take_data).collect();
        let bare: Vec<usize> = self.conflicts.iter().map(json_bytes).collect();
        let rest = bare.iter().sum::<usize>() + json_bytes(&self.applied) + json_bytes(&self.rejected);
        let mut room = limits::PAGE_BYTES.saturating_sub(rest);
        for (place, (local, remote)) in data.into_iter().enumerate() {
            let Some(left) = room.checked_sub(whole[place] - bare[place]) else { continue };
            room = left;
            self.conflicts[place].conflict.local_version.data = local;
            self.conflicts[place].conflict.remote_version.data = remote;
        }
    }

    fn conclude(mut self) -> Self {
        self.fit();
        let (applied, conflicts, rejected) = (self.applied.len(), self.conflicts.len(), self.rejected.len());
        self.success = rejected == 0;
        self.message = format!("Synced {applied} items, {conflicts} conflicts, {rejected} rejected");
        self
    }
}

type Data = Option<ItemRecord<Content>>;

impl ConflictOutcome {
    fn take_data(&mut self) -> (Data, Data) {
        (self.conflict.local_version.data.take(), self.conflict.remote_version.data.take())
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
