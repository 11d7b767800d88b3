use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::http::{Anonymous, ApiError, BodyErrors, CommonErrors, JsonBody, SmallBody, invalid_field};
use shared::models::EmailAddress;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Acknowledgement;

/// Account whose password is to be reset.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PasswordResetRequest {
    /// Email address of the account: at most 254 bytes.
    #[schema(format = IdnEmail, max_length = 254)]
    email: String,
}

/// Emails a link that sets a new password.
///
/// The link works once, for one hour. At most one email a minute is sent per account. Neither the response nor its timing
/// reveals whether there is an account with this address.
#[utoipa::path(
    post,
    path = "/api/auth/request-password-reset",
    tag = "auth",
    request_body(content = PasswordResetRequest, example = json!({ "email": "ada@example.com" })),
    responses(
        (
            status = 200,
            description = "The email is queued, if there is such an account.",
            body = Acknowledgement,
            example = json!({
                "success": true,
                "message": "If there is an account with this address, a link is on its way to it."
            })
        ),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn request_password_reset(
    State(auth): State<Auth>,
    _: Anonymous,
    JsonBody(request): SmallBody<PasswordResetRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let email = EmailAddress::parse(&request.email).map_err(|message| invalid_field("email", message))?;
    auth.outbox.request_reset(&email, auth.clock.now()).await?;
    auth.email_queued.notify_one();
    SecurityEvent::PasswordResetRequested.log();
    Ok(Acknowledgement::new("If there is an account with this address, a link is on its way to it."))
}
