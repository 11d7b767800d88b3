use axum::Json;
use axum::extract::State;
use shared::http::{ApiError, AuthErrors, BodyErrors, Caller, CommonErrors, RawBody, UploadLimit, UserAgent};
use shared::sync::ChangeResult;
use shared::telemetry::{self, UploadMetrics};

use crate::Uploads;
use crate::examples;
use crate::request::{Compressed, UploadRequest, parse};
use crate::response::UploadResponse;

/// Uploads the changes of a device.
///
/// Every change ends in exactly one of `applied`, `conflicts` and `rejected`. All that is applied is applied in one
/// transaction. A repeated change is recognised by its `id`, or by its content without one; it changes nothing and gets the
/// same response.
///
/// A change that contains a credential is rejected; `details` names the field, the `rule`, and where in the text the credential
/// is. So are a change in which an object has two fields with one name, and a text of so many words that could name a
/// credential that searching it would take too long.
///
/// The body has at most 10 MiB of JSON after decompression. API Gateway hands at most 6 MB to a function: send larger uploads
/// as `application/gzip` or `application/zstd`.
#[utoipa::path(
    post,
    path = "/api/sync/upload",
    tag = "sync",
    security(("bearer" = [])),
    request_body(
        content(
            (UploadRequest = "application/json", example = json!(examples::request())),
            (Compressed = "application/gzip"),
            (Compressed = "application/zstd")
        ),
        description = "JSON, plain or compressed."
    ),
    responses(
        (
            status = 200,
            description = "The result of each change.",
            body = UploadResponse,
            links(("resolve" = (
                operation_id = "resolve_conflict",
                parameters(("id" = "$response.body#/conflicts/0/id")),
                description = "Resolves the first conflict."
            ))),
            example = json!(examples::response())
        ),
        AuthErrors,
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn upload(
    State(uploads): State<Uploads>,
    caller: Caller<UploadLimit>,
    agent: UserAgent,
    RawBody(body): RawBody,
) -> Result<Json<UploadResponse>, ApiError> {
    let (strategy, bytes) = (uploads.default_strategy(), body.len());
    // Parsing a large body takes long enough to block other requests of an async worker thread.
    let parsed = tokio::task::spawn_blocking(move || parse(&body, strategy)).await;
    let upload = parsed.map_err(|_| ApiError::panicked())??;
    caller.record_device(&upload.device);
    let decision = uploads.apply(&caller, &upload, &agent.0).await?;
    let refused = decision.results.iter().filter(|result| matches!(result, ChangeResult::Refused { .. })).count();
    let conflicts = decision.plan.conflicts.len() + refused;
    let (changes, strategy) = (upload.changes.len(), upload.strategy.name());
    let response = UploadResponse::new(decision);
    let rejected = response.rejected();
    telemetry::credentials_refused(response.credential_rules());
    telemetry::upload(&UploadMetrics { bytes, changes, conflicts, strategy, rejected: &rejected });
    Ok(Json(response))
}
