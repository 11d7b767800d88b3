use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, AuthLimit, Caller, CommonErrors, ErrorBody, PathId};
use shared::models::{SessionId, Timestamp, UuidSchema};
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::examples::SESSION_ID;
use crate::service::Acknowledgement;

/// Sessions of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// Open sessions, newest first.
    #[schema(max_items = 100)]
    sessions: Vec<SessionRecord>,
}

/// Session: one login on one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionRecord {
    /// Id of the session.
    #[schema(value_type = UuidSchema)]
    id: SessionId,
    /// Name of the device: at most 128 characters.
    #[schema(max_length = 128, pattern = r"^[^\x00]*$")]
    device: String,
    /// IP address of the login, or `unknown`.
    #[schema(max_length = 45, pattern = r"^([0-9A-Fa-f.:]+|unknown)$")]
    ip: String,
    /// Time of the login.
    created_at: Timestamp,
    /// Time of the last use, to the minute.
    last_seen_at: Timestamp,
    /// Whether this request belongs to the session.
    current: bool,
}

/// Lists the sessions.
///
/// A user has at most 100. Every login opens one.
#[utoipa::path(
    get,
    path = "/api/auth/sessions",
    operation_id = "list_sessions",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (
            status = 200,
            description = "The open sessions.",
            body = SessionList,
            links(("end" = (
                operation_id = "end_session",
                parameters(("id" = "$response.body#/sessions/0/id")),
                description = "Ends the newest session."
            ))),
            example = json!({ "sessions": [{
                "id": SESSION_ID,
                "device": "laptop",
                "ip": "203.0.113.7",
                "created_at": "2026-01-31T12:00:00.000000Z",
                "last_seen_at": "2026-01-31T12:34:00.000000Z",
                "current": true
            }] })
        ),
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn list(State(auth): State<Auth>, caller: Caller<AuthLimit>) -> Result<Json<SessionList>, ApiError> {
    let sessions = auth.authenticator.sessions.list(caller.user, auth.clock.now()).await?;
    let record = |session: shared::models::Session| SessionRecord {
        current: session.id == caller.session.id,
        id: session.id,
        device: session.device,
        ip: session.ip,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
    };
    Ok(Json(SessionList { sessions: sessions.into_iter().map(record).collect() }))
}

/// Ends all other sessions.
///
/// The session of this request stays open.
#[utoipa::path(
    delete,
    path = "/api/auth/sessions",
    operation_id = "end_other_sessions",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (
            status = 200,
            description = "The other sessions have ended.",
            body = Acknowledgement,
            example = json!({ "success": true, "message": "Your other sessions are ended." })
        ),
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn end_others(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
) -> Result<Json<Acknowledgement>, ApiError> {
    auth.authenticator.sessions.end_others(caller.user, Some(caller.session.id)).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Acknowledgement::new("Your other sessions are ended."))
}

/// Ends a session.
///
/// It may be the session of this request.
#[utoipa::path(
    delete,
    path = "/api/auth/sessions/{id}",
    operation_id = "end_session",
    tag = "auth",
    security(("bearer" = [])),
    params(("id" = UuidSchema, Path, description = "Id of the session", example = json!(SESSION_ID))),
    responses(
        (
            status = 200,
            description = "The session has ended.",
            body = Acknowledgement,
            example = json!({ "success": true, "message": "The session is ended." })
        ),
        (
            status = 404,
            description = "The user has no such session.",
            body = ErrorBody,
            example = json!(ApiError::not_found("session").example())
        ),
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn end(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
    PathId(id): PathId,
) -> Result<Json<Acknowledgement>, ApiError> {
    let id = id.parse::<SessionId>().map_err(|_| ApiError::not_found("session"))?;
    if auth.authenticator.sessions.end(caller.user, id).await? {
        SecurityEvent::SessionRevoked.log();
        Ok(Acknowledgement::new("The session is ended."))
    } else {
        Err(ApiError::not_found("session"))
    }
}
