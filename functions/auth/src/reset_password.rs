use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::Password;
use shared::http::{Anonymous, ApiError, BodyErrors, CommonErrors, ErrorBody, JsonBody, invalid_field};
use shared::storage::TokenPurpose;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Acknowledgement;
use crate::verify_email::parse_token;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ResetPasswordRequest {
    /// The token of the link in the mail.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    token: SecretString,
    /// 8 to 128 characters, with upper case, lower case and a digit.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128, pattern = r"^[^\x00]*$")]
    new_password: SecretString,
}

/// Sets a new password by the link that was mailed, and ends every session.
#[utoipa::path(
    post,
    path = "/api/auth/reset-password",
    tag = "auth",
    request_body = ResetPasswordRequest,
    responses(
        (status = 200, description = "The password is changed.", body = Acknowledgement),
        (status = 410, description = "The link `has expired`, or it `was used or replaced`, as `details` say of `token`",
            body = ErrorBody),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn reset_password(
    State(auth): State<Auth>,
    visitor: Anonymous,
    JsonBody(request): JsonBody<ResetPasswordRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let token = parse_token(request.token.expose_secret())?;
    let password = Password::parse(request.new_password.expose_secret())
        .map_err(|message| invalid_field("new_password", message))?;
    let hash = auth.passwords.hash(&password).await?;
    // Before as well as after: if the sessions cannot be ended, the link stays good. Those who log in meanwhile are ended
    // after.
    let now = auth.clock.now();
    let Some(owner) = auth.mail_tokens.owner(&token.hash(), TokenPurpose::ResetPassword, now).await? else {
        return Err(auth.spent(&token, TokenPurpose::ResetPassword, now).await?);
    };
    visitor.record_user(owner);
    auth.authenticator.sessions.end_others(owner, None).await?;
    if auth.mail_tokens.reset_password(&token.hash(), &hash, now).await?.is_none() {
        return Err(auth.spent(&token, TokenPurpose::ResetPassword, now).await?);
    }
    auth.mail_queued.notify_one();
    auth.authenticator.sessions.end_others(owner, None).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Acknowledgement::new("Your password is changed; log in with the new one."))
}
