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
    Choice, InvalidChange, ResolutionRequest, ResolveOutcome, ResolvedConflict, canonical_hash, check_item_data,
    deserialize_unique, parse_item_data,
};
use shared::telemetry::credentials_refused;
use utoipa::ToSchema;

use crate::Conflicts;
use crate::examples;

/// Message of a 409 about a conflict that has changed.
const CHANGED: &str = "the item or the conflict has changed since it was seen; look at it again, then resolve it";

/// Body of the request, before its fields are checked together.
#[derive(Debug, Deserialize)]
pub(crate) struct ResolveRequest {
    /// `last_write_wins`, `keep_both` or `user_choice`.
    strategy: String,
    /// For `user_choice`: the version that becomes the item.
    #[serde(default, deserialize_with = "optional_by_name")]
    chosen_version: Option<ChosenVersion>,
    /// For `user_choice`, instead: the whole item that the user merged from both versions.
    #[serde(default, deserialize_with = "deserialize_unique")]
    merged_data: Option<Value>,
    /// `revision` of the conflict that the user has seen.
    #[serde(default, deserialize_with = "optional_whole_number")]
    revision: Option<i64>,
}

/// Resolution of a conflict.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ResolveRequest)]
enum ResolveBody {
    /// Resolution by a rule.
    ByRule {
        /// Rule.
        strategy: Rule,
        /// `revision` of the conflict that the user has seen. If the conflict has changed since, the response is 409.
        #[schema(minimum = -9223372036854775808i64, maximum = 9223372036854775807i64)]
        revision: Option<i64>,
    },
    /// Choice of one version.
    Chosen {
        /// Always `user_choice`.
        strategy: UserChoice,
        /// Version that becomes the item.
        chosen_version: ChosenVersion,
        /// `revision` of the conflict that the user has seen. If the conflict has changed since, the response is 409.
        #[schema(minimum = -9223372036854775808i64, maximum = 9223372036854775807i64)]
        revision: Option<i64>,
    },
    /// Item that the user merged from both versions.
    Merged {
        /// Always `user_choice`.
        strategy: UserChoice,
        /// The whole item, without credentials.
        #[schema(value_type = Content)]
        merged_data: Value,
        /// `revision` of the conflict that the user has seen. If the conflict has changed since, the response is 409.
        #[schema(minimum = -9223372036854775808i64, maximum = 9223372036854775807i64)]
        revision: Option<i64>,
    },
}

/// Strategy that needs no decision by the user: `last_write_wins` takes the later version, `keep_both` makes a conflicted
/// copy.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Rule {
    LastWriteWins,
    KeepBoth,
}

/// Strategy with a decision by the user.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UserChoice {
    UserChoice,
}

/// One of the two versions of a conflict.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ChosenVersion {
    /// The version that the uploading device sent.
    Local,
    /// The version that the server held.
    Remote,
}

/// Result of a resolution.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResolveResponse {
    /// Always `true`.
    success: bool,
    /// Server time of the resolution.
    resolved_at: Timestamp,
    /// Result, for a person.
    #[schema(max_length = 128, pattern = r"^[^\x00]+$")]
    message: String,
    /// The item after the resolution, or the conflicted copy if one was made. Absent if the item is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item: Option<ItemRecord<Content>>,
}

/// Resolves a conflict.
///
/// Writes a new version of the item. A repeated request gets the same response. A conflict that `last_write_wins` resolved, or
/// that a renewal left behind, can be resolved again with `user_choice`. If the item or the conflict has changed since it was seen, nothing is written
/// and the response is 409 with the current conflict.
#[utoipa::path(
    post,
    path = "/api/sync/conflicts/{id}/resolve",
    operation_id = "resolve_conflict",
    tag = "conflicts",
    security(("bearer" = [])),
    params(("id" = ConflictId, Path, description = "Id of the conflict", example = "5f2c9a1e")),
    request_body(
        content = ResolveBody,
        examples(
            ("rule" = (
                summary = "Keep both versions",
                value = json!({ "strategy": "keep_both", "revision": 1_769_861_160_000_000_i64 })
            )),
            ("chosen" = (
                summary = "Choose a version",
                value = json!({
                    "strategy": "user_choice",
                    "chosen_version": "local",
                    "revision": 1_769_861_160_000_000_i64
                })
            )),
            ("merged" = (
                summary = "Merge the versions",
                value = json!({ "strategy": "user_choice", "merged_data": examples::merged_data() })
            ))
        )
    ),
    responses(
        (
            status = 200,
            description = "The conflict is resolved.",
            body = ResolveResponse,
            example = json!({
                "success": true,
                "resolved_at": "2026-01-31T12:07:00.000000Z",
                "message": "The local version is the item now.",
                "item": examples::item()
            })
        ),
        (
            status = 404,
            description = "The user has no such conflict.",
            body = ErrorBody,
            example = json!(ApiError::not_found("conflict").example())
        ),
        (
            status = 409,
            description = "The conflict was resolved in another way, or the item or the conflict has changed since it was \
                           seen: `conflict` is its current state. Or the account has no room (`QUOTA_EXCEEDED`).",
            body = ErrorBody,
            example = json!({
                "error": true,
                "code": "CONFLICT",
                "message": CHANGED,
                "request_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
                "conflict": examples::conflict()
            })
        ),
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
    let body = body.check_merged_data().await?;
    let id = ConflictId::parse(&id).map_err(|_| ApiError::not_found("conflict"))?;
    let request_id = body.id(&id);
    let request = |conflict: &Conflict| {
        Ok(ResolutionRequest { id: request_id.clone(), choice: body.choice(conflict)?, revision: body.revision })
    };
    match conflicts.resolve(caller.placed(), &id, &request_id, request).await? {
        ResolveOutcome::Resolved(_, resolved) | ResolveOutcome::AlreadyResolved(resolved) => {
            Ok(Json(response(resolved)))
        }
        ResolveOutcome::ResolvedDifferently(conflict) => {
            Err(refused_with(&conflict, "this conflict was already resolved in another way"))
        }
        ResolveOutcome::Outdated(_, conflict) => Err(refused_with(&conflict, CHANGED)),
        ResolveOutcome::QuotaExceeded => Err(ApiError::quota_exceeded()),
    }
}

fn response(resolved: ResolvedConflict) -> ResolveResponse {
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
    /// Checks the fields that do not depend on the conflict.
    ///
    /// # Errors
    /// 400 with the invalid field.
    fn check(&self) -> Result<(), ApiError> {
        let strategy = Strategy::OF_RESOLUTIONS.into_iter().find(|strategy| strategy.name() == self.strategy);
        let strategy =
            strategy.ok_or_else(|| invalid_field("strategy", "must be last_write_wins, keep_both or user_choice"))?;
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

    /// Checks the merged item for credentials, which takes too long for an async worker thread.
    ///
    /// # Errors
    /// 400 with the invalid field.
    async fn check_merged_data(self) -> Result<Self, ApiError> {
        let checked = tokio::task::spawn_blocking(move || {
            let checked = self.merged_data.as_ref().map_or(Ok(()), |data| check_item_data(data, "merged_data"));
            checked.map(|()| self)
        });
        checked.await.map_err(|_| ApiError::panicked())?.map_err(refused)
    }

    /// Returns the id by which a repeat of this request is recognised.
    fn id(&self, conflict: &ConflictId) -> ChangeId {
        let said = (conflict, &self.strategy, &self.chosen_version, &self.merged_data);
        ChangeId::new_unchecked(format!("resolve:{}", canonical_hash(&said)))
    }

    fn choice(&self, conflict: &Conflict) -> Result<Choice, ApiError> {
        Ok(match (Strategy::from_name(&self.strategy), self.chosen_version, &self.merged_data) {
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

fn refused((_, errors): InvalidChange) -> ApiError {
    credentials_refused(errors.iter().filter_map(|error| error.rule.as_deref()));
    ApiError::invalid(errors)
}

/// Error that carries the current conflict.
fn refused_with(conflict: &Conflict, message: &'static str) -> ApiError {
    ApiError { conflict: Some(Box::new(ConflictRecord::from(conflict))), ..ApiError::new(Code::Conflict, message) }
}
