use axum::Json;
use axum::extract::State;
use shared::http::{ApiError, AuthCalls, Caller, Failures, TokenFailures};

use crate::Auth;
use crate::service::Done;

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
            body = Done
        ),
        TokenFailures,
        Failures
    )
)]
pub(crate) async fn resend_verification(
    State(auth): State<Auth>,
    caller: Caller<AuthCalls>,
) -> Result<Json<Done>, ApiError> {
    let account = auth.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
    if account.user.email_verified_at.is_none() {
        auth.outbox.request_verification(caller.user, auth.clock.now()).await?;
        auth.mail_queued.notify_one();
    }
    Ok(Done::because("If your address still needs to be confirmed, a new link is on its way."))
}
