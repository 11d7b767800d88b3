use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::http::{Anonymous, ApiError, BodyErrors, CommonErrors, JsonBody, invalid_field};
use shared::models::EmailAddress;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Acknowledgement;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PasswordResetRequest {
    /// The address of the account.
    #[schema(format = IdnEmail, max_length = 254)]
    email: String,
}

/// Mails a link to choose a new password, if there is an account with this address; one a minute. Neither the answer nor the
/// time that it takes tells.
#[utoipa::path(
    post,
    path = "/api/auth/request-password-reset",
    tag = "auth",
    request_body = PasswordResetRequest,
    responses(
        (status = 200, description = "If there is such an account, a link is on its way.", body = Acknowledgement),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn request_password_reset(
    State(auth): State<Auth>,
    _visitor: Anonymous,
    JsonBody(request): JsonBody<PasswordResetRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let email = EmailAddress::parse(&request.email).map_err(|message| invalid_field("email", message))?;
    auth.outbox.request_reset(&email, auth.clock.now()).await?;
    auth.mail_queued.notify_one();
    SecurityEvent::PasswordResetRequested.log();
    Ok(Acknowledgement::new("If there is an account with this address, a link is on its way to it."))
}
