use axum::Json;
use axum::extract::State;
use shared::http::{ApiError, AuthErrors, AuthLimit, Caller, CommonErrors};

use crate::Auth;
use crate::service::Acknowledgement;

/// Emails a new link that confirms the email address.
///
/// Does nothing if the address is confirmed already. At most one email a minute is sent per account. The link works once,
/// for 24 hours, and replaces earlier ones.
#[utoipa::path(
    post,
    path = "/api/auth/resend-verification",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (
            status = 200,
            description = "The email is queued, unless the address is confirmed already.",
            body = Acknowledgement,
            example = json!({
                "success": true,
                "message": "If your address still needs to be confirmed, a new link is on its way."
            })
        ),
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn resend_verification(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let account = auth.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
    if account.user.email_verified_at.is_none() {
        auth.outbox.request_verification(caller.user, auth.clock.now()).await?;
        auth.email_queued.notify_one();
    }
    Ok(Acknowledgement::new("If your address still needs to be confirmed, a new link is on its way."))
}
