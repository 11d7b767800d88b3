use axum::Json;
use axum::extract::State;
use shared::http::{ApiError, AuthErrors, AuthLimit, Caller, CommonErrors};
use shared::telemetry::SecurityEvent;

use crate::Auth;
use crate::service::Acknowledgement;

/// Ends the session.
///
/// Its access token and refresh token stop working at once.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (
            status = 200,
            description = "The session has ended.",
            body = Acknowledgement,
            example = json!({ "success": true, "message": "You are logged out." })
        ),
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn logout(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
) -> Result<Json<Acknowledgement>, ApiError> {
    auth.authenticator.sessions.end(caller.user, caller.session.id).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Acknowledgement::new("You are logged out."))
}
