use serde::Serialize;
use shared::models::{
    ChangeId, ChangeSummary, ConflictRecord, Content, CurrentItem, CurrentRecord, FieldError, ItemId, ItemKey,
    ItemRecord, ItemType, SyncVersion, SyncVersionSchema, Timestamp, json_bytes, limits,
};
use shared::sync::{ChangeResult, Decision, Effect, Rejection, RejectionCode};
use utoipa::ToSchema;

/// Results of an upload. Every change is in exactly one of `applied`, `conflicts` and `rejected`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadResponse {
    /// Whether no change was rejected.
    success: bool,
    /// Server time of the user's newest change after this upload.
    synced_at: Timestamp,
    /// Number of results of each kind, for a person.
    #[schema(max_length = 128, pattern = "^Synced [0-9]+ items, [0-9]+ conflicts, [0-9]+ rejected$")]
    message: String,
    /// Changes that were applied, with the resulting versions.
    #[schema(max_items = 5000)]
    applied: Vec<Applied>,
    /// Changes that conflicted with the stored item. The conflict is open or already resolved. Under `refuse` there is none: such
    /// an entry has no `id`, and nothing was recorded.
    #[schema(max_items = 5000)]
    conflicts: Vec<ConflictOutcome>,
    /// Changes that were rejected.
    #[schema(max_items = 5000)]
    rejected: Vec<Rejected>,
}

/// Change that was applied.
#[derive(Debug, Serialize, ToSchema)]
struct Applied {
    /// Id of the change. If it had none, the id that the server derived from its content.
    change_id: ChangeId,
    /// Type of the item.
    item_type: ItemType,
    /// Id of the item.
    item_id: ItemId,
    /// Version of the item after this change; 0 if there was nothing to delete.
    #[schema(value_type = SyncVersionSchema)]
    sync_version: SyncVersion,
    /// Whether the change was merged with another device's edit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    merged: bool,
    /// Whether the change is an edit of a history entry, which is ignored: the first entry with an id stays.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    unchanged: bool,
    /// The item after the whole upload, if it is not what the change said, in the last result that concerns the item. A client
    /// takes it before it edits the item further. It lacks `data` if the response would otherwise exceed 4 MB;
    /// `GET /api/sync/versions` returns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current: Option<CurrentRecord>,
}

/// Result of a change that conflicted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum ConflictOutcome {
    /// The change, with its conflict.
    Conflict(Box<ConflictedChange>),
    /// The change is refused, under `refuse`.
    Refused(Box<RefusedChange>),
}

/// Change that conflicted, with its conflict.
#[derive(Debug, Serialize, ToSchema)]
struct ConflictedChange {
    /// Id of the change.
    change_id: ChangeId,
    /// Version of the item after the whole upload; 0 if it is gone.
    #[schema(value_type = SyncVersionSchema)]
    sync_version: SyncVersion,
    /// The item after the whole upload, if it is not what the change said, in the last result that concerns the item. It lacks
    /// `data` if the response would otherwise exceed 4 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current: Option<CurrentRecord>,
    /// Current state of the conflict. Its versions lack `data` if the response would otherwise exceed 4 MB;
    /// `GET /api/sync/conflicts` returns them in full.
    #[serde(flatten)]
    conflict: ConflictRecord,
}

/// Change that was refused, because the item is not at the version that it names. Nothing was written or recorded.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedChange {
    /// Id of the change.
    change_id: ChangeId,
    /// Type of the item.
    item_type: ItemType,
    /// Id of the item.
    item_id: ItemId,
    /// Version of the item after the whole upload; 0 if there is none.
    #[schema(value_type = SyncVersionSchema)]
    sync_version: SyncVersion,
    /// Always true.
    refused: bool,
    /// The item after the whole upload, in the last result that concerns the item. It lacks `data` if the response would otherwise
    /// exceed 4 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current: Option<CurrentRecord>,
}

/// Change that was rejected.
#[derive(Debug, Serialize, ToSchema)]
struct Rejected {
    /// The change without its data.
    change: ChangeSummary,
    /// Reason, for a person: the first of `details`.
    reason: String,
    /// Reason, for a program.
    code: RejectionCode,
    /// Errors, by field.
    #[schema(max_items = 10)]
    details: Vec<FieldError>,
}

impl UploadResponse {
    /// Builds the response to an upload that led to `decision`.
    pub(crate) fn new(decision: Decision) -> Self {
        let mut response = Self {
            success: true,
            synced_at: decision.plan.new_head,
            message: String::new(),
            applied: Vec::new(),
            conflicts: Vec::new(),
            rejected: Vec::new(),
        };
        for result in decision.results {
            match result {
                ChangeResult::Applied { change, key, version, effect, current } => {
                    response.applied.push(Applied::new(change, key, version, effect, current));
                }
                ChangeResult::Conflict { change, conflict, version, current } => {
                    let current = current.map(|current| CurrentRecord::new(&conflict.key.id, current));
                    let conflict = ConflictRecord::from(&conflict);
                    let outcome = ConflictedChange { change_id: change, sync_version: version, current, conflict };
                    response.conflicts.push(ConflictOutcome::Conflict(Box::new(outcome)));
                }
                ChangeResult::Refused { change, key, version, current } => {
                    let refused = RefusedChange::new(change, key, version, current);
                    response.conflicts.push(ConflictOutcome::Refused(Box::new(refused)));
                }
                ChangeResult::Rejected(rejection) => response.rejected.push((*rejection).into()),
            }
        }
        response.conclude()
    }

    /// Returns the rule that found each refused credential.
    pub(crate) fn credential_rules(&self) -> impl Iterator<Item = &str> {
        self.rejected.iter().flat_map(|rejected| &rejected.details).filter_map(|error| error.rule.as_deref())
    }

    /// Returns the rejection code of each rejected change.
    pub(crate) fn rejected(&self) -> Vec<RejectionCode> {
        self.rejected.iter().map(|rejected| rejected.code).collect()
    }

    /// Removes the data of conflicts and items that exceed [`limits::PAGE_BYTES`], those first that come last. Lambda cannot
    /// return a larger response, and a retry would produce the same one.
    fn fit(&mut self) {
        let has_current = |applied: &Applied| applied.current.is_some();
        if self.conflicts.is_empty() && !self.applied.iter().any(has_current) {
            return; // the common case, without measuring
        }
        let bytes = json_bytes(&self.conflicts) + json_bytes(&self.applied) + json_bytes(&self.rejected);
        let mut excess = bytes.saturating_sub(limits::PAGE_BYTES);
        for conflict in self.conflicts.iter_mut().rev() {
            conflict.reduce(&mut excess);
        }
        for applied in self.applied.iter_mut().rev() {
            applied.reduce(&mut excess);
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

impl Applied {
    fn new(
        change_id: ChangeId,
        key: ItemKey,
        sync_version: SyncVersion,
        effect: Effect,
        current: Option<CurrentItem>,
    ) -> Self {
        let current = current.map(|current| CurrentRecord::new(&key.id, current));
        let ItemKey { item_type, id: item_id } = key;
        let (merged, unchanged) = (effect == Effect::Merged, effect == Effect::Unchanged);
        Self { change_id, item_type, item_id, sync_version, merged, unchanged, current }
    }

    fn reduce(&mut self, excess: &mut usize) {
        reduce(self.current.as_mut().map(|current| &mut current.data), excess);
    }
}

impl RefusedChange {
    fn new(change_id: ChangeId, key: ItemKey, sync_version: SyncVersion, current: Option<CurrentItem>) -> Self {
        let current = current.map(|current| CurrentRecord::new(&key.id, current));
        let ItemKey { item_type, id: item_id } = key;
        Self { change_id, item_type, item_id, sync_version, refused: true, current }
    }
}

impl ConflictOutcome {
    fn reduce(&mut self, excess: &mut usize) {
        let current = match self {
            Self::Conflict(outcome) => {
                outcome.reduce_conflict(excess);
                &mut outcome.current
            }
            Self::Refused(refused) => &mut refused.current,
        };
        reduce(current.as_mut().map(|current| &mut current.data), excess);
    }
}

impl ConflictedChange {
    fn reduce_conflict(&mut self, excess: &mut usize) {
        let ConflictRecord { local_version, remote_version, .. } = &mut self.conflict;
        // Both sides or none: a client compares them.
        if *excess > 0 {
            let bytes = json_bytes(&local_version.data.take()) + json_bytes(&remote_version.data.take());
            *excess = excess.saturating_sub(bytes);
        }
    }
}

/// Removes `data` if the response has `excess` bytes, and subtracts its size from them.
fn reduce(data: Option<&mut Data>, excess: &mut usize) {
    if *excess > 0
        && let Some(data) = data
    {
        *excess = excess.saturating_sub(data.take().map_or(0, |data| json_bytes(&data)));
    }
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
