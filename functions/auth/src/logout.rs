use axum::Json;
use axum::extract::State;
use shared::http::{ApiError, AuthCalls, Caller, Failures, TokenFailures};
use shared::telemetry::SecurityEvent;

use crate::Auth;
use crate::service::Done;

/// Ends the session; its tokens stop working at once.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "auth",
    security(("bearer" = [])),
    responses((status = 200, description = "The session is ended.", body = Done), TokenFailures, Failures)
)]
pub(crate) async fn logout(State(auth): State<Auth>, caller: Caller<AuthCalls>) -> Result<Json<Done>, ApiError> {
    auth.gate.sessions.end(caller.user, caller.session.id).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Done::because("You are logged out."))
}
