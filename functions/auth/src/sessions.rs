use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::{ApiError, AuthErrors, AuthLimit, Caller, CommonErrors, ErrorBody, PathId};
use shared::models::{SessionId, Timestamp};
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Acknowledgement;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// The living sessions, newest first.
    sessions: Vec<SessionRecord>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionRecord {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    id: SessionId,
    /// What the device calls itself.
    device: String,
    /// The address that logged in.
    ip: String,
    /// When it began.
    created_at: Timestamp,
    /// When it was last used, to the minute.
    last_seen_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

/// Lists the user's sessions.
#[utoipa::path(
    get,
    path = "/api/auth/sessions",
    operation_id = "list_sessions",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (
            status = 200,
            description = "The sessions.",
            body = SessionList,
            links(("end" = (
                operation_id = "end_session",
                parameters(("id" = "$response.body#/sessions/0/id")),
                description = "Ends the newest session."
            )))
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

/// Ends every session but this one.
#[utoipa::path(
    delete,
    path = "/api/auth/sessions",
    operation_id = "end_other_sessions",
    tag = "auth",
    security(("bearer" = [])),
    responses((status = 200, description = "The other sessions are ended.", body = Acknowledgement), AuthErrors, CommonErrors)
)]
pub(crate) async fn end_others(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
) -> Result<Json<Acknowledgement>, ApiError> {
    auth.authenticator.sessions.end_others(caller.user, Some(caller.session.id)).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Acknowledgement::new("Your other sessions are ended."))
}

/// Ends one session.
#[utoipa::path(
    delete,
    path = "/api/auth/sessions/{id}",
    operation_id = "end_session",
    tag = "auth",
    security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The session's id")),
    responses(
        (status = 200, description = "The session is ended.", body = Acknowledgement),
        (status = 404, description = "There is no such session.", body = ErrorBody),
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
