use serde::Serialize;
use shared::models::{
    ChangeId, ChangeSummary, ConflictRecord, Content, CurrentRecord, FieldError, ItemId, ItemKey, ItemRecord, ItemType,
    SyncVersion, SyncVersionSchema, Timestamp, json_bytes, limits,
};
use shared::sync::{ChangeResult, Decision, Rejection, RejectionCode};
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
    /// Changes that conflicted with the stored item. The conflict is open or already resolved.
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
    /// Whether the change was merged with another device's edit. The item then differs from what the change said.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    merged: bool,
    /// For a merged change: the item after the whole upload. The device takes it before it edits the item further. It lacks
    /// `data` if the response would otherwise exceed 4 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current: Option<CurrentRecord>,
}

/// Change that conflicted, with its conflict.
#[derive(Debug, Serialize, ToSchema)]
struct ConflictOutcome {
    /// Id of the change.
    change_id: ChangeId,
    /// Current state of the conflict. Its versions lack `data` if the response would otherwise exceed 4 MB;
    /// `GET /api/sync/conflicts` returns them in full.
    #[serde(flatten)]
    conflict: ConflictRecord,
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
                ChangeResult::Applied { change, key, version } => {
                    response.applied.push(Applied::new(change, key, version));
                }
                ChangeResult::Merged { change, key, version, current } => {
                    let current = Some(CurrentRecord::new(&key.id, current));
                    response.applied.push(Applied { merged: true, current, ..Applied::new(change, key, version) });
                }
                ChangeResult::Conflict { change, conflict } => {
                    response.conflicts.push(ConflictOutcome { change_id: change, conflict: (&conflict).into() });
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

    /// Removes the data of conflicts and of merged items that exceed [`limits::PAGE_BYTES`], those first that come last. Lambda
    /// cannot return a larger response, and a retry would produce the same one.
    fn fit(&mut self) {
        let is_merged = |applied: &Applied| applied.current.is_some();
        if self.conflicts.is_empty() && !self.applied.iter().any(is_merged) {
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
    fn new(change_id: ChangeId, key: ItemKey, sync_version: SyncVersion) -> Self {
        let ItemKey { item_type, id: item_id } = key;
        Self { change_id, item_type, item_id, sync_version, merged: false, current: None }
    }

    fn reduce(&mut self, excess: &mut usize) {
        reduce(self.current.as_mut().map(|current| &mut current.data), excess);
    }
}

impl ConflictOutcome {
    fn reduce(&mut self, excess: &mut usize) {
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
