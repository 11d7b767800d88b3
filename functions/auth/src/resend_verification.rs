use axum::Json;
use axum::extract::State;
use shared::http::{ApiError, AuthErrors, AuthLimit, Caller, CommonErrors};

use crate::Auth;
use crate::service::Acknowledgement;

/// Mails another link to confirm the address, if that is not confirmed yet; one a minute.
#[utoipa::path(
    post,
    path = "/api/auth/resend-verification",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (
            status = 200,
            description = "If the address still needs to be confirmed, a link is on its way.",
            body = Acknowledgement
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
        auth.mail_queued.notify_one();
    }
    Ok(Acknowledgement::new("If your address still needs to be confirmed, a new link is on its way."))
}
