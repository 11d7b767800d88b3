use axum::Json;
use axum::extract::State;
use shared::http::{ApiError, AuthErrors, BodyErrors, Caller, CommonErrors, RawBody, UploadLimit, UserAgent};
use shared::sync::RejectionCode;
use shared::telemetry::{self, SecurityEvent, UploadMetrics};

use crate::Uploads;
use crate::request::{Compressed, UploadRequest, parse};
use crate::response::UploadResponse;

/// Takes what a device has changed. All that is applied is applied in one transaction; a repeat changes nothing and is
/// answered as it was the first time. Up to 10 MB of JSON, after decompression.
#[utoipa::path(
    post,
    path = "/api/sync/upload",
    tag = "sync",
    security(("bearer" = [])),
    request_body(
        content(
            (UploadRequest = "application/json"),
            (Compressed = "application/gzip"),
            (Compressed = "application/zstd")
        ),
        description = "JSON, or the same compressed"
    ),
    responses(
        (
            status = 200,
            description = "What became of each change.",
            body = UploadResponse,
            links(("resolve" = (
                operation_id = "resolve_conflict",
                parameters(("id" = "$response.body#/conflicts/0/id")),
                description = "Settles the first conflict."
            )))
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
    // A large body takes a while to read: not on a thread that others wait for.
    let parsed = tokio::task::spawn_blocking(move || parse(&body, strategy)).await;
    let upload = parsed.map_err(|_| ApiError::panicked())??;
    caller.record_device(&upload.device);
    let decision = uploads.apply(&caller, &upload, &agent.0).await?;
    let (changes, conflicts, strategy) = (upload.changes.len(), decision.plan.conflicts.len(), upload.strategy.name());
    let answer = UploadResponse::new(decision);
    let rejected = answer.rejected();
    if rejected.contains(&RejectionCode::CredentialsPresent) {
        SecurityEvent::CredentialRefused.log();
    }
    telemetry::upload(&UploadMetrics { bytes, changes, conflicts, strategy, rejected: &rejected });
    Ok(Json(answer))
}
