use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::http::{
    ApiError, AuthErrors, BodyErrors, Caller, Code, CommonErrors, ConflictLimit, ErrorBody, JsonBody, PathId,
    invalid_field,
};
use shared::models::{
    ChangeId, Conflict, ConflictId, ConflictRecord, Content, ItemRecord, Stored, Strategy, Timestamp, Winner,
    optional_by_name, optional_whole_number,
};
use shared::sync::{
    Choice, InvalidChange, RejectionCode, ResolutionRequest, ResolveOutcome, ResolvedConflict, canonical_hash,
    parse_item_data,
};
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Conflicts;

/// How to settle a conflict, as it comes.
#[derive(Debug, Deserialize)]
pub(crate) struct ResolveRequest {
    /// `last_write_wins`, `keep_both` or `user_choice`.
    strategy: String,
    /// For `user_choice`: which version.
    #[serde(default, deserialize_with = "optional_by_name")]
    chosen_version: Option<ChosenVersion>,
    /// For `user_choice`, instead: what the user made of both, whole.
    #[serde(default)]
    merged_data: Option<Value>,
    /// The `revision` of the conflict that the user has seen.
    #[serde(default, deserialize_with = "optional_whole_number")]
    revision: Option<i64>,
}

/// How to settle a conflict.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ResolveRequest)]
enum ResolveBody {
    /// By a rule.
    ByRule {
        /// Which.
        strategy: Rule,
        /// The `revision` of the conflict that the user has seen: if it has changed since, the answer is 409.
        revision: Option<i64>,
    },
    /// By choosing a version.
    Chosen {
        /// Always `user_choice`.
        strategy: UserChoice,
        /// Which version.
        chosen_version: ChosenVersion,
        /// The `revision` of the conflict that the user has seen: if it has changed since, the answer is 409.
        revision: Option<i64>,
    },
    /// By what the user made of both.
    Merged {
        /// Always `user_choice`.
        strategy: UserChoice,
        /// The item, whole.
        #[schema(value_type = Content)]
        merged_data: Value,
        /// The `revision` of the conflict that the user has seen: if it has changed since, the answer is 409.
        revision: Option<i64>,
    },
}

/// A strategy that needs no user.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Rule {
    LastWriteWins,
    KeepBoth,
}

/// The strategy of whoever has looked.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UserChoice {
    UserChoice,
}

/// One of the two versions in conflict.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ChosenVersion {
    /// What the uploading device sent.
    Local,
    /// What the server held.
    Remote,
}

/// What settling a conflict left behind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResolveResponse {
    /// Always `true`.
    success: bool,
    /// When the conflict was settled.
    resolved_at: Timestamp,
    /// How, in a sentence.
    message: String,
    /// The item as it is now, or the copy where one was made; absent where the item is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item: Option<ItemRecord<Content>>,
}

/// Settles a conflict. Doing so twice in the same way answers the same.
#[utoipa::path(
    post,
    path = "/api/sync/conflicts/{id}/resolve",
    operation_id = "resolve_conflict",
    tag = "conflicts",
    security(("bearer" = [])),
    params(("id" = ConflictId, Path, description = "The conflict's id")),
    request_body = ResolveBody,
    responses(
        (status = 200, description = "The conflict is settled.", body = ResolveResponse),
        (status = 404, description = "There is no such conflict.", body = ErrorBody),
        (status = 409, description = "Resolved otherwise, or the item or the conflict has changed: the conflict as it is now",
         body = ErrorBody),
        AuthErrors,
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn resolve(
    State(conflicts): State<Conflicts>,
    caller: Caller<ConflictLimit>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<ResolveRequest>,
) -> Result<Json<ResolveResponse>, ApiError> {
    body.check()?;
    let id = ConflictId::parse(&id).map_err(|_| ApiError::not_found("conflict"))?;
    let request_id = body.id(&id);
    let request = |conflict: &Conflict| {
        Ok(ResolutionRequest { id: request_id.clone(), choice: body.choice(conflict)?, revision: body.revision })
    };
    match conflicts.resolve(caller.user, &id, &request_id, request).await? {
        ResolveOutcome::Resolved(_, resolved) | ResolveOutcome::AlreadyResolved(resolved) => Ok(Json(answer(resolved))),
        ResolveOutcome::ResolvedDifferently(conflict) => {
            Err(refused_with(&conflict, "this conflict was already resolved in another way"))
        }
        ResolveOutcome::Outdated(_, conflict) => Err(refused_with(
            &conflict,
            "the item or the conflict has changed since it was seen; look at it again, then resolve it",
        )),
    }
}

fn answer(resolved: ResolvedConflict) -> ResolveResponse {
    let ResolvedConflict { resolution, key, stored } = resolved;
    let item = stored.filter(Stored::is_live);
    let item = item.and_then(|stored| Some(ItemRecord::new(key.id, stored.item?, stored.updated_at, stored.version)));
    let message = match (resolution.winner, &resolution.copy_id) {
        (_, Some(_)) => "Both versions are kept: one as the item, one as its copy.",
        (Some(Winner::Local), _) => "The local version is the item now.",
        (Some(Winner::Merged), _) => "The merged version is the item now.",
        (Some(Winner::Remote) | None, None) => "The remote version is the item now.",
    };
    ResolveResponse { success: true, resolved_at: resolution.at, message: message.to_owned(), item }
}

impl ResolveRequest {
    /// Refuses what can be refused without knowing the conflict.
    fn check(&self) -> Result<(), ApiError> {
        let strategy = Strategy::named(&self.strategy)
            .ok_or_else(|| invalid_field("strategy", "must be last_write_wins, keep_both or user_choice"))?;
        match (strategy, &self.chosen_version, &self.merged_data) {
            (Strategy::UserChoice, None, None) => {
                Err(invalid_field("chosen_version", "must be local or remote, or merged_data be given"))
            }
            (Strategy::UserChoice, Some(_), Some(_)) => {
                Err(invalid_field("merged_data", "must be left out where chosen_version is given"))
            }
            _ => Ok(()),
        }
    }

    /// What recognises a repeat of this request.
    fn id(&self, conflict: &ConflictId) -> ChangeId {
        let said = (conflict, &self.strategy, &self.chosen_version, &self.merged_data);
        ChangeId::new_unchecked(format!("resolve:{}", canonical_hash(&said)))
    }

    fn choice(&self, conflict: &Conflict) -> Result<Choice, ApiError> {
        Ok(match (Strategy::named(&self.strategy), self.chosen_version, &self.merged_data) {
            (Some(Strategy::LastWriteWins), ..) => Choice::LastWriteWins,
            (Some(Strategy::KeepBoth), ..) => Choice::KeepBoth,
            (_, Some(ChosenVersion::Local), _) => Choice::Local,
            (_, _, Some(data)) => {
                let merged = parse_item_data(&conflict.key, data.clone(), "merged_data").map_err(refused)?;
                Choice::Merged(Arc::new(merged))
            }
            (_, _, None) => Choice::Remote,
        })
    }
}

fn refused((code, errors): InvalidChange) -> ApiError {
    if code == RejectionCode::CredentialsPresent {
        SecurityEvent::CredentialRefused.log();
    }
    ApiError::invalid(errors)
}

/// A refusal that shows the conflict as it is now.
fn refused_with(conflict: &Conflict, message: &'static str) -> ApiError {
    ApiError { conflict: Some(Box::new(ConflictRecord::from(conflict))), ..ApiError::new(Code::Conflict, message) }
}
